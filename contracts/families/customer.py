"""`customer.*`: a customer, or a subscription, source, discount or tax id, which names its customer in `customer`."""

from collections.abc import Mapping
from typing import Any

from stripeline.contracts.families import Family, text


def subject(data: Mapping[str, Any]) -> str | None:
    own = text(data.get("id"))
    return own if data.get("object") == "customer" else text(data.get("customer")) or own


FAMILY = Family(
    kind="stripe/customer-event",
    prefix="customer.",
    subject=subject,
    types=(
        "customer.created",
        "customer.deleted",
        "customer.discount.created",
        "customer.discount.deleted",
        "customer.discount.updated",
        "customer.source.created",
        "customer.source.deleted",
        "customer.source.expiring",
        "customer.source.updated",
        "customer.subscription.created",
        "customer.subscription.deleted",
        "customer.subscription.paused",
        "customer.subscription.pending_update_applied",
        "customer.subscription.pending_update_expired",
        "customer.subscription.resumed",
        "customer.subscription.trial_will_end",
        "customer.subscription.updated",
        "customer.tax_id.created",
        "customer.tax_id.deleted",
        "customer.tax_id.updated",
        "customer.updated",
    ),
    snapshot_only=(
        "customer.source.created",
        "customer.source.deleted",
        "customer.source.expiring",
        "customer.source.updated",
    ),
    thin_only=(
        "customer.discount.source_changed",
        "customer.subscription.active",
        "customer.subscription.cancel_at_changed",
        "customer.subscription.default_payment_method_changed",
        "customer.subscription.incomplete",
        "customer.subscription.incomplete_expired",
        "customer.subscription.item_added",
        "customer.subscription.item_price_changed",
        "customer.subscription.item_quantity_changed",
        "customer.subscription.item_removed",
        "customer.subscription.item_tax_rates_changed",
        "customer.subscription.past_due",
        "customer.subscription.trialing",
        "customer.subscription.unpaid",
    ),
    # `owner` belongs to a source, which is keyed by its customer.
    sensitive=("address", "email", "name", "owner", "phone", "shipping"),
    examples={
        "customer.created": {
            "id": "cus_Example1",
            "object": "customer",
            "email": "ada@example.com",
            "name": "Ada Lovelace",
            "phone": None,
        },
        "customer.subscription.deleted": {
            "id": "sub_Example1",
            "object": "subscription",
            "customer": "cus_Example1",
            "status": "canceled",
        },
    },
)
