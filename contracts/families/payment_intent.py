"""`payment_intent.*`: an event's data object is always the PaymentIntent itself."""

from collections.abc import Mapping
from typing import Any

from contracts.families import Family, text


def subject(data: Mapping[str, Any]) -> str | None:
    return text(data.get("id"))


FAMILY = Family(kind="stripe/payment-event", prefix="payment_intent.", subject=subject)
