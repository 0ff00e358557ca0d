"""Example events of each family, and their signature as Stripe makes it. For `stripeline trigger`, the demo and tests.

Shapes: https://docs.stripe.com/api/events/object · Signature: https://docs.stripe.com/webhooks/signature
"""

import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping
from typing import Any

import orjson

_PAYMENT_STATUS = {
    "succeeded": "succeeded",
    "processing": "processing",
    "requires_action": "requires_action",
    "canceled": "canceled",
    "amount_capturable_updated": "requires_capture",
}
_CHILDREN = {"dispute": "dp", "refund": "re", "subscription": "sub", "source": "src", "discount": "di", "tax_id": "txi"}


def example_event(
    event_type: str,
    overrides: Mapping[str, Any] | None = None,
    *,
    created: int | None = None,
    event_id: str | None = None,
) -> bytes:
    """A delivery's body: an event of this type, with `overrides` laid over its object's fields."""
    at = int(time.time()) if created is None else created
    event = {
        "id": event_id or _id("evt"),
        "object": "event",
        "api_version": "2025-09-30.clover",
        "created": at,
        "data": {"object": {**example_object(event_type, at), **(overrides or {})}},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": _id("req"), "idempotency_key": _id("key")},
        "type": event_type,
    }
    return orjson.dumps(event)


def sign(body: bytes, secret: str, now: int) -> str:
    """The `Stripe-Signature` header of a body; `now` in seconds since the epoch."""
    signed = hmac.new(secret.encode(), f"{now}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={now},v1={signed}"


def example_object(event_type: str, created: int) -> dict[str, Any]:
    """The object that an event of this type is about, as small as it can be and still be used."""
    kind, _, rest = event_type.partition(".")
    child, _, _ = rest.partition(".")
    if child in _CHILDREN and "." in rest:
        return _child(kind, child, created)
    match kind:
        case "payment_intent":
            return _payment_intent(rest, created)
        case "charge":
            return _charge(rest, created)
        case "customer":
            return _customer(created)
        case _:
            return {"id": _id(kind[:4]), "object": kind, "created": created}


def _payment_intent(verb: str, created: int) -> dict[str, Any]:
    intent = _id("pi")
    paid = verb == "succeeded"
    failure = {"type": "card_error", "code": "card_declined", "message": "Your card was declined."}
    return {
        "id": intent,
        "object": "payment_intent",
        "amount": 6_200,
        "amount_received": 6_200 if paid else 0,
        "client_secret": f"{intent}_secret_{secrets.token_hex(12)}",
        "created": created,
        "currency": "eur",
        "customer": None,
        "description": None,
        "last_payment_error": failure if verb == "payment_failed" else None,
        "latest_charge": _id("ch") if paid else None,
        "livemode": False,
        "metadata": {},
        "receipt_email": "ada@example.com",
        "status": _PAYMENT_STATUS.get(verb, "requires_payment_method"),
    }


def _charge(verb: str, created: int) -> dict[str, Any]:
    failed, refunded = verb == "failed", verb == "refunded"
    return {
        "id": _id("ch"),
        "object": "charge",
        "amount": 6_200,
        "amount_refunded": 6_200 if refunded else 0,
        "created": created,
        "currency": "eur",
        "customer": None,
        "description": None,
        "failure_code": "card_declined" if failed else None,
        "livemode": False,
        "metadata": {},
        "paid": not failed,
        "payment_intent": _id("pi"),
        "refunded": refunded,
        "status": "failed" if failed else "succeeded",
    }


def _customer(created: int) -> dict[str, Any]:
    return {
        "id": _id("cus"),
        "object": "customer",
        "created": created,
        "description": None,
        "email": "ada@example.com",
        "livemode": False,
        "metadata": {},
        "name": "Ada Lovelace",
        "phone": None,
    }


def _child(kind: str, child: str, created: int) -> dict[str, Any]:
    """A dispute of a charge, a subscription of a customer: it carries its parent's id."""
    parent = {"charge": _id("ch")} if kind == "charge" else {"customer": _id("cus")}
    return {"id": _id(_CHILDREN[child]), "object": child, "created": created, "livemode": False, **parent}


def _id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(12)}"
