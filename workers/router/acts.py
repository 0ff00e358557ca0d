"""What a person asks the router to do with a run. Pure.

Each kind of act is one handler in `_HANDLERS`. An act that its run does not allow changes nothing but the run's note,
which says why.
"""

from collections.abc import Mapping
from typing import Final

from msgspec.structs import replace

from stripeline.contracts import headers as h
from stripeline.contracts.internal_records import Run, UnreadableRecordError, read
from stripeline.contracts.masking import mask_text
from stripeline.contracts.operator.act_records import RunAct
from stripeline.contracts.vocabulary import RunActKind, Verdict
from stripeline.workers.router.act_request import ActRequest, Handler
from stripeline.workers.router.erasing import erase_run
from stripeline.workers.router.retrying import NotRetried, Present, RetryRequest, retry
from stripeline.workers.router.router_setup import RouterSetup
from stripeline.workers.router.run_outputs import carried_out, key_of
from stripeline.workers.router.run_state import Runs
from stripeline.workers.router.starting import start_run
from stripeline.workers.task.decision import Decision, InputRecord, OutputRecord, StateChange


def asked(record: InputRecord, headers: Mapping[str, bytes]) -> ActRequest:
    """The act of a record. Raises UnreadableRecordError."""
    act = read(RunAct, headers.get(h.ACT) or record.value or b"")
    if act.act not in _HANDLERS:
        raise UnreadableRecordError(f"this version knows no act {act.act[:40]!r}")
    return ActRequest(act=act, headers=headers, record=record)


def take(setup: RouterSetup, state: Runs, asked: ActRequest, now_ms: int) -> Decision:
    """The decision about an act."""
    return _HANDLERS[asked.act.act](setup, state, asked, now_ms)


def _retry(setup: RouterSetup, state: Runs, asked: ActRequest, now_ms: int) -> Decision:
    """The step at which the run stopped, as a new command."""
    act, run = asked.act, state.get(asked.act.run)
    if run is None:
        return Decision(Verdict.UNRELATED)
    if run.status == "cancelled":
        return Decision(Verdict.ACT_REFUSED)
    request = RetryRequest(
        command_id=act.command_id, revision=act.revision, number=act.number, as_started=act.as_started
    )
    present = Present(workflow=setup.workflows(run.trigger).get(run.workflow), account=setup.account)
    match retry(run, request, present, now_ms):
        case None:
            return Decision(Verdict.KNOWN)
        case NotRetried(why):
            noted = replace(run, note=mask_text(f"not retried: {why}"))
            return Decision(Verdict.ACT_REFUSED, changes=(StateChange(run.run_id, noted),))
        case transition:
            return carried_out(setup, asked.headers, transition, now_ms)


def _cancel(setup: RouterSetup, state: Runs, asked: ActRequest, now_ms: int) -> Decision:
    """No more steps, and no first attempt of a command that waits."""
    run = state.get(asked.act.run)
    if run is None or run.status == "cancelled":
        return Decision(Verdict.UNRELATED)
    note = mask_text(f"cancelled by {asked.act.by}: {asked.act.why}")
    ended = replace(run, status="cancelled", finished_ms=now_ms, definition=None, context=None, note=note)
    outputs = tuple(
        OutputRecord(setup.topics.command, key_of(run), None, ((h.CANCELS, command_id.encode()),))
        for command_id in _commands_of(run)
    )
    return Decision(Verdict.CANCELLED, outputs, (StateChange(run.run_id, ended),))


def _commands_of(run: Run) -> list[str]:
    """Those of its newest step: the executor decides which of them, if any, is still to be done."""
    step = run.steps[-1] if run.steps else None
    if step is None:
        return []
    return [step.command_id] if step.former is None else [step.former.command_id, step.command_id]


_HANDLERS: Final[Mapping[str, Handler]] = {
    RunActKind.RETRY: _retry,
    RunActKind.CANCEL: _cancel,
    RunActKind.START: start_run,
    RunActKind.ERASE: erase_run,
}
