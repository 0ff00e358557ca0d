"""Stripe's notices that it failed to make events, as a person, or a script, sees them. Pure.

https://docs.stripe.com/event-destinations/handle-irrecoverable-events: no delivery and no list has such an event; the
notice names the object, which can be read.
"""

from collections.abc import Mapping
from typing import Any

from stripeline.contracts import headers as h
from stripeline.contracts.masking import mask
from stripeline.deploy.operations.reading.event_filters import event_of
from stripeline.deploy.operations.reading.topic_reader import Read


def unmade_view(read: Read) -> dict[str, Any]:
    """A notice as `events unmade --json` has it; topic, partition and offset are its place."""
    notice = event_of(read)
    related, data = (
        found if isinstance(found := notice.get(name), Mapping) else {} for name in ("related_object", "data")
    )
    view: dict[str, Any] = mask(
        {
            "notice": notice.get("id"),
            "object": related.get("id"),
            "object_type": _text(related.get("type")),
            "path": related.get("url"),
            "severity": data.get("severity"),
            "data": dict(data) or None,
            "context": notice.get("context"),
            "livemode": notice.get("livemode"),
            "trigger": h.text(read.headers, h.TRIGGER),
            "connection": h.text(read.headers, h.CONNECTION),
            "created": notice.get("created"),
            "received_at": h.rfc3339(read.at_ms),
            "topic": read.topic,
            "partition": read.partition,
            "offset": read.offset,
        }
    )
    return view


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
