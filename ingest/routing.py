"""Decides what becomes of a verified body: a record on its family's topic, an event that is not ours, or a refusal.

Pure. It never raises on a body, whatever is in it, and a refusal never carries a piece of the body.
The event's shape: https://docs.stripe.com/api/events/object
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import orjson

from stripeline.contracts.deliveries.delivery_vocabulary import EventReason, IgnoredReason
from stripeline.contracts.deliveries.trigger_output import account_of, problem_of, record_of
from stripeline.contracts.families import Family
from stripeline.contracts.headers import Headers
from stripeline.ingest.seen_buffer import EventNote, note_of
from stripeline.ingest.trigger import TriggerView
from stripeline.ingest.webhook_path import PathView

_THIN: Final = "v2.core.event"  # https://docs.stripe.com/event-destinations#thin-events
_PING: Final = "v2.core.event_destination.ping"  # https://docs.stripe.com/api/v2/core/event-destinations/ping


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


def _publication(
    event: Mapping[str, Any], family: Family, trigger: TriggerView, received_at_ms: int, traceparent: bytes | None
) -> Publication:
    record = record_of(event, family, trigger=trigger.name, connection=trigger.connection, traceparent=traceparent)
    note = note_of(event["id"], trigger.name, event["created"], event.get("livemode"))
    return Publication(*record, timestamp_ms=received_at_ms, trigger=trigger.name, note=note)


def _other_mode(event: Mapping[str, Any], path: PathView) -> Ignored | Rejected | None:
    """A live event on a test endpoint's secret, or the reverse, is a mix-up that must not reach a workflow.

    But a live Connect endpoint gets the test events of its connected accounts too, and Stripe disables an endpoint that
    refuses them for days: https://docs.stripe.com/connect/webhooks
    """
    mode = event.get("livemode")
    if mode is None or path.livemode is None or mode is path.livemode:
        return None
    if path.livemode and account_of(event) is not None:
        return Ignored(reason=IgnoredReason.WRONG_MODE)
    return Rejected(reason=EventReason.WRONG_MODE)
