"""`charge.*`: a charge, or a dispute or refund, which names its charge in `charge`."""

from collections.abc import Mapping
from typing import Any

from stripeline.contracts.families import Family, text


def subject(data: Mapping[str, Any]) -> str | None:
    own = text(data.get("id"))
    return own if data.get("object") == "charge" else text(data.get("charge")) or own


FAMILY = Family(
    kind="stripe/charge-event",
    prefix="charge.",
    subject=subject,
    types=(
        "charge.captured",
        "charge.dispute.closed",
        "charge.dispute.created",
        "charge.dispute.funds_reinstated",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.updated",
        "charge.expired",
        "charge.failed",
        "charge.pending",
        "charge.refund.updated",
        "charge.refunded",
        "charge.succeeded",
        "charge.updated",
    ),
    sensitive=("billing_details", "receipt_email", "receipt_url", "shipping"),
    examples={
        "charge.failed": {
            "id": "ch_Example1",
            "object": "charge",
            "amount": 6_200,
            "billing_details": {"email": "ada@example.com", "name": "Ada Lovelace", "phone": None},
            "currency": "eur",
            "failure_code": "card_declined",
            "status": "failed",
        },
        "charge.dispute.created": {"id": "dp_Example1", "object": "dispute", "charge": "ch_Example1"},
    },
)
