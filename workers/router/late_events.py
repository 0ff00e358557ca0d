"""What a workflow does with an event that was missed and found later: it runs it, skips it, or holds it. Pure.

Such an event stands behind newer ones of its object, and what it asks for may have been done by hand in the meantime.

Invariants:
- A run that is held has stopped before its first step. Only a person takes it on: a retry starts the first step of the
  workflow as it is then, a cancellation ends it. A delivery of the same event is the same run, and starts nothing.
- An event that was skipped is not remembered: its delivery, if one comes, is an event as any other.
- A single event that a person starts is run, whatever its workflow says.
"""

from stripeline.contracts.definitions import Workflow
from stripeline.contracts.internal_records import RecordedError, Run
from stripeline.contracts.retry_tiers import DAY_MS
from stripeline.contracts.vocabulary import RunCode, UnstartedReason
from stripeline.workers.router import runs
from stripeline.workers.router.runs import Transition
from stripeline.workers.task.decision import Unstarted

_UNITS = ((DAY_MS, "days"), (3_600_000, "hours"), (60_000, "minutes"))


def ruled(workflow: Workflow, run: Run, late_by_ms: int | None, now_ms: int) -> Transition | Unstarted | None:
    """What the rule for late events makes of a run that would start; None where it starts."""
    if late_by_ms is None or workflow.late in {None, "run"}:
        return None
    if workflow.late == "skip":
        return Unstarted(run.workflow, UnstartedReason.LATE)
    return Transition(run=runs.stop(run, _held(late_by_ms), now_ms))


def is_held(run: Run) -> bool:
    """Whether a run waits for a person because its event was late."""
    return run.status == "stopped" and run.error is not None and run.error.code == RunCode.HELD_LATE


def _held(late_by_ms: int) -> RecordedError:
    message = (
        f"its event was missed, and found {_in_words(late_by_ms)} after it was created; its workflow"
        " holds such events. See whether it is still to be done: retry the run to start its first step, or cancel it"
    )
    return RecordedError(code=RunCode.HELD_LATE.value, message=message, retryable=False)


def _in_words(duration_ms: int) -> str:
    """In the largest unit of which there are two at least."""
    unit_ms, name = next((unit for unit in _UNITS if duration_ms >= 2 * unit[0]), (1_000, "seconds"))
    return f"{duration_ms // unit_ms} {name}"
