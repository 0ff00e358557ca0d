"""A step's retry as a new command: whether it may be done in the place of the former one. Pure.

The ledger decides, in the transaction that begins or refuses the new command:

| the former command | the new one |
|---|---|
| failed, or was never sent | begins, and the former is superseded |
| is superseded by this very one | goes on: it is a replay |
| waits, succeeded, or is indeterminate | is refused |
| is superseded by another | is refused |

Invariants:
- Both commands have their run's key, so their lane is one: none of them is in flight while the other is decided about.
- A superseded command is terminal: it is never attempted, looked up, settled or replayed, and has no more results.
- So is one that was refused: the run goes on waiting for the former.
"""

from collections.abc import Mapping
from typing import Final

from msgspec.structs import replace

from stripeline.contracts.internal_records import AuditRecord, LedgerCommand, encode
from stripeline.contracts.vocabulary import AuditedAct, Code
from stripeline.workers.executor import transitions
from stripeline.workers.executor.command_state import CommandState, Superseding
from stripeline.workers.executor.ledger import Ledger, remember
from stripeline.workers.executor.setup import Setup
from stripeline.workers.executor.stripe_answer import Failed, refusal
from stripeline.workers.task.decision import Decision, OutputRecord

BY: Final = "executor"
_NOT_FAILED: Final[Mapping[str, str]] = {
    "waiting": "waits for its next attempt or look-up",
    "succeeded": "was done",
    "indeterminate": "may have been done: replay its dead letter, which looks it up at Stripe",
}


def begun(setup: Setup, ledger: Ledger, state: CommandState, now_ms: int) -> CommandState | Failed:
    """The state of a command that may begin, or why it may not."""
    former_id, command_id = state.command.supersedes, state.command.command_id
    if former_id is None:
        return state
    former = ledger.known(former_id)
    if former is not None and former.status == "superseded" and former.superseded_by == command_id:
        return state
    why = _why_not(state, former_id, former)
    if why is not None:
        return refusal(state.command.action, f"not retried: {why}", Code.RETRY_REFUSED)
    return replace(state, superseding=_superseding(setup, former_id, former, command_id, now_ms))


def _why_not(state: CommandState, former_id: str, former: LedgerCommand | None) -> str | None:
    run = state.command.run
    ours = run is not None and all(one.startswith(f"{run.run_id}:") for one in (former_id, state.command.command_id))
    if not ours or former_id == state.command.command_id:
        return f"{former_id} is not an earlier command of the same run"
    if former is None or former.status == "failed":
        return None
    if former.status == "superseded":
        return f"{former_id} is superseded by {former.superseded_by or 'none, and was refused itself'}"
    return f"{former_id} {_NOT_FAILED[former.status]}"


def _superseding(
    setup: Setup, former_id: str, former: LedgerCommand | None, command_id: str, now_ms: int
) -> Superseding:
    digest, revision = ("", 0) if former is None else (former.digest, former.revision)
    entry = LedgerCommand(status="superseded", digest=digest, revision=revision, at_ms=now_ms, superseded_by=command_id)
    if former is None:
        return Superseding(change=remember(former_id, entry))
    # Its dead letters are closed with it.
    closed = AuditRecord(
        act=AuditedAct.SUPERSEDED, by=BY, why=f"retried as {command_id}", at_ms=now_ms, records=(),
        about=f"command {former_id}",
    )  # fmt: skip
    return Superseding(
        change=remember(former_id, entry), outputs=(OutputRecord(setup.topics.audit, None, encode(closed)),)
    )


def refused(setup: Setup, ledger: Ledger, state: CommandState, why: Failed, now_ms: int) -> Decision:
    """The end of a command that may not begin. Whatever becomes of the former one, it never begins later."""
    ended = transitions.finish(setup, ledger, state, why, now_ms)
    entry = LedgerCommand(status="superseded", digest=state.digest, revision=state.revision, at_ms=now_ms)
    return replace(ended, changes=(remember(state.command.command_id, entry), *ended.changes[1:]))


def joined(decision: Decision, state: CommandState) -> Decision:
    """A decision about a command, with the end of the one that it supersedes: in one transaction."""
    also = state.superseding
    if also is None:
        return decision
    outputs, changes = (*also.outputs, *decision.outputs), (also.change, *decision.changes)
    return replace(decision, outputs=outputs, changes=changes, waits=None)
