"""Signed deliveries, rendered once: distinct events of distinct PaymentIntents, of the size and form Stripe sends."""

import hmac
import json
import time
from collections.abc import Iterator
from typing import Any

SECRET = "whsec_test"
_EVENT = b"evt_NUMBER__________________"
_INTENT = b"pi_NUMBER___________________"


def requests(path: str, count: int) -> Iterator[bytes]:
    """Whole HTTP requests, each with an event of its own. Signed now, so good for five minutes."""
    head = (
        b"POST %b HTTP/1.1\r\nHost: localhost\r\nUser-Agent: Stripe/1.0 (+https://stripe.com/docs/webhooks)\r\n"
        b"Accept: */*; q=0.5, application/xml\r\nCache-Control: no-cache\r\n"
        b"Content-Type: application/json; charset=utf-8\r\nContent-Length: %d\r\nStripe-Signature: %b\r\n\r\n%b"
    )
    now_s = int(time.time())
    for body in event_bodies(count):
        yield head % (path.encode(), len(body), signature(body, now_s), body)


def signature(body: bytes, now_s: int) -> bytes:
    """The `Stripe-Signature` of a body: https://docs.stripe.com/webhooks/signature"""
    mac = hmac.digest(SECRET.encode(), b"%d.%b" % (now_s, body), "sha256").hex().encode()
    return b"t=%d,v1=%b" % (now_s, mac)


def event_bodies(count: int) -> Iterator[bytes]:
    """The bodies alone: `event_id(number)` of each is its own."""
    template = json.dumps(_event(), indent=2).encode()
    for number in range(count):
        yield template.replace(_EVENT, event_id(number).encode()).replace(_INTENT, b"pi_%025d" % number)


def event_id(number: int) -> str:
    return f"evt_{number:024}"


def _event() -> dict[str, Any]:
    """The event of a PaymentIntent as the API of 2025 renders it, 4 kB when indented as Stripe does."""
    return {
        "id": _EVENT.decode(),
        "object": "event",
        "api_version": "2025-09-30.clover",
        "created": int(time.time()),
        "data": {"object": _payment_intent()},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": "req_8PmNjkRtJ0ZcBA", "idempotency_key": "5a1b4a7e-1d8a-43a1-9d3d-7c2b1d0f5b6e"},
        "type": "payment_intent.succeeded",
    }


def _payment_intent() -> dict[str, Any]:
    intent = _INTENT.decode()
    address = {"city": "Berlin", "country": "DE", "line1": "Torstraße 1", "line2": None, "postal_code": "10119"}
    nothing = (
        "application", "application_fee_amount", "automatic_payment_methods", "canceled_at", "cancellation_reason",
        "last_payment_error", "next_action", "on_behalf_of", "review", "setup_future_usage", "source", "transfer_group",
    )  # fmt: skip
    return {
        "id": intent,
        "object": "payment_intent",
        "amount": 6200,
        "amount_capturable": 0,
        "amount_details": {"tip": {}, "shipping": {"amount": 490, "from_postal_code": "10115"}},
        "amount_received": 6200,
        **dict.fromkeys(nothing),
        "capture_method": "automatic_async",
        "client_secret": f"{intent}_secret_vLkPZ8m3yJpZ5eTgq0rN2sXbA",
        "confirmation_method": "automatic",
        "created": int(time.time()),
        "currency": "eur",
        "customer": "cus_TQn1VZkKf8mQ2p",
        "description": "Order 4711 of the shop, three items, express delivery",
        "latest_charge": "ch_3SRa8mKf8mQ2pTQn1VZkKf8m",
        "livemode": False,
        "metadata": {f"attribute_{number:02}": f"value of the shop, number {number:04}" for number in range(24)},
        "payment_method": "pm_1SRa8lKf8mQ2pTQn1VZkKf8m",
        "payment_method_configuration_details": {"id": "pmc_1SRa8lKf8mQ2pTQn1VZk", "parent": None},
        "payment_method_options": {
            "card": {
                "installments": None, "mandate_options": None, "network": None, "request_three_d_secure": "automatic",
            },
            "klarna": {"capture_method": None, "preferred_locale": None},
            "link": {"persistent_token": None},
        },
        "payment_method_types": ["card", "klarna", "link"],
        "processing": None,
        "receipt_email": "ada@example.com",
        "shipping": {
            "address": {**address, "state": None}, "carrier": "DHL", "name": "Ada Lovelace", "phone": "+49301234567",
            "tracking_number": "00340434161094042557",
        },
        "statement_descriptor": "EXAMPLE SHOP",
        "statement_descriptor_suffix": None,
        "status": "succeeded",
        "transfer_data": None,
    }  # fmt: skip
