"""Erases the personal data of a run: its event, inputs and outputs, and what errors say of them. Pure.

The run is replaced, never deleted: its id must be known for as long as its event can come again.

Invariants:
- Ids, states, codes and times stay. Nothing takes an erased run on: neither a result nor a retry.
- A run that runs is not erased: its next step needs the event.
"""

from typing import Final

from msgspec.structs import replace

from stripeline.contracts.internal_records import RecordedError, Run, UnreadableRecordError, read
from stripeline.contracts.vocabulary import Verdict
from stripeline.workers.router.act_request import ActRequest
from stripeline.workers.router.router_setup import RouterSetup
from stripeline.workers.router.run_state import Runs
from stripeline.workers.task.decision import Decision, StateChange

ERASED_TEXT: Final = "erased"


def erased(run: Run, at_ms: int) -> Run:
    """A run without what it knows of a person."""
    steps = tuple(replace(step, output=None, error=_without_text(step.error), former=None) for step in run.steps)
    return replace(
        run, steps=steps, error=_without_text(run.error), definition=None, context=None, key=None, note=None,
        erased_ms=at_ms,
    )  # fmt: skip


def _without_text(error: RecordedError | None) -> RecordedError | None:
    """Stripe's texts may repeat what was sent: an email address that is not valid, for one."""
    return None if error is None else replace(error, message=ERASED_TEXT)


def erase_run(setup: RouterSetup, state: Runs, asked: ActRequest, now_ms: int) -> Decision:  # noqa: ARG001
    """The run without its payload.

    A run that succeeded is known by its id alone, so the act's record holds what stays of it: nothing of a person.
    """
    run_id = asked.act.run
    run = state.get(run_id)
    if run is None and state.knows(run_id):
        run = read(Run, asked.record.value or b"")
        if run.run_id != run_id or run.finished_ms is None:
            raise UnreadableRecordError("the act holds another run, or one that has not ended")
    if run is None or run.finished_ms is None:
        return Decision(Verdict.UNRELATED)
    return Decision(Verdict.ERASED, changes=(StateChange(run_id, erased(run, now_ms)),))
