"""Decides what becomes of a verified body: a record on a topic of events, an event that is not ours, or a refusal.

Pure. It never raises on a body, whatever is in it, and a refusal never carries a piece of the body.
The event's shape: https://docs.stripe.com/api/events/object
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from msgspec import Struct

from stripeline.contracts.deliveries.delivery_vocabulary import EventReason, IgnoredReason
from stripeline.contracts.deliveries.thin_events import GENERATION_FAILURE, PING, THIN
from stripeline.contracts.deliveries.trigger_output import account_of, problem_of, record_of, standing
from stripeline.contracts.families import Family
from stripeline.contracts.headers import Headers, cloud_event
from stripeline.contracts.topics import HEALTH_EVENT, THIN_EVENT
from stripeline.ingest.notification import Notification, read_notification
from stripeline.ingest.seen_buffer import EventNote, note_of
from stripeline.ingest.trigger import TriggerView
from stripeline.ingest.webhook_path import PathView


class Publication(Struct, frozen=True, gc=False):
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
    if event.get("object") == THIN:
        return _thin(event, body, path, received_at_ms, traceparent)
    problem = problem_of(event)
    if problem is not None:
        return Rejected(reason=problem)
    unwanted = _other_mode(event.get("livemode"), account_of(event), path)
    return unwanted or _snapshot(event, path, received_at_ms, traceparent)


def _snapshot(
    event: Mapping[str, Any], path: PathView, received_at_ms: int, traceparent: bytes | None
) -> Publication | Ignored | Rejected:
    taker = path.taker(event["type"])
    if taker is None:
        return _of_no_trigger(path)
    try:
        return _publication(event, *taker, received_at_ms, traceparent)
    except orjson.JSONEncodeError:  # orjson reads 1,024 levels and writes 254
        return Rejected(reason=EventReason.TOO_DEEP)


def _thin(
    event: Mapping[str, Any], body: bytes, path: PathView, received_at_ms: int, traceparent: bytes | None
) -> Publication | Ignored | Rejected:
    """An event without its object, which is written as it came: the executor fetches what it names."""
    if event.get("type") == PING:
        return Ignored(reason=IgnoredReason.PING)
    if not path.thin:
        # After a 200 Stripe would never send it again, and nobody would learn of it.
        return Rejected(reason=EventReason.THIN_EVENT)
    found = read_notification(event)
    if isinstance(found, EventReason):
        return Rejected(reason=found)
    unwanted = _other_mode(found.livemode, found.context, path)
    return unwanted or _notified(found, body, path, received_at_ms, traceparent)


def _notified(
    found: Notification, body: bytes, path: PathView, received_at_ms: int, traceparent: bytes | None
) -> Publication | Ignored | Rejected:
    if found.type == GENERATION_FAILURE:
        return _written(HEALTH_EVENT, found, found.id, body, path.thin[0], received_at_ms, traceparent)
    taker = None if found.family_type is None else path.taker(found.family_type)
    if taker is None:
        return _of_no_trigger(path)
    family, trigger = taker
    if trigger.payload == "snapshot":
        return Rejected(reason=EventReason.THIN_EVENT)
    key = found.related_id or family.subject_in(found.related_path) or found.id
    return _written(THIN_EVENT, found, key, body, trigger, received_at_ms, traceparent)


def _written(
    topic: str, found: Notification, key: str, body: bytes, trigger: TriggerView, received_at_ms: int,
    traceparent: bytes | None,
) -> Publication:  # fmt: skip
    source, ours = standing(trigger.name, trigger.connection)
    headers = cloud_event(id=found.id, type=found.type, source=source, at_ms=found.created_ms, trace=traceparent)
    # Sweeps look for what should have started a run.
    noted = topic == THIN_EVENT
    return Publication(
        topic=topic,
        key=key.encode(),
        value=body,
        headers=headers + ours,
        timestamp_ms=received_at_ms,
        trigger=trigger.name,
        note=note_of(found.id, trigger.name, found.created_ms // 1000, found.livemode) if noted else None,
    )


def _of_no_trigger(path: PathView) -> Ignored | Rejected:
    # After a 200 Stripe would never send it again: a trigger that is defined a moment later could not take it.
    return Rejected(reason=EventReason.NO_TRIGGER) if path.missing else Ignored(reason=IgnoredReason.OTHER_FAMILY)


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
    return Publication(record.topic, record.key, record.value, record.headers, received_at_ms, trigger.name, note)


def _other_mode(livemode: bool | None, account: str | None, path: PathView) -> Ignored | Rejected | None:
    """A live event on a test endpoint's secret, or the reverse, is a mix-up that must not reach a workflow.

    But a live Connect endpoint gets the test events of its connected accounts too, and Stripe disables an endpoint that
    refuses them for days: https://docs.stripe.com/connect/webhooks
    """
    if livemode is None or path.livemode is None or livemode is path.livemode:
        return None
    if path.livemode and account is not None:
        return Ignored(reason=IgnoredReason.WRONG_MODE)
    return Rejected(reason=EventReason.WRONG_MODE)
