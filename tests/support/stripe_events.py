"""Stripe's event types of our three families, as its webhook endpoints offer them, and deliveries of them."""

from collections.abc import Mapping
from typing import Any

import orjson

from stripeline.deploy.local.example_events import example_event
from stripeline.ingest.routing import Ignored, Publication, Rejected, route
from stripeline.ingest.webhook_path import PathView
from tests.support.webhook_paths import own_path

TRACE = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
RECEIVED_MS = 1_790_000_000_123
CREATED_S = 1_790_000_000

EVENT_TYPES: Mapping[str, str] = {
    "payment-event": """
        payment_intent.amount_capturable_updated payment_intent.canceled payment_intent.created
        payment_intent.partially_funded payment_intent.payment_failed payment_intent.processing
        payment_intent.requires_action payment_intent.succeeded""",
    "charge-event": """
        charge.captured charge.dispute.closed charge.dispute.created charge.dispute.funds_reinstated
        charge.dispute.funds_withdrawn charge.dispute.updated charge.expired charge.failed charge.pending
        charge.refund.updated charge.refunded charge.succeeded charge.updated""",
    "customer-event": """
        customer.created customer.deleted customer.discount.created customer.discount.deleted
        customer.discount.updated customer.source.created customer.source.deleted customer.source.expiring
        customer.source.updated customer.subscription.created customer.subscription.deleted
        customer.subscription.paused customer.subscription.pending_update_applied
        customer.subscription.pending_update_expired customer.subscription.resumed
        customer.subscription.trial_will_end customer.subscription.updated customer.tax_id.created
        customer.tax_id.deleted customer.tax_id.updated customer.updated""",
}
EVERY_TYPE = [(topic, name) for topic, names in EVENT_TYPES.items() for name in names.split()]


def trigger(topic: str) -> PathView:
    return own_path(
        name="acme-main", family_kind=f"stripe/{topic}", connection="acme", livemode=False, secrets=(b"whsec_x",)
    )


def delivery(event_type: str, **changes: Any) -> dict[str, Any]:
    """A delivery's body before it is signed; `...` leaves a field out."""
    body = orjson.loads(example_event(event_type, created=CREATED_S, event_id="evt_1")) | changes
    return {name: value for name, value in body.items() if value is not ...}


def routed(topic: str, body: Mapping[str, Any]) -> Publication | Ignored | Rejected:
    return route(orjson.dumps(body), path=trigger(topic), received_at_ms=RECEIVED_MS, traceparent=TRACE)
