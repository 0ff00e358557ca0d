"""The row of a run, or its end: the newest record of a run id is its state, and a tombstone deletes it. Pure.

A succeeded run has forgotten its event. What an earlier record gave of it stays (`row_writer`); without one the run's
key stands for the object, and what its steps made names the customer. An erased run keeps none of them.
"""

from dataclasses import dataclass
from typing import Any, Final

from stripeline.deploy.console.index.rows.cells import cell, error_cell, id_cell, ms_cell
from stripeline.deploy.console.index.rows.summaries import RunSummary, summary
from stripeline.deploy.operations.reading.topic_reader import Read


@dataclass(frozen=True, slots=True)
class RunGone:
    """A run that the router has deleted, with the place of its tombstone."""

    run_id: str
    number: int
    offset: int


FINISHED: Final = ("succeeded", "cancelled")
"""Runs that nobody has to look at any more: the window bounds them."""


def run_change(record: Read, finished_since_ms: int = 0) -> dict[str, Any] | RunGone:
    """Raises msgspec.DecodeError, and ValueError for a tombstone without a key."""
    if record.value is None:
        return _gone(record)
    run = summary(RunSummary, record.value)
    if run.status in FINISHED and run.finished_at is not None and run.finished_at < finished_since_ms:
        return RunGone(run.run, record.partition, record.offset)
    erased = run.erased_at is not None
    return {
        "run_id": cell(run.run), "number": record.partition, "offset": record.offset,
        "changed_ms": ms_cell(record.at_ms) or 0, "workflow": cell(run.workflow), "trigger": cell(run.trigger),
        "event_id": cell(run.event), "event_type": cell(run.event_type),
        "connection": cell(run.connection), "account": cell(run.account),
        "customer": None if erased else _customer(run), "object_id": None if erased else _object_id(run),
        "status": cell(run.status), "step": cell(run.step), "code": cell(run.error.code) if run.error else None,
        "error": error_cell(run.error.message) if run.error else None, "steps": len(run.steps),
        "started_ms": ms_cell(run.started_at) or 0, "finished_ms": ms_cell(run.finished_at),
        "erased_ms": ms_cell(run.erased_at),
    }  # fmt: skip


def _gone(record: Read) -> RunGone:
    if record.key is None:
        raise ValueError("a tombstone without a key")
    return RunGone(record.key.decode(), record.partition, record.offset)


def _data(run: RunSummary) -> Any:
    return None if run.context is None else run.context.data


def _object_id(run: RunSummary) -> str | None:
    data = _data(run)
    return (None if data is None else id_cell(data.id)) or cell(run.key)


def _customer(run: RunSummary) -> str | None:
    named = (_data(run), *(step.output for step in run.steps))
    return next((cell(one.customer_id) for one in named if one is not None and one.customer_id), None)
