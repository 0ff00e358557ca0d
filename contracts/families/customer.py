"""`customer.*`: a customer, or a subscription, source, discount or tax id of one, which carries `customer`."""

from collections.abc import Mapping
from typing import Any

from contracts.families import Family, text


def subject(data: Mapping[str, Any]) -> str | None:
    own = text(data.get("id"))
    return own if data.get("object") == "customer" else text(data.get("customer")) or own


FAMILY = Family(kind="stripe/customer-event", prefix="customer.", subject=subject)
