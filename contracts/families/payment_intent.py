"""`payment_intent.*`: the data object of these events is always the PaymentIntent."""

from collections.abc import Mapping
from typing import Any

from stripeline.contracts.families import Family, text


def subject(data: Mapping[str, Any]) -> str | None:
    return text(data.get("id"))


FAMILY = Family(
    kind="stripe/payment-event",
    prefix="payment_intent.",
    subject=subject,
    types=(
        "payment_intent.amount_capturable_updated",
        "payment_intent.canceled",
        "payment_intent.created",
        "payment_intent.partially_funded",
        "payment_intent.payment_failed",
        "payment_intent.processing",
        "payment_intent.requires_action",
        "payment_intent.succeeded",
    ),
    sensitive=("client_secret", "receipt_email", "shipping", "last_payment_error"),
    examples={
        "payment_intent.succeeded": {
            "id": "pi_Example1",
            "object": "payment_intent",
            "amount": 6_200,
            "client_secret": "pi_Example1_secret_Example",
            "currency": "eur",
            "customer": None,
            "receipt_email": "ada@example.com",
            "status": "succeeded",
        },
    },
)
