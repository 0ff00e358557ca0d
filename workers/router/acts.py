"""What a person asks the router to do with a run. Pure.

Each kind of act is one handler in `_HANDLERS`. An act that its run does not allow changes nothing but the run's note,
which says why.
"""

from collections.abc import Callable, Mapping
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from stripeline.contracts import headers as h
from stripeline.contracts.internal_records import UnreadableRecordError, read
from stripeline.contracts.operator.act_records import RunAct
from stripeline.contracts.vocabulary import RunActKind, Verdict
from stripeline.workers.router.router_setup import RouterSetup
from stripeline.workers.router.run_state import Runs
from stripeline.workers.task.decision import Decision, InputRecord, StateChange


class ActRequest(Struct, frozen=True, kw_only=True):
    """An act as it was read.

    event: the record of a start, which is the event's own.
    headers: the record's, read.
    """

    act: RunAct
    headers: Mapping[str, bytes]
    record: InputRecord


Handler = Callable[[RouterSetup, Runs, ActRequest, int], Decision]


def asked(record: InputRecord, headers: Mapping[str, bytes]) -> ActRequest:
    """The act of a record. Raises UnreadableRecordError."""
    act = read(RunAct, headers.get(h.ACT) or record.value or b"")
    if act.act not in _HANDLERS:
        raise UnreadableRecordError(f"this version knows no act {act.act[:40]!r}")
    return ActRequest(act=act, headers=headers, record=record)


def take(setup: RouterSetup, state: Runs, asked: ActRequest, now_ms: int) -> Decision:
    """The decision about an act."""
    return _HANDLERS[asked.act.act](setup, state, asked, now_ms)


def _cancel(setup: RouterSetup, state: Runs, asked: ActRequest, now_ms: int) -> Decision:  # noqa: ARG001
    """No more steps."""
    run = state.get(asked.act.run)
    if run is None or run.status == "cancelled":
        return Decision(Verdict.UNRELATED)
    cancelled = replace(run, status="cancelled", finished_ms=now_ms, definition=None, context=None)
    return Decision(Verdict.CANCELLED, changes=(StateChange(run.run_id, cancelled),))


_HANDLERS: Final[Mapping[str, Handler]] = {RunActKind.CANCEL: _cancel}
