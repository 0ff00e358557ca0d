"""Which runs are erased when a person asks for it, and the acts that do. Pure.

The act holds what stays of a run, so nothing of a person is on the act topic, and the audit record names the run alone.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from stripeline.contracts import headers as h
from stripeline.contracts.internal_records import Run, encode
from stripeline.contracts.operator.act_records import RunAct
from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import RunActKind
from stripeline.deploy.operations.acts.audit import Act, Signed
from stripeline.deploy.operations.acts.run_act import act_on_run
from stripeline.deploy.operations.reading.customers import customers_of
from stripeline.workers.router.erasing import erased


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """A run, the partition that it is on, and what an erasure makes of it."""

    run: Run
    partition: int

    @property
    def erases(self) -> bool:
        return self.run.finished_ms is not None and self.run.erased_ms is None

    @property
    def fate(self) -> str:
        if self.run.erased_ms is not None:
            return "is erased already"
        if self.run.finished_ms is None:
            return "is refused: it runs, and needs its event; cancel it first"
        return "is erased, and can't be retried any more"


def about(run: Run, *, customer: str | None, event: str | None) -> bool:
    """Whether a run is about a customer, or of an event. A succeeded run keeps the key of its event, and no event."""
    of_customer = customer is not None and (customer in customers_of(run) or run.key == customer)
    return of_customer or (event is not None and run.event_id == event)


def acts(topics: Topics, found: Iterable[Erasure], signed: Signed) -> Iterator[Act]:
    """One act for each run that is erased."""
    for one in found:
        if one.erases:
            run_id = one.run.run_id
            asked = RunAct(act=RunActKind.ERASE, run=run_id, by=signed.by, why=signed.why, at_ms=signed.at_ms)
            left = encode(erased(one.run, signed.at_ms))
            yield act_on_run(topics, asked, signed, one.partition, left, ((h.ACT, encode(asked)),))


def view(one: Erasure) -> dict[str, Any]:
    """A run as `runs erase --json` shows it."""
    run = one.run
    return {
        "run": run.run_id,
        "workflow": run.workflow,
        "status": run.status,
        "started_at": h.rfc3339(run.started_ms),
        "erase": one.fate,
    }
