"""Builds Stripe's objects, in the shape of Stripe's own (docs.stripe.com/api). Stores nothing, judges nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from stripeline.deploy.sandbox.api.values import Params

Object = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Birth:
    """What an object is born with besides its parameters."""

    id: str
    created: int
    livemode: bool
    secret: str = ""


def payment_intent(birth: Birth, params: Params) -> Object:
    """Never confirmed: nothing in the sandbox pays, so it waits for a payment method."""
    automatic = params.get("automatic_payment_methods")
    return {
        "id": birth.id,
        "object": "payment_intent",
        "amount": int(params["amount"]),
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": _automatic(automatic) if automatic else None,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": params.get("capture_method", "automatic_async"),
        "client_secret": f"{birth.id}_secret_{birth.secret}",
        "confirmation_method": "automatic",
        "created": birth.created,
        "currency": params["currency"].lower(),
        "customer": params.get("customer"),
        "description": params.get("description"),
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": birth.livemode,
        "metadata": params.get("metadata") or {},
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_options": {},
        "payment_method_types": ["card"],
        "processing": None,
        "receipt_email": params.get("receipt_email"),
        "review": None,
        "setup_future_usage": params.get("setup_future_usage"),
        "shipping": None,
        "source": None,
        "statement_descriptor": params.get("statement_descriptor"),
        "statement_descriptor_suffix": params.get("statement_descriptor_suffix"),
        "status": "requires_payment_method",
        "transfer_data": None,
        "transfer_group": params.get("transfer_group"),
    }


def customer(birth: Birth, params: Params) -> Object:
    return {
        "id": birth.id,
        "object": "customer",
        "address": None,
        "balance": 0,
        "created": birth.created,
        "currency": None,
        "default_source": None,
        "delinquent": False,
        "description": params.get("description"),
        "discount": None,
        "email": params.get("email"),
        "invoice_prefix": birth.id[-8:].upper(),
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": birth.livemode,
        "metadata": params.get("metadata") or {},
        "name": params.get("name"),
        "next_invoice_sequence": 1,
        "phone": params.get("phone"),
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
    }


def charge(birth: Birth, seed: Params) -> Object:
    """A charge comes from a seed of the control API, not from Stripe's parameters: its values are typed already."""
    status = seed.get("status", "succeeded")
    failed, amount, refunded = status == "failed", seed.get("amount", 1000), seed.get("refunded", False)
    return {
        "id": birth.id,
        "object": "charge",
        "amount": amount,
        "amount_captured": amount if status == "succeeded" else 0,
        "amount_refunded": amount if refunded else 0,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": None,
        "billing_details": {"address": None, "email": None, "name": None, "phone": None, "tax_id": None},
        "calculated_statement_descriptor": "STRIPELINE SANDBOX",
        "captured": status == "succeeded",
        "created": birth.created,
        "currency": seed.get("currency", "usd"),
        "customer": seed.get("customer"),
        "description": seed.get("description"),
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": "card_declined" if failed else None,
        "failure_message": "Your card was declined." if failed else None,
        "fraud_details": {},
        "livemode": birth.livemode,
        "metadata": seed.get("metadata") or {},
        "on_behalf_of": None,
        "outcome": None,
        "paid": seed.get("paid", status == "succeeded"),
        "payment_intent": seed.get("payment_intent"),
        "payment_method": None,
        "payment_method_details": None,
        "receipt_email": None,
        "receipt_number": None,
        "receipt_url": None,
        "refunded": refunded,
        "review": None,
        "shipping": None,
        "source_transfer": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": status,
        "transfer_data": None,
        "transfer_group": None,
    }


def account(birth: Birth, _params: Params) -> Object:
    """As a key without a platform's rights sees its own account. Stripe's has no `livemode`: the mode is the key's."""
    return {
        "id": birth.id,
        "object": "account",
        "business_profile": {"mcc": None, "name": "Sandbox", "support_email": None, "url": None},
        "business_type": None,
        "capabilities": {"card_payments": "active", "transfers": "active"},
        "charges_enabled": True,
        "country": "US",
        "default_currency": "usd",
        "details_submitted": True,
        "email": "owner@example.com",
        "metadata": {},
        "payouts_enabled": True,
        "settings": {"dashboard": {"display_name": "Sandbox", "timezone": "Etc/UTC"}},
        "type": "standard",
    }


def of_a_customer(name: str) -> Callable[[Birth, Params], Object]:
    """An object that names its customer, with no more fields than all of them have."""

    def build(birth: Birth, seed: Params) -> Object:
        return _small(name, birth, seed) | {"customer": seed.get("customer", "cus_sandbox")}

    return build


def of_a_charge(name: str) -> Callable[[Birth, Params], Object]:
    def build(birth: Birth, seed: Params) -> Object:
        money = {"amount": seed.get("amount", 1000), "currency": seed.get("currency", "usd")}
        parents = {"charge": seed.get("charge", "ch_sandbox_succeeded"), "payment_intent": seed.get("payment_intent")}
        return _small(name, birth, seed) | money | parents

    return build


def _small(name: str, birth: Birth, seed: Params) -> Object:
    return {
        "id": birth.id,
        "object": name,
        "created": birth.created,
        "livemode": birth.livemode,
        "metadata": seed.get("metadata") or {},
        "status": seed.get("status", "active"),
    }


def _automatic(params: Params) -> Object:
    return {"allow_redirects": params.get("allow_redirects", "always"), "enabled": params["enabled"] == "true"}
