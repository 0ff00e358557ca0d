"""Offsets of an input that were never read: a batch that no client can read, or what Kafka removed before. Pure.

- A gap stands in the input's buffer in the place of its records, and is passed in its turn.
- Its dead letter and the watermark behind it are in one transaction: it is written once, or the gap is met again.
- What an earlier owner finished within the range, as the commit's metadata says, is not missing.
"""

from collections.abc import Iterable

from msgspec import Struct

from stripeline.contracts import headers as h
from stripeline.contracts.headers import Headers
from stripeline.contracts.vocabulary import DeadLetterReason, Verdict
from stripeline.workers.task.decision import Decision, OutputRecord
from stripeline.workers.task.watermark import Range


class MissingOffsets(Struct, frozen=True):
    """The offsets of a range that nobody finished: the first, the last, and how many."""

    first: int
    last: int
    count: int


class Gap(Struct, frozen=True, kw_only=True):
    """In the place of records, as an `InputRecord`. `offset` is its last one: behind it the input goes on."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    decision: Decision
    missing: MissingOffsets
    key: None = None
    value: None = None
    headers: Headers = ()


def missing(first: int, last: int, finished: Iterable[Range]) -> MissingOffsets | None:
    """What of the offsets from first to last, both included, is in none of the ranges; None where nothing is."""
    at, found = first, []
    for begin, end in sorted(finished):
        if begin > last:
            break
        if begin > at:
            found.append((at, begin - 1))
        at = max(at, end + 1)
    if at <= last:
        found.append((at, last))
    if not found:
        return None
    return MissingOffsets(found[0][0], found[-1][1], sum(end - begin + 1 for begin, end in found))


def lost(dead_letters: str, topic: str, partition: int, last: int, lacks: MissingOffsets, now_ms: int) -> Gap:
    """Offsets up to `last` that Kafka removed before they were read."""
    why = (
        f"offsets {lacks.first} to {lacks.last} ({lacks.count} of them) were removed by the topic's retention before"
        " they were read; their records are gone"
    )
    letter = OutputRecord(
        dead_letters, None, b"",
        _headers(topic, partition, lacks, DeadLetterReason.LOST_BY_RETENTION, why, first_appended_ms=now_ms),
    )  # fmt: skip
    decision = Decision(Verdict.LOST, (letter,))
    return Gap(topic=topic, partition=partition, offset=last, timestamp=now_ms, decision=decision, missing=lacks)


def skipped(
    dead_letters: str,
    topic: str,
    partition: int,
    last: int,
    lacks: MissingOffsets,
    *,
    why: str,
    batch: bytes,
    at_ms: int,
) -> Gap:  # fmt: skip
    """A batch that no client can read, and that a person skipped; its dead letter has its bytes."""
    letter = OutputRecord(
        dead_letters, None, batch,
        _headers(topic, partition, lacks, DeadLetterReason.UNREADABLE_BATCH, why, first_appended_ms=max(at_ms, 0)),
    )  # fmt: skip
    decision = Decision(Verdict.SKIPPED, (letter,))
    return Gap(topic=topic, partition=partition, offset=last, timestamp=at_ms, decision=decision, missing=lacks)


def _headers(
    topic: str, partition: int, lacks: MissingOffsets, reason: DeadLetterReason, why: str, *, first_appended_ms: int
) -> Headers:
    return (
        (h.ORIGIN_TOPIC, topic.encode()),
        (h.ORIGIN_PARTITION, str(partition).encode()),
        (h.ORIGIN_OFFSET, str(lacks.first).encode()),
        (h.ORIGIN_LAST_OFFSET, str(lacks.last).encode()),
        (h.REASON, reason.encode()),
        (h.CODE, b""),  # no command is known to have failed
        (h.ATTEMPTS, b"0"),
        (h.LAST_ERROR, why.encode()[: h.MAX_ERROR_BYTES]),
        (h.FIRST_APPENDED_AT, str(first_appended_ms).encode()),
    )
