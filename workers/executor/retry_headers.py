"""What a command carries on its way through the tiers, read from its record and its headers. Pure.

A command from another team needs no header. Ours are trusted on the retry topics alone, which only we write; but for
the first append time, which may make any command older and none younger: a replay and an old event carry it.
"""

from collections.abc import Mapping

from stripeline.contracts import headers as h
from stripeline.contracts.frozen import frozen
from stripeline.contracts.headers import Headers
from stripeline.contracts.vocabulary import DeadLetterReason
from stripeline.workers.task.decision import InputRecord


@frozen
class Ticket:
    """One command record.

    key: the ordering key as text, None where no order was asked for.
    attempts: attempts made before this one.
    first_appended_ms: when the broker first appended the command, by the broker's clock.
    place: its place in its key's queue, None for one that never waited.
    again: it stood there before this task began: somebody may have made its call, and died before he could say so.
    """

    record: InputRecord
    key: str | None
    attempts: int
    first_appended_ms: int
    place: int | None
    returned: bool
    headers: Mapping[str, bytes]
    again: bool = False

    @property
    def replayed(self) -> bool:
        return h.REPLAY in self.headers

    @property
    def trace(self) -> bytes | None:
        return self.headers.get(h.TRACEPARENT)


def ticket(record: InputRecord, *, returned: bool, again: bool = False) -> Ticket:
    """A command record's ticket. `returned` says that it comes from a retry topic."""
    headers = h.read(record.headers)
    ours = headers if returned else {}
    first = h.number(headers, h.FIRST_APPENDED_AT)
    return Ticket(
        record=record,
        # Latin-1 gives every byte a character of its own, so no two keys become one.
        key=None if record.key is None else record.key.decode("latin-1"),
        attempts=h.number(ours, h.ATTEMPT) or 0,
        first_appended_ms=record.timestamp if first is None else min(first, record.timestamp),
        place=h.number(ours, h.PLACE),
        returned=returned,
        headers=headers,
        again=again,
    )


def waiting_headers(of: Ticket, *, attempts: int, due_ms: int, place: int | None, last_error: str) -> Headers:
    """The headers of a command that goes into a tier: its own ones, and ours anew."""
    ours = [
        (h.ATTEMPT, str(attempts).encode()),
        (h.DUE_AT, str(due_ms).encode()),
        (h.FIRST_APPENDED_AT, str(of.first_appended_ms).encode()),
        (h.LAST_ERROR, last_error.encode()[: h.MAX_ERROR_BYTES]),
    ]
    if place is not None:
        ours.append((h.PLACE, str(place).encode()))
    return (*h.without(of.record.headers, h.OURS_ON_A_COMMAND), *ours)


def dead_headers(of: Ticket, *, reason: DeadLetterReason, code: str, attempts: int, last_error: str) -> Headers:
    """The headers of a dead letter: its own ones, where it came from, and why."""
    ours = (
        (h.ORIGIN_TOPIC, of.record.topic.encode()),
        (h.ORIGIN_PARTITION, str(of.record.partition).encode()),
        (h.ORIGIN_OFFSET, str(of.record.offset).encode()),
        (h.REASON, reason.encode()),
        (h.CODE, code.encode()),
        (h.ATTEMPTS, str(attempts).encode()),
        (h.LAST_ERROR, last_error.encode()[: h.MAX_ERROR_BYTES]),
        (h.FIRST_APPENDED_AT, str(of.first_appended_ms).encode()),
    )
    return (*h.without(of.record.headers, h.OURS_ON_A_COMMAND), *ours)
