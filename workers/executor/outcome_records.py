"""The records of a command's end: its result and its dead letter. Pure.

This is the one place that decides between `failed` and `indeterminate`: a command that may have had its effect, and of
which Stripe has not said otherwise, is indeterminate.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from stripeline.contracts import headers as h
from stripeline.contracts.headers import cloud_event
from stripeline.contracts.internal_records import LastAnswer, PendingFailure, RecordedError, ResultFacts, encode
from stripeline.contracts.records import Status
from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import CODE_OK, Code, DeadLetterReason
from stripeline.workers.executor.retry_headers import CommandRecord
from stripeline.workers.executor.stripe_answer import Failed, Outcome, Succeeded
from stripeline.workers.task import dead_letters
from stripeline.workers.task.decision import Ended, OutputRecord

RESULT_TYPE = "stripeline.action-result"
SOURCE = "/stripeline/executor"
_OF_AN_ANSWER = tuple(LastAnswer.__struct_fields__)


class End(Struct, frozen=True, kw_only=True):
    """How a command ended. `dead_reason` names the dead letter that goes with it, if one does."""

    status: Status
    attempts: int
    output: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None
    dead_reason: DeadLetterReason | None = None


def end(
    outcome: Outcome, *, earlier_unknown: bool, attempts: int, reason: DeadLetterReason | None,
    answer: LastAnswer | None = None,
) -> End:  # fmt: skip
    """The end after a last outcome. `earlier_unknown`: an earlier attempt may have had its effect.

    answer: Stripe's last to an attempt, for an end that a person has to decide about and that has none of its own.
    """
    if isinstance(outcome, Succeeded):
        return End(status="succeeded", attempts=attempts, output=outcome.output)
    if outcome.unknown or (earlier_unknown and not outcome.decisive):
        error = {**_answered(outcome, answer), **_indeterminate(outcome), "retryable": False}
        return End(
            status="indeterminate", attempts=attempts, error=error, dead_reason=reason or DeadLetterReason.INDETERMINATE
        )
    error = dict(outcome.error) if reason is None else _answered(outcome, answer)
    return End(status="failed", attempts=attempts, error=error, dead_reason=reason)


def last_answer(failed: Failed, before: LastAnswer | None) -> LastAnswer | None:
    """Stripe's last answer after one more failure. No answer, or one of a hop on the way, does not replace Stripe's."""
    error = failed.error
    if "http_status" not in error or (before is not None and "request_id" not in error):
        return before
    return msgspec.convert({name: error[name] for name in _OF_AN_ANSWER if name in error}, LastAnswer)


def _answered(outcome: Failed, answer: LastAnswer | None) -> dict[str, Any]:
    """An error with Stripe's last answer, unless it has one of its own."""
    if answer is None or "request_id" in outcome.error:
        return dict(outcome.error)
    return {**outcome.error, **msgspec.to_builtins(answer)}


def pending(failed: Failed, reason: str | None) -> PendingFailure:
    """The end of a command whose look-up will find nothing."""
    return PendingFailure(error=msgspec.convert(failed.error, RecordedError), reason=reason)


def ended(action: str, how: End) -> Ended:
    return Ended(action, CODE_OK if how.error is None else how.error["code"], how.attempts)


def _indeterminate(outcome: Failed) -> Mapping[str, str]:
    code, message = outcome.error["code"], outcome.error["message"]
    if code in {Code.INDETERMINATE, Code.ACCOUNT_CHANGED}:
        return {"code": code, "message": message}
    said = f"may or may not have been done; last answer {code}: {message}"
    return {"code": Code.INDETERMINATE.value, "message": said}


def result(
    topics: Topics, command_id: str, facts: ResultFacts, how: End, *, revision: int, trace: bytes | None, now_ms: int
) -> OutputRecord:
    """The result of a command that ended. `trace`: of the record that it ended with."""
    value = {
        "command_id": command_id,
        "revision": revision,
        "action": facts.action,
        "connection": facts.connection,
        "status": how.status,
        "output": how.output,
        "error": how.error,
        "attempts": how.attempts,
        "started_at": facts.started_ms,
        "finished_at": now_ms,
        "run": facts.run,
    } | ({} if facts.account is None else {"account": facts.account})
    headers = cloud_event(id=f"{command_id}:{revision}", type=RESULT_TYPE, source=SOURCE, at_ms=now_ms, trace=trace)
    connection = (h.CONNECTION, facts.connection.encode())
    key = None if facts.key is None else facts.key.encode("latin-1")
    return OutputRecord(topics.result, key, encode(value), (*headers, connection))


def dead_letter(topics: Topics, record: CommandRecord, how: End, reason: DeadLetterReason) -> OutputRecord:
    error = how.error or {}
    return dead_letters.dead_letter(
        topics.dead_letter, record.input, first_appended_ms=record.first_appended_ms, reason=reason,
        code=error.get("code", ""), attempts=how.attempts, last_error=_words(error),
    )  # fmt: skip


def _words(error: Mapping[str, Any]) -> str:
    """The message, and what Stripe's support asks for."""
    facts = ", ".join(str(error[name]) for name in _OF_AN_ANSWER if error.get(name) is not None)
    return f"{error.get('message', '')} (Stripe's last answer: {facts})" if facts else error.get("message", "")


def id_reused(topics: Topics, record: CommandRecord) -> OutputRecord:
    """A known id that asks for something else: refused loudly, because one of the two was not meant."""
    why = "this command_id is known with another action, connection, account or input; send the new one under a new id"
    return dead_letters.dead_letter(
        topics.dead_letter, record.input, first_appended_ms=record.first_appended_ms, reason=DeadLetterReason.ID_REUSED,
        code=Code.CONFLICT, attempts=0, last_error=why,
    )  # fmt: skip
