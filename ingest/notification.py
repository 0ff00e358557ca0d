"""A thin event as ingest reads it: only what its record needs. Pure. Its shape: https://docs.stripe.com/api/v2/core/events.

The executor reads the rest. What it can't fetch is a dead letter, which can be replayed; what is refused here is lost
once Stripe has sent it for three days. So no more is asked for than the contract of its topic.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from types import NoneType
from typing import Any, Final, NamedTuple

from stripeline.contracts.deliveries.delivery_vocabulary import EventReason
from stripeline.contracts.deliveries.thin_events import OF_V1
from stripeline.contracts.deliveries.trigger_output import EVENT_TYPE, matches
from stripeline.contracts.ids import EVENT_ID

_FIRST: Final = datetime.fromtimestamp(0, UTC)
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d[0-9.:zZ+-]{1,20}")
_RELATED: Final = (("type", 200), ("url", 2_000))
_LONGEST_ID: Final = 255


class Notification(NamedTuple):
    """A thin event.

    family_type: its type as a snapshot event has it; None where no snapshot has such a type.
    related_id: of its object; None where it names none, or one that its parent has one of.
    related_path: of its object at Stripe's API; empty where it names none.
    """

    id: str
    type: str
    family_type: str | None
    created_ms: int
    livemode: bool | None
    context: str | None
    related_id: str | None
    related_path: str


def read_notification(event: Mapping[str, Any]) -> Notification | EventReason:
    """A thin event, or what keeps an object from being one."""
    problem = next(_problems(event), None)
    if problem is not None:
        return problem
    related, created = event.get("related_object") or {}, _created(event["created"]) or _FIRST
    return Notification(
        id=event["id"],
        type=event["type"],
        family_type=event["type"].removeprefix(OF_V1) if event["type"].startswith(OF_V1) else None,
        created_ms=int(created.timestamp() * 1000),
        livemode=event.get("livemode"),
        context=event.get("context"),
        related_id=related.get("id"),
        related_path=related.get("url", ""),
    )


def _problems(event: Mapping[str, Any]) -> Iterator[EventReason]:
    """Each is looked for only when it is asked for."""
    get = event.get
    if not matches(EVENT_ID, get("id")):
        yield EventReason.BAD_ID
    if not matches(EVENT_TYPE, get("type")):
        yield EventReason.BAD_TYPE
    if _created(get("created")) is None:
        yield EventReason.BAD_CREATED
    if not isinstance(get("livemode"), (bool, NoneType)):
        yield EventReason.BAD_LIVEMODE
    if not isinstance(get("context"), (str, NoneType)):
        yield EventReason.BAD_ACCOUNT
    if get("related_object") is not None and not _names_an_object(get("related_object")):
        yield EventReason.BAD_DATA


def _created(value: object) -> datetime | None:
    if not isinstance(value, str) or _TIME.fullmatch(value) is None:
        return None
    try:
        created = datetime.fromisoformat(value)
    except ValueError:
        return None
    return created if created.tzinfo is not None and created >= _FIRST else None


def _names_an_object(related: object) -> bool:
    return isinstance(related, dict) and (
        (related.get("id") is None or _is_text(related["id"], _LONGEST_ID))
        and all(_is_text(related.get(name), most) for name, most in _RELATED)
    )


def _is_text(value: object, most: int) -> bool:
    return isinstance(value, str) and 0 < len(value) <= most
