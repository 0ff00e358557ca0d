"""A command's record, and the headers that it carries through the retry tiers. Pure.

- A command of another team needs no header.
- Our headers are trusted on the retry topics alone, which only we write. The exception is the first append time, which
  a replay carries: it can make a command older, never younger. `stripeline-event-created-at`, the router's, can only
  hold a command back.
"""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from stripeline.contracts import headers as h
from stripeline.contracts.headers import Headers
from stripeline.contracts.masking import mask_text
from stripeline.contracts.vocabulary import Code
from stripeline.workers.task.decision import InputRecord

BEHIND: Final = "waits behind its key"
RATE: Final = "waits for its connection's rate"
SLOTS_TAKEN: Final = "its connection has as many calls under way as it may have"
MANY_BEHIND: Final = "goes on at once, on the retry topic: its key has many commands"
_STRIPES_FAULT: Final = f"{Code.PROVIDER_ERROR}:".encode()
_HELD: Final = b"waits for "


class CommandRecord(Struct, frozen=True, kw_only=True):
    """A record of the command topic or of a retry topic, with its headers read.

    key: the ordering key as text, None where no order was asked for.
    attempts: attempts made before this one.
    first_appended_ms: when the broker first appended the command, by the broker's clock.
    place: its place in its key's queue, None for one that never waited.
    returned: it comes from a retry topic.
    maybe_attempted: it was on the topic before this task began, so that a former owner may have made its call and died
        before it could commit.
    """

    input: InputRecord
    key: str | None
    attempts: int
    first_appended_ms: int
    place: int | None
    returned: bool
    headers: Mapping[str, bytes]
    maybe_attempted: bool = False

    @property
    def aged(self) -> bool:
        """A person, or the router, says that it is older than its record."""
        return not self.returned and h.FIRST_APPENDED_AT in self.headers

    @property
    def replayed(self) -> bool:
        return h.REPLAY in self.headers

    @property
    def failed_by_stripe(self) -> bool:
        """Its last attempt failed by Stripe's fault, so it may be tried before its time once Stripe answers others."""
        return self.attempts > 0 and self._why.startswith(_STRIPES_FAULT)

    @property
    def behind(self) -> bool:
        """It went into its tier behind another of its key."""
        return self._why == BEHIND.encode()

    @property
    def in_line(self) -> bool:
        """It went into its tier with a turn in its connection's line."""
        return self._why == RATE.encode()

    @property
    def held(self) -> bool:
        """It went into its tier without an attempt, since its connection could not call."""
        return self._why.startswith(_HELD) and not self.in_line

    @property
    def _why(self) -> bytes:
        return self.headers.get(h.LAST_ERROR, b"") if self.returned else b""

    @property
    def old_event_ms(self) -> int | None:
        """When the event of its run was created, if it was too old when it came."""
        return h.number(self.headers, h.EVENT_CREATED_AT)

    @property
    def traceparent(self) -> bytes | None:
        return self.headers.get(h.TRACEPARENT)


def read_record(record: InputRecord, *, returned: bool, maybe_attempted: bool = False) -> CommandRecord:
    headers = h.read(record.headers)
    ours = headers if returned else {}
    return CommandRecord(
        input=record,
        # Latin-1 gives every byte its own character, so no two keys become one.
        key=None if record.key is None else record.key.decode("latin-1"),
        attempts=h.number(ours, h.ATTEMPT) or 0,
        first_appended_ms=h.first_appended_ms(headers, record.timestamp),
        place=h.number(ours, h.PLACE),
        returned=returned,
        headers=headers,
        maybe_attempted=maybe_attempted,
    )


def waiting_headers(
    record: CommandRecord, *, attempts: int, due_ms: int, place: int | None, last_error: str
) -> Headers:
    """The headers of a command that goes into a tier: its own, and ours with new values."""
    ours = [
        (h.ATTEMPT, str(attempts).encode()),
        (h.DUE_AT, str(due_ms).encode()),
        (h.FIRST_APPENDED_AT, str(record.first_appended_ms).encode()),
        (h.LAST_ERROR, mask_text(last_error).encode()[: h.MAX_ERROR_BYTES]),
    ]
    if place is not None:
        ours.append((h.PLACE, str(place).encode()))
    return (*h.without(record.input.headers, h.OURS_ON_A_COMMAND), *ours)
