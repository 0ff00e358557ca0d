"""How a command ends: its result, its dead letter, and the next command of its key. Pure.

This is the one place that decides between `failed` and `indeterminate`: whoever may have had an effect, and was not
told otherwise by Stripe, is indeterminate.
"""

from collections.abc import Mapping
from typing import Any

import orjson

from stripeline.contracts import headers as h
from stripeline.contracts.frozen import frozen, replace
from stripeline.contracts.headers import cloud_event
from stripeline.contracts.records import Status
from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import CODE_OK, Code, DeadLetterReason, Verdict
from stripeline.workers.executor.ledger import Ledger, set_queue
from stripeline.workers.executor.retry_headers import Ticket, dead_headers, ticket
from stripeline.workers.executor.stripe_answer import Failed, Outcome, Succeeded
from stripeline.workers.task.decision import Decision, Ended, InputRecord, Output, StateChange

RESULT_TYPE = "stripeline.action-result"
SOURCE = "/stripeline/executor"


@frozen
class End:
    """How a command ended. `dead_reason` names the dead letter that goes with it, if one does."""

    status: Status
    attempts: int
    output: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None
    dead_reason: DeadLetterReason | None = None


def end(outcome: Outcome, *, earlier_unknown: bool, attempts: int, reason: DeadLetterReason | None) -> End:
    """The end after a last outcome. `earlier_unknown`: an earlier attempt may have had its effect."""
    if isinstance(outcome, Succeeded):
        return End(status="succeeded", attempts=attempts, output=outcome.output)
    if outcome.unknown or (earlier_unknown and not outcome.decisive):
        error = {**outcome.error, "code": Code.INDETERMINATE.value, "retryable": False}
        error["message"] = _indeterminate(outcome)
        reason = reason or DeadLetterReason.INDETERMINATE
        return End(status="indeterminate", attempts=attempts, error=error, dead_reason=reason)
    return End(status="failed", attempts=attempts, error=outcome.error, dead_reason=reason)


def ended(action: str, how: End) -> Ended:
    return Ended(action, CODE_OK if how.error is None else how.error["code"], how.attempts)


def _indeterminate(outcome: Failed) -> str:
    code, message = outcome.error["code"], outcome.error["message"]
    return message if code == Code.INDETERMINATE else f"may or may not have been done; last answer {code}: {message}"


@frozen
class Told:
    """What a result says beside how the command ended."""

    command_id: str
    action: str
    connection: str
    run: Mapping[str, Any] | None
    key: bytes | None
    started_at: int
    trace: bytes | None


def result(topics: Topics, told: Told, how: End, revision: int, now_ms: int) -> Output:
    value = {
        "command_id": told.command_id,
        "revision": revision,
        "action": told.action,
        "connection": told.connection,
        "status": how.status,
        "output": how.output,
        "error": how.error,
        "attempts": how.attempts,
        "started_at": told.started_at,
        "finished_at": now_ms,
        "run": told.run,
    }
    headers = cloud_event(
        id=f"{told.command_id}:{revision}", type=RESULT_TYPE, source=SOURCE, at_ms=now_ms, trace=told.trace
    )
    connection = (h.CONNECTION, told.connection.encode())
    return Output(topics.result, told.key, orjson.dumps(value), (*headers, connection))


def dead_letter(topics: Topics, of: Ticket, how: End, reason: DeadLetterReason) -> Output:
    error = how.error or {}
    return _dead(
        topics, of, reason=reason, code=error.get("code", ""), attempts=how.attempts,
        last_error=error.get("message", ""),
    )  # fmt: skip


def _dead(topics: Topics, of: Ticket, *, reason: DeadLetterReason, code: str, attempts: int, last_error: str) -> Output:
    headers = dead_headers(of, reason=reason, code=code, attempts=attempts, last_error=last_error)
    return Output(topics.dead_letter, of.record.key, of.record.value, headers)


def unreadable(topics: Topics, ledger: Ledger | None, of: Ticket, why: str) -> Decision:
    """A record that is no command: unchanged to the dead letters; there is no id that a result could name."""
    letter = _dead(
        topics, of, reason=DeadLetterReason.UNREADABLE, code=Code.VALIDATION_ERROR, attempts=of.attempts, last_error=why
    )
    return Decision(Verdict.UNREADABLE, (letter,), () if ledger is None else next_of_key(ledger, of))


def id_reused(topics: Topics, of: Ticket) -> Decision:
    """A known id that asks for something else: refused loudly, because one of the two was not meant."""
    why = "this command_id is known with another action, connection or input; send the new command under a new id"
    letter = _dead(topics, of, reason=DeadLetterReason.ID_REUSED, code=Code.CONFLICT, attempts=0, last_error=why)
    return Decision(Verdict.ID_REUSED, (letter,))


def next_of_key(ledger: Ledger, of: Ticket) -> tuple[StateChange, ...]:
    """The head of a key's queue has ended, whichever way: the next place has its turn."""
    queue = None if of.key is None else ledger.queue(of.key)
    if of.key is None or queue is None or of.place != queue.head:
        return ()
    return (set_queue(of.key, replace(queue, head=queue.head + 1)),)


def broken(dead_letter_topic: str, record: InputRecord, error: Exception) -> Decision:
    """A record that a fault of ours keeps from being decided: kept as a dead letter, so the partition moves on.

    The state is as it was: a replay finds the command unknown, and repeats it with the same Idempotency-Key.
    """
    headers = dead_headers(
        ticket(record, returned=True),
        reason=DeadLetterReason.INTERNAL_ERROR,
        code=Code.INDETERMINATE,
        attempts=0,
        last_error=f"{type(error).__name__}: this is a fault of Stripeline; the log has the traceback",
    )
    return Decision(Verdict.BROKEN, (Output(dead_letter_topic, record.key, record.value, headers),))
