"""Judges parameters before a request executes, as Stripe does: the first fault found is answered with 400.

A refusal from here is never kept by the idempotency layer. Knows the parameters of the two creates, and only those
that the sandbox gives a meaning or an echo; any other name is `parameter_unknown`.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from stripeline.deploy.sandbox.api.stripe_errors import invalid, missing_parameter, unknown_parameter
from stripeline.deploy.sandbox.api.values import Params, SandboxAnswer

# docs.stripe.com/currencies: the floor is about half a US dollar; in minor units, for those the tests use.
MINIMUM_AMOUNT = {"usd": 50, "eur": 50, "chf": 50, "cad": 50, "aud": 50, "gbp": 30, "jpy": 50}
MAXIMUM_AMOUNT = 99_999_999
# docs.stripe.com/api/metadata
METADATA_KEYS, METADATA_KEY_LENGTH, METADATA_VALUE_LENGTH = 50, 40, 500
INTEGER = re.compile(r"-?[0-9]{1,18}")
VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(\.[a-z_]+)?(; ?[a-z_]+=v\d+)*")
CURRENCY = re.compile(r"[A-Za-z]{3}")

Judge = Callable[[str, Any], SandboxAnswer | None]


def text(name: str, value: Any) -> SandboxAnswer | None:
    if not isinstance(value, str):
        return invalid(f"Invalid string: {name} is a hash.", param=name)
    if value == "":
        message = (
            f"You passed an empty string for '{name}'. We assume empty values are an attempt to unset a field; however "
            f"'{name}' cannot be unset. You should remove '{name}' from your request or supply a non-empty value."
        )
        return invalid(message, code="parameter_invalid_empty", param=name)
    return None


def email(name: str, value: Any) -> SandboxAnswer | None:
    if refused := text(name, value):
        return refused
    local, _, domain = value.rpartition("@")
    if not local or not domain or " " in value:
        return invalid(f"Invalid email address: {value}", code="email_invalid", param=name)
    return None


def integer(name: str, value: Any) -> SandboxAnswer | None:
    if isinstance(value, str) and INTEGER.fullmatch(value):
        return None
    return invalid(f"Invalid integer: {value}", code="parameter_invalid_integer", param=name)


def amount(name: str, value: Any) -> SandboxAnswer | None:
    if refused := integer(name, value):
        return refused
    if int(value) < 1:
        message = "This value must be greater than or equal to 1."
        return invalid(message, code="parameter_invalid_integer", param=name)
    if int(value) > MAXIMUM_AMOUNT:
        return invalid("Amount must be no more than $999,999.99", code="amount_too_large", param=name)
    return None


def currency(name: str, value: Any) -> SandboxAnswer | None:
    if isinstance(value, str) and CURRENCY.fullmatch(value):
        return None
    return invalid(f"Invalid currency: {value}. Stripe's currencies have three letters.", param=name)


def boolean(name: str, value: Any) -> SandboxAnswer | None:
    return None if value in ("true", "false") else invalid(f"Invalid boolean: {value}", param=name)


def anything(_name: str, _value: Any) -> SandboxAnswer | None:
    return None


def metadata(name: str, value: Any) -> SandboxAnswer | None:
    if value == "":
        return None
    if not isinstance(value, dict) or not all(isinstance(part, str) for part in value.values()):
        return invalid("Invalid hash: metadata holds names with text values.", param=name)
    if len(value) > METADATA_KEYS:
        return invalid("Metadata can have at most 50 keys.", param=name)
    for key, part in value.items():
        if len(key) > METADATA_KEY_LENGTH or len(part) > METADATA_VALUE_LENGTH:
            message = "Metadata keys can have at most 40 characters, and values at most 500."
            return invalid(message, param=f"metadata[{key}]")
    return None


def automatic_payment_methods(name: str, value: Any) -> SandboxAnswer | None:
    if not isinstance(value, dict):
        return invalid(f"Invalid object: {name}", param=name)
    for part in value:
        if part not in ("enabled", "allow_redirects"):
            return unknown_parameter(f"{name}[{part}]")
    if "enabled" not in value:
        return missing_parameter(f"{name}[enabled]")
    return boolean(f"{name}[enabled]", value["enabled"])


PAYMENT_INTENT: Mapping[str, Judge] = {
    "amount": amount,
    "currency": currency,
    "automatic_payment_methods": automatic_payment_methods,
    "capture_method": text,
    "customer": text,
    "description": text,
    "expand": anything,
    "metadata": metadata,
    "receipt_email": email,
    "setup_future_usage": text,
    "statement_descriptor": text,
    "statement_descriptor_suffix": text,
    "transfer_group": text,
}
CUSTOMER: Mapping[str, Judge] = {
    "description": text,
    "email": email,
    "expand": anything,
    "metadata": metadata,
    "name": text,
    "phone": text,
}


def judge(params: Params, known: Mapping[str, Judge], required: tuple[str, ...]) -> SandboxAnswer | None:
    for name in params:
        if name not in known:
            return unknown_parameter(name)
    for name in required:
        if name not in params:
            return missing_parameter(name)
    for name, value in params.items():
        if refused := known[name](name, value):
            return refused
    return _too_small(params) if "amount" in params else None


def _too_small(params: Params) -> SandboxAnswer | None:
    code = params["currency"].lower()
    floor = MINIMUM_AMOUNT.get(code, 1)
    if int(params["amount"]) >= floor:
        return None
    message = f"Amount must be at least {floor} {code} in the currency's minor unit."
    return invalid(message, code="amount_too_small", param="amount")
