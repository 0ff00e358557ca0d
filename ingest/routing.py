"""Decides what becomes of a verified body: a record on its family's topic, an event that is not ours, or a refusal.

Pure. It never raises on a body, whatever is in it, and a refusal never carries a piece of the body.
The event's shape: https://docs.stripe.com/api/events/object
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import NoneType
from typing import Any, Final, NamedTuple

import orjson

from stripeline.contracts.deliveries.delivery_vocabulary import EventReason, IgnoredReason
from stripeline.contracts.families import Family, text
from stripeline.contracts.headers import CONNECTION, TRIGGER, Headers, cloud_event
from stripeline.contracts.ids import EVENT_ID
from stripeline.ingest.seen_buffer import EventNote, note_of
from stripeline.ingest.trigger import TriggerView
from stripeline.ingest.webhook_path import PathView

EVENT_TYPE: Final = re.compile(r"[a-z0-9_.]{1,200}")
_OBJECT: Final = (dict, NoneType)
_LAST_SECOND: Final = 253_402_300_799  # of the year 9999: beyond it no date can be written
_THIN: Final = "v2.core.event"  # https://docs.stripe.com/event-destinations#thin-events
_PING: Final = "v2.core.event_destination.ping"  # https://docs.stripe.com/api/v2/core/event-destinations/ping

_KINDS: Final = (
    ("livemode", (bool, NoneType), EventReason.BAD_LIVEMODE),
    ("api_version", (str, NoneType), EventReason.BAD_API_VERSION),
    ("request", (dict, str, NoneType), EventReason.BAD_REQUEST),
    ("account", (str, NoneType), EventReason.BAD_ACCOUNT),
    ("user_id", (str, NoneType), EventReason.BAD_ACCOUNT),
    ("context", (str, NoneType), EventReason.BAD_ACCOUNT),
)


class Publication(NamedTuple):
    """One record to write.

    topic: without the prefix.
    timestamp_ms: when we received the event.
    trigger: the one that takes it.
    note: what `stripe.event-seen` says of it; None where it is not noted there.
    """

    topic: str
    key: bytes
    value: bytes
    headers: Headers
    timestamp_ms: int
    trigger: str
    note: EventNote | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored:
    reason: IgnoredReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    reason: EventReason


def route(
    body: bytes, *, path: PathView, received_at_ms: int, traceparent: bytes | None
) -> Publication | Ignored | Rejected:
    """What becomes of a body that Stripe signed for `path`."""
    event = _parsed(body)
    if isinstance(event, Rejected):
        return event
    if event.get("object") == _THIN:
        return _thin(event)
    problem = problem_of(event)
    unwanted = _other_mode(event, path) if problem is None else Rejected(reason=problem)
    if unwanted is not None:
        return unwanted
    taker = path.taker(event["type"])
    if taker is None:
        # After a 200 Stripe would never send it again: a trigger that is defined a moment later could not take it.
        return Rejected(reason=EventReason.NO_TRIGGER) if path.missing else Ignored(reason=IgnoredReason.OTHER_FAMILY)
    try:
        return _publication(event, *taker, received_at_ms, traceparent)
    except orjson.JSONEncodeError:  # orjson reads 1,024 levels and writes 254
        return Rejected(reason=EventReason.TOO_DEEP)


def _thin(event: Mapping[str, Any]) -> Ignored | Rejected:
    """An event without its object. After a 200 Stripe would never send it again, and nobody would learn of it."""
    if event.get("type") == _PING:
        return Ignored(reason=IgnoredReason.PING)
    return Rejected(reason=EventReason.THIN_EVENT)


def _parsed(body: bytes) -> Mapping[str, Any] | Rejected:
    try:
        event = orjson.loads(body)
    except orjson.JSONDecodeError:  # too deep, a lone surrogate, NaN and invalid UTF-8 included
        return Rejected(reason=EventReason.NOT_JSON)
    return event if isinstance(event, dict) else Rejected(reason=EventReason.NOT_AN_EVENT)


def problem_of(event: Mapping[str, Any]) -> EventReason | None:
    """What keeps an object from being an event; None when it is one."""
    return next(_problems(event), None)


def _problems(event: Mapping[str, Any]) -> Iterator[EventReason]:
    """Each is looked for only when it is asked for."""
    get, data = event.get, event.get("data")
    if get("object") != "event":
        yield EventReason.NOT_AN_EVENT
    if not _matches(EVENT_ID, get("id")):
        yield EventReason.BAD_ID
    if not _matches(EVENT_TYPE, get("type")):
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


def output(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """The card's trigger output of an event."""
    data = event["data"]
    beside = {
        "livemode": event.get("livemode"),
        "previous_attributes": data.get("previous_attributes"),
        "account": _account(event),
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


def _publication(
    event: Mapping[str, Any], family: Family, trigger: TriggerView, received_at_ms: int, traceparent: bytes | None
) -> Publication:
    data = event["data"]["object"]
    key = family.subject(data) or text(data.get("id")) or event["id"]
    source, ours = _standing(trigger.name, trigger.connection)
    headers = cloud_event(
        id=event["id"], type=event["type"], source=source, at_ms=event["created"] * 1000, trace=traceparent
    )
    return Publication(
        topic=family.topic,
        key=key.encode(),
        value=orjson.dumps(output(event)),
        headers=headers + ours,
        timestamp_ms=received_at_ms,
        trigger=trigger.name,
        note=note_of(event["id"], trigger.name, event["created"], event.get("livemode")),
    )


@lru_cache(maxsize=1024)
def _standing(trigger: str, connection: str) -> tuple[str, Headers]:
    """What is the same on every record of a trigger: its CloudEvents source, and our own headers."""
    return f"/stripeline/triggers/{trigger}", ((TRIGGER, trigger.encode()), (CONNECTION, connection.encode()))


def _other_mode(event: Mapping[str, Any], path: PathView) -> Ignored | Rejected | None:
    """A live event on a test endpoint's secret, or the reverse, is a mix-up that must not reach a workflow.

    But a live Connect endpoint gets the test events of its connected accounts too, and Stripe disables an endpoint that
    refuses them for days: https://docs.stripe.com/connect/webhooks
    """
    mode = event.get("livemode")
    if mode is None or path.livemode is None or mode is path.livemode:
        return None
    if path.livemode and _account(event) is not None:
        return Ignored(reason=IgnoredReason.WRONG_MODE)
    return Rejected(reason=EventReason.WRONG_MODE)


def _account(event: Mapping[str, Any]) -> str | None:
    """The connected account of an event; API versions before 2017-05-25 have it in `user_id`."""
    account: str | None = event.get("account") or event.get("user_id")
    return account


def _request(sent: Mapping[str, Any] | str | None) -> Mapping[str, Any] | None:
    """`request` as an object: API versions before May 2017 send the request's id as a bare string."""
    return {"id": sent, "idempotency_key": None} if isinstance(sent, str) else sent


def _matches(pattern: re.Pattern[str], value: object) -> bool:
    # fullmatch: `$` would let a trailing newline pass.
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _is_second(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LAST_SECOND
