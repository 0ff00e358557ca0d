"""Dead letters: a record that can't be decided or done, with its bytes unchanged, its origin and a reason. Pure."""

from stripeline.contracts import headers as h
from stripeline.contracts.headers import Headers
from stripeline.contracts.masking import mask_text
from stripeline.contracts.vocabulary import Code, DeadLetterReason, Verdict
from stripeline.workers.task.decision import Decision, InputRecord, OutputRecord


def dead_letter(
    topic: str,
    record: InputRecord,
    *,
    first_appended_ms: int,
    reason: DeadLetterReason,
    code: str,
    attempts: int,
    last_error: str,
) -> OutputRecord:
    headers = _headers(record, first_appended_ms, reason=reason, code=code, attempts=attempts, last_error=last_error)
    return OutputRecord(topic, record.key, record.value, headers)


def unreadable(topic: str, record: InputRecord, first_appended_ms: int, why: str, attempts: int = 0) -> OutputRecord:
    """The dead letter of a record that can't be parsed: there is no id that a result could name."""
    return dead_letter(
        topic,
        record,
        first_appended_ms=first_appended_ms,
        reason=DeadLetterReason.UNREADABLE,
        code=Code.VALIDATION_ERROR,
        attempts=attempts,
        last_error=why,
    )


def broken(topic: str, record: InputRecord, error: Exception) -> Decision:
    """A record whose decision raised an exception: a dead letter, so that the partition moves on.

    The state is unchanged: a replay finds the command unknown, and repeats it with the same Idempotency-Key.
    """
    letter = dead_letter(
        topic,
        record,
        first_appended_ms=h.first_appended_ms(h.read(record.headers), record.timestamp),
        reason=DeadLetterReason.INTERNAL_ERROR,
        code=Code.INDETERMINATE,
        attempts=0,
        last_error=f"{type(error).__name__}: this is a fault of Stripeline; the log has the traceback",
    )
    return Decision(Verdict.BROKEN, (letter,))


def _headers(
    record: InputRecord, first_appended_ms: int, *, reason: DeadLetterReason, code: str, attempts: int, last_error: str
) -> Headers:
    """The record's own headers, where it came from, and why it is here."""
    ours = (
        (h.ORIGIN_TOPIC, record.topic.encode()),
        (h.ORIGIN_PARTITION, str(record.partition).encode()),
        (h.ORIGIN_OFFSET, str(record.offset).encode()),
        (h.REASON, reason.encode()),
        (h.CODE, code.encode()),
        (h.ATTEMPTS, str(attempts).encode()),
        (h.LAST_ERROR, mask_text(last_error).encode()[: h.MAX_ERROR_BYTES]),
        (h.FIRST_APPENDED_AT, str(first_appended_ms).encode()),
    )
    return (*h.without(record.headers, h.OURS_ON_A_COMMAND), *ours)
