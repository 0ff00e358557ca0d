"""What is spent of the limits an hour of connections and workflows, from what the processes report. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from stripeline.contracts.definitions import Definitions, Workflow
from stripeline.contracts.limits import HourlyLimits, runs_per_hour
from stripeline.contracts.operator.control_keys import BRAKE
from stripeline.contracts.operator.spending import BrakeKind, TaskSpending
from stripeline.deploy.operations.status.workers import Workers
from stripeline.workers.brakes.rolling_hour import Total, total


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitUse:
    """One limit. what: `effects`, `runs`, or `eur in its smallest unit`."""

    what: str
    spent: int
    limit: int


def connection_uses(stored: Definitions, workers: Workers) -> Mapping[str, Sequence[LimitUse]]:
    """Of the connections that have limits."""
    reported = [*_newest("connection", workers)]
    return {
        name: _uses(held.limits, _spent(f"connection/{name}", reported, stored, workers.now_ms))
        for name, held in stored.connections.items()
        if held.limits is not None
    }


def _uses(limits: HourlyLimits, spent: Total) -> Sequence[LimitUse]:
    uses = [] if limits.effects_per_hour is None else [("effects", spent.count, limits.effects_per_hour)]
    uses += [
        (f"{currency} (smallest unit)", spent.amount.get(currency, 0), limit)
        for currency, limit in sorted((limits.amount or {}).items())
    ]
    return [LimitUse(what=what, spent=used, limit=limit) for what, used, limit in uses]


def workflow_use(name: str, workflow: Workflow, stored: Definitions, workers: Workers) -> LimitUse | None:
    limit = runs_per_hour(workflow.limit)
    if limit is None:
        return None
    spent = _spent(f"workflow/{name}", [*_newest("workflow", workers)], stored, workers.now_ms)
    return LimitUse(what="runs", spent=spent.count, limit=limit)


def _spent(about: str, reported: Sequence[TaskSpending], stored: Definitions, now_ms: int) -> Total:
    """about: `connection/NAME` or `workflow/NAME`. reported: of its kind."""
    name = about.partition("/")[2]
    found = [one.names[name] for one in reported if name in one.names]
    return total(found, now_ms, _released_ms(stored, about))


def _released_ms(stored: Definitions, name: str) -> int:
    """When a person last released it, by the broker's clock: what began before counts no more."""
    place = stored.places.get(f"{BRAKE}/{name}")
    return 0 if place is None else place.appended_ms


def _newest(kind: BrakeKind, workers: Workers) -> Iterator[TaskSpending]:
    """Of each partition what its newest report says: after a rebalance two processes have reported it."""
    found: dict[int, tuple[int, TaskSpending]] = {}
    for one in workers.instances:
        for task in one.report.spent:
            known = found.get(task.partition)
            if task.kind == kind and (known is None or known[0] < one.report.at_ms):
                found[task.partition] = (one.report.at_ms, task)
    return (task for _, task in found.values())
