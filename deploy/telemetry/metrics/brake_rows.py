"""What a worker shows of the limits of its connections and workflows."""

from collections.abc import Iterable, Iterator
from typing import Final

from stripeline.deploy.telemetry.collector import MetricRow, Sample
from stripeline.workers.brakes.brake_status import BrakeStatus

_LABELS: Final = ("kind", "name", "what")


def _trips(seen: Iterable[BrakeStatus]) -> Iterator[Sample]:
    trips = {(one.kind, one.name): one.trips for one in seen}
    return iter(trips.items())


BRAKES: Final[tuple[MetricRow[list[BrakeStatus]], ...]] = (
    MetricRow(
        "stripeline_limit_spent", "gauge", _LABELS,
        "What counts against a limit now: effects, runs, or an amount by currency, of the last hour",
        lambda seen: (((one.kind, one.name, one.what), one.spent) for one in seen),
        over="max",
        question="How near is a connection, or a workflow, to its limit?",
        action="Of all processes together, the others' as old as their last report; each process shows the same: take"
        " the highest. Compare with `stripeline_limit`",
    ),
    MetricRow(
        "stripeline_limit", "gauge", _LABELS,
        "What a connection or a workflow may begin in an hour",
        lambda seen: (((one.kind, one.name, one.what), one.limit) for one in seen),
        over="max",
        question="What is its limit?",
        action="`limits` of a connection, `limit` of a workflow; see *Brakes*",
    ),
    MetricRow(
        "stripeline_brake_trips_total", "counter", ("kind", "name"),
        "How often this process met a limit and paused the connection or workflow",
        _trips,
        question="Did a limit pause anything?",
        action="Look at what its commands were for before you resume it, see *Brakes*",
    ),
)  # fmt: skip
