"""Events as a person, or a script, sees them: times as RFC 3339, personal data and secrets masked. Pure.

What the contract tags as sensitive is masked wherever it is in the payload, in an object inside it too. A client secret
and a key are masked always; the rest is shown to a person who says why.
"""

from collections.abc import Mapping
from typing import Any, Final

from stripeline.contracts import headers as h
from stripeline.contracts.families import families
from stripeline.contracts.masking import mask, mask_fields
from stripeline.deploy.operations.reading.customers import customer_of
from stripeline.deploy.operations.reading.event_filters import event_of
from stripeline.deploy.operations.reading.topic_reader import Read

SENSITIVE: Final = frozenset(name for family in families().values() for name in family.sensitive)


def event_view(read: Read, *, unmask: bool = False) -> dict[str, Any]:
    """An event as `events list --json` has it; topic, partition and offset are its place."""
    event = event_of(read)
    data = event.get("data")
    payload = {"data": data, "previous_attributes": event.get("previous_attributes"), "request": event.get("request")}
    late_by_ms = h.late_by_ms(read.headers)
    shown: dict[str, Any] = {
        "event": event.get("id"),
        "type": event.get("type"),
        "trigger": h.text(read.headers, h.TRIGGER),
        "connection": h.text(read.headers, h.CONNECTION),
        "account": event.get("account"),
        "context": event.get("context"),
        "object": data.get("id") if isinstance(data, Mapping) else None,
        "customer": customer_of(data),
        "key": None if read.key is None else read.key.decode("utf-8", "replace"),
        "livemode": event.get("livemode"),
        "api_version": event.get("api_version"),
        "created_at": _created(event.get("created")),
        "received_at": h.rfc3339(read.at_ms),
        "source": _source(read, late_by_ms),
        "late_by_ms": late_by_ms,
        "topic": read.topic,
        "partition": read.partition,
        "offset": read.offset,
        **(payload if unmask else mask_fields(payload, SENSITIVE)),
    }
    view: dict[str, Any] = mask(shown)
    return view


def _source(read: Read, late_by_ms: int | None) -> str:
    if late_by_ms is None:
        return "delivery"
    return "notice" if read.headers.get(h.SOURCE) == h.NOTICE else "backfill"


def _created(seconds: object) -> str | None:
    return h.rfc3339(seconds * 1000) if isinstance(seconds, int) and 0 <= seconds < 10**11 else None
