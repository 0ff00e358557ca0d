"""What is published of a thin event: its snapshot event, or the object as it is now. Pure.

The first is what ingest would have published of the snapshot's delivery, so both destinations may be on: the router
knows the second of the two by its id. The second has the id of the snapshot where Stripe names one, for the same
reason.
"""

from collections.abc import Mapping
from typing import Any

from stripeline.contracts.deliveries.thin_events import RelatedObject
from stripeline.contracts.deliveries.trigger_output import TriggerRecord, record_of, written
from stripeline.contracts.families import Family, text
from stripeline.contracts.ids import ACCOUNT_ID
from stripeline.workers.thin.thin_fetch import Fetching
from stripeline.workers.thin.thin_record import ThinRecord


def of_snapshot(thin: ThinRecord, family: Family, event: Mapping[str, Any], own: str | None) -> TriggerRecord:
    """The record of its snapshot event. own: the account of its connection's key."""
    return record_of(
        _as_delivered(event, thin.event.context, own), family, trigger=thin.trigger, connection=thin.connection,
        traceparent=thin.record.traceparent,
    )  # fmt: skip


def of_object(
    state: Fetching, found: Mapping[str, Any] | None, api_version: str, own: str | None
) -> TriggerRecord | None:
    """The record of its object as it is now; None where nothing says what a gone one is about.

    found: the object, or what the event says itself; None where there is none any more.
    """
    thin, fetched = state.thin, state.fetched
    gone = found is None or found.get("deleted") is True
    data = dict(found) if found is not None and not gone else _left(state.related, found)
    event = {
        "id": fetched.snapshot or thin.event.id,
        "type": thin.type,
        "api_version": api_version,
        "created": thin.created_s,
        "livemode": thin.event.livemode,
        "data": {"object": data, "previous_attributes": fetched.before},
        "request": fetched.request,
    }
    subject = (None if gone else thin.family.subject(data)) or _subject_by_path(thin.family, state.related)
    if subject is None:
        return None
    return written(
        _as_delivered(event, thin.event.context, own), thin.family, subject, trigger=thin.trigger,
        connection=thin.connection, traceparent=thin.record.traceparent,
    )  # fmt: skip


def foreign(context: str | None, own: str | None) -> str | None:
    """The one connected account that a context names, if it is not the connection's own."""
    return context if context is not None and context != own and ACCOUNT_ID.fullmatch(context) else None


def _as_delivered(event: Mapping[str, Any], context: str | None, own: str | None) -> Mapping[str, Any]:
    """With the account that a delivery of it names, which an event that was fetched does not have."""
    if context is None or context == own or any(event.get(name) for name in ("account", "user_id", "context")):
        return event
    return {**event, "account" if ACCOUNT_ID.fullmatch(context) else "context": context}


def _left(related: RelatedObject | None, found: Mapping[str, Any] | None) -> dict[str, Any]:
    """What there is to say of a gone object."""
    name = text(found) or (related.id if related is not None else None)
    kind = {} if related is None else {"object": related.type}
    return ({} if name is None else {"id": name}) | kind | {"deleted": True}


def _subject_by_path(family: Family, related: RelatedObject | None) -> str | None:
    """Itself, where its family is about it; else the parent in its path."""
    if related is None:
        return None
    return related.id if related.type == family.object else family.subject_in(related.url)
