"""Record headers: their names, and how they are written and read.

Event, command and result records carry CloudEvents attributes in binary mode:
https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

Headers = tuple[tuple[str, bytes], ...]

ATTEMPT: Final = "stripeline-attempt"
DUE_AT: Final = "stripeline-due-at"
FIRST_APPENDED_AT: Final = "stripeline-first-appended-at"
EVENT_CREATED_AT: Final = "stripeline-event-created-at"
PLACE: Final = "stripeline-place"
REPLAY: Final = "stripeline-replay"
SETTLES: Final = "stripeline-settles"
CANCELS: Final = "stripeline-cancels"
TRIGGER: Final = "stripeline-trigger"
CONNECTION: Final = "stripeline-connection"
ACCOUNT: Final = "stripeline-account"
ACT: Final = "stripeline-act"
SOURCE: Final = "stripeline-source"
LATE_BY: Final = "stripeline-late-by"
BACKFILL: Final = b"backfill"
"""The value of `SOURCE` of an event that was found in Stripe's list."""
NOTICE: Final = b"notice"
"""The value of `SOURCE` of one that Stripe failed to make: a person has published it by Stripe's notice."""
PAYLOAD: Final = "stripeline-payload"
KIND: Final = "stripeline-kind"
TURN_AT: Final = "stripeline-turn-at"
ORIGIN_TOPIC: Final = "stripeline-origin-topic"
ORIGIN_PARTITION: Final = "stripeline-origin-partition"
ORIGIN_OFFSET: Final = "stripeline-origin-offset"
ORIGIN_LAST_OFFSET: Final = "stripeline-origin-last-offset"
REASON: Final = "stripeline-reason"
CODE: Final = "stripeline-code"
ATTEMPTS: Final = "stripeline-attempts"
LAST_ERROR: Final = "stripeline-last-error"
TRACEPARENT: Final = "traceparent"

OURS_ON_A_COMMAND = frozenset({ATTEMPT, DUE_AT, FIRST_APPENDED_AT, PLACE, LAST_ERROR, KIND, TURN_AT})
"""Headers that the executor adds when a command or a thin event goes to a retry tier, and replaces for the next."""
THIN_EVENT: Final = b"thin-event"
"""The value of `KIND` on a thin event in a tier or among the dead letters: what has no such header is a command."""

MAX_ERROR_BYTES: Final = 1_000


@lru_cache(maxsize=1024)  # many events share a second
def rfc3339(at_ms: int) -> str:
    """Milliseconds since the epoch as RFC 3339 in UTC."""
    at_s, rest_ms = divmod(at_ms, 1000)
    return f"{_to_the_second(at_s)}.{rest_ms:03d}Z"


@lru_cache(maxsize=64)
def _to_the_second(at_s: int) -> str:
    return datetime.fromtimestamp(at_s, UTC).isoformat()[:19]


def cloud_event(*, id: str, type: str, source: str, at_ms: int, trace: bytes | None = None) -> Headers:  # noqa: A002
    """The CloudEvents headers of a record, and its trace context if it has one."""
    headers = (
        ("ce_specversion", b"1.0"),
        ("ce_id", id.encode()),
        ("ce_type", type.encode()),
        ("ce_source", source.encode()),
        ("ce_time", rfc3339(at_ms).encode()),
        ("content-type", b"application/json"),
    )
    return headers if trace is None else (*headers, (TRACEPARENT, trace))


def read(headers: Iterable[tuple[str, bytes | None]]) -> Mapping[str, bytes]:
    """Headers by name; the last of several with one name wins, as in Kafka's `lastHeader`."""
    return {name: value for name, value in headers if value is not None}


def number(headers: Mapping[str, bytes], name: str) -> int | None:
    """A header as a whole number; None if it is missing or not a number."""
    value = headers.get(name, b"")
    return int(value) if value.isdigit() and len(value) <= 18 else None  # noqa: PLR2004  (fits 64 bits)


def text(headers: Mapping[str, bytes], name: str) -> str | None:
    value = headers.get(name)
    return None if value is None else value.decode("utf-8", "replace")


def late_by_ms(headers: Mapping[str, bytes]) -> int | None:
    """How late an event was; None for one that was delivered. A number that can't be read is late too."""
    if LATE_BY not in headers and headers.get(SOURCE) not in {BACKFILL, NOTICE}:
        return None
    return number(headers, LATE_BY) or 0


def without(headers: Iterable[tuple[str, bytes]], names: frozenset[str]) -> Headers:
    return tuple((name, value) for name, value in headers if name not in names)


def first_appended_ms(headers: Mapping[str, bytes], appended_ms: int) -> int:
    """When a command was first appended. The header can make it older than its record, never younger."""
    first_ms = number(headers, FIRST_APPENDED_AT)
    return appended_ms if first_ms is None else min(first_ms, appended_ms)
