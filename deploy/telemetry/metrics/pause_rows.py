"""What a router shows of paused workflows: how long their first events can still be taken up."""

import time
from collections.abc import Iterator, Mapping
from typing import Final

from stripeline.contracts.operator.control_records import Pause
from stripeline.deploy.telemetry.collector import MetricRow, Sample


def left_s(pauses: Mapping[str, Pause], now_s: float) -> Iterator[Sample]:
    """By workflow. A pause without a bound, and one of a connection, has no sample."""
    for key, pause in pauses.items():
        kind, _, name = key.partition("/")
        if kind == "workflow" and pause.until_ms is not None:
            yield (name,), pause.until_ms / 1000 - now_s


PAUSED_WORKFLOWS: Final[tuple[MetricRow[Mapping[str, Pause]], ...]] = (
    MetricRow(
        "stripeline_workflow_take_up_seconds", "gauge", ("workflow",),
        "Time for which the first event of a paused workflow can be taken up; negative afterwards",
        lambda pauses: left_s(pauses, time.time()),
        over="min",
        question="When are the first events of a paused workflow lost to it?",
        action="`stripeline resume workflow NAME --take-up` before it is 0, or give the event topic a longer"
        " `retention.ms`; see *Paused workflows*",
    ),
)  # fmt: skip
