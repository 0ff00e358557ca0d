"""Says which types of event come as snapshots, which as thin events, and which as both. Pure.

Of the three families that Stripeline takes, as the official SDK lists them; a type of another family comes as both.
"""

from typing import Final

THIN_ONLY: Final = frozenset(
    {
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
    }
)
SNAPSHOT_ONLY: Final = frozenset(
    {"customer.source.created", "customer.source.deleted", "customer.source.expiring", "customer.source.updated"}
)
WITHOUT_OBJECT: Final = frozenset({"customer.discount.source_changed"})
"""Its thin event names no object."""
V2: Final = "v2."


def is_snapshot(event_type: str) -> bool:
    return event_type not in THIN_ONLY and not event_type.startswith(V2)


def thin_type(event_type: str) -> str | None:
    """The name of the thin event; None where there is none."""
    if event_type.startswith(V2):
        return event_type
    return None if event_type in SNAPSHOT_ONLY else f"v1.{event_type}"
