"""The trigger output of an event, and the record that carries it. Pure.

Ingest publishes what Stripe delivers by it, and the executor what a thin event names: one event has one id, key and
value, whichever of the two publishes it. The event's shape: https://docs.stripe.com/api/events/object
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from types import NoneType
from typing import Any, Final

import orjson
from msgspec import Struct

from stripeline.contracts.deliveries.delivery_vocabulary import EventReason
from stripeline.contracts.families import Family, text
from stripeline.contracts.headers import CONNECTION, TRIGGER, Headers, cloud_event
from stripeline.contracts.ids import EVENT_ID

EVENT_TYPE: Final = re.compile(r"[a-z0-9_.]{1,200}")
_OBJECT: Final = (dict, NoneType)
_LAST_SECOND: Final = 253_402_300_799  # of the year 9999: beyond it no date can be written

_KINDS: Final = (
    ("livemode", (bool, NoneType), EventReason.BAD_LIVEMODE),
    ("api_version", (str, NoneType), EventReason.BAD_API_VERSION),
    ("request", (dict, str, NoneType), EventReason.BAD_REQUEST),
    ("account", (str, NoneType), EventReason.BAD_ACCOUNT),
    ("user_id", (str, NoneType), EventReason.BAD_ACCOUNT),
    ("context", (str, NoneType), EventReason.BAD_ACCOUNT),
)


class TriggerRecord(Struct, frozen=True, gc=False):
    """The record of an event. `topic` is without the prefix."""

    topic: str
    key: bytes
    value: bytes
    headers: Headers


def problem_of(event: Mapping[str, Any]) -> EventReason | None:
    """What keeps an object from being an event; None when it is one."""
    return next(_problems(event), None)


def _problems(event: Mapping[str, Any]) -> Iterator[EventReason]:
    """Each is looked for only when it is asked for."""
    get, data = event.get, event.get("data")
    if get("object") != "event":
        yield EventReason.NOT_AN_EVENT
    if not matches(EVENT_ID, get("id")):
        yield EventReason.BAD_ID
    if not matches(EVENT_TYPE, get("type")):
        yield EventReason.BAD_TYPE
    if not _is_second(get("created")):
        yield EventReason.BAD_CREATED
    for name, kinds, problem in _KINDS:
        if not isinstance(get(name), kinds):
            yield problem
    if not (
        isinstance(data, dict)
        and isinstance(data.get("object"), dict)
        and isinstance(data.get("previous_attributes"), _OBJECT)
    ):
        yield EventReason.BAD_DATA


def record_of(
    event: Mapping[str, Any], family: Family, *, trigger: str, connection: str, traceparent: bytes | None
) -> TriggerRecord:
    """The record of an event that has no problem. Raises orjson.JSONEncodeError where it is too deep to be written."""
    data = event["data"]["object"]
    subject = family.subject(data) or text(data.get("id")) or event["id"]
    return written(event, family, subject, trigger=trigger, connection=connection,
                   traceparent=traceparent)  # fmt: skip


def written(
    event: Mapping[str, Any], family: Family, subject: str, *, trigger: str, connection: str, traceparent: bytes | None
) -> TriggerRecord:
    """The record of an event under the id of what its family is about. Raises orjson.JSONEncodeError."""
    source, ours = standing(trigger, connection)
    headers = cloud_event(
        id=event["id"], type=event["type"], source=source, at_ms=event["created"] * 1000, trace=traceparent
    )
    return TriggerRecord(
        topic=family.topic, key=subject.encode(), value=orjson.dumps(output(event)), headers=headers + ours
    )


@lru_cache(maxsize=1024)
def standing(trigger: str, connection: str) -> tuple[str, Headers]:
    """What is the same on every record of a trigger: its CloudEvents source, and our own headers."""
    return f"/stripeline/triggers/{trigger}", ((TRIGGER, trigger.encode()), (CONNECTION, connection.encode()))


def output(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """The card's trigger output of an event."""
    data = event["data"]
    beside = {
        "livemode": event.get("livemode"),
        "previous_attributes": data.get("previous_attributes"),
        "account": account_of(event),
        "context": event.get("context"),
    }
    return {
        "id": event["id"],
        "type": event["type"],
        "api_version": event.get("api_version"),
        "created": event["created"],
        "data": data["object"],
        "request": _request(event.get("request")),
    } | {name: value for name, value in beside.items() if value is not None}


def account_of(event: Mapping[str, Any]) -> str | None:
    """The connected account of an event; API versions before 2017-05-25 have it in `user_id`."""
    account: str | None = event.get("account") or event.get("user_id")
    return account


def _request(sent: Mapping[str, Any] | str | None) -> Mapping[str, Any] | None:
    """`request` as an object: API versions before May 2017 send the request's id as a bare string."""
    return {"id": sent, "idempotency_key": None} if isinstance(sent, str) else sent


def matches(pattern: re.Pattern[str], value: object) -> bool:
    # fullmatch: `$` would let a trailing newline pass.
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _is_second(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LAST_SECOND
