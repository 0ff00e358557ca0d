"""Whose answer it is: Stripe's, or that of something on the way to Stripe. Pure.

Only an answer with Stripe's `error` object judges a command or a key. It always has a `type`, which that of a gateway
lacks. https://docs.stripe.com/api/errors
"""

import re
from collections.abc import Mapping
from typing import Any

import orjson

_PRODUCT = re.compile(r"[A-Za-z][A-Za-z0-9.-]{0,30}(?:/[0-9.]{1,20})?").match
_VIA = re.compile(r"\s*(?:[A-Za-z]+/)?[0-9.]{1,5}\s+([A-Za-z0-9.:-]{1,60})").match


def stripe_error(body: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Stripe's `error` object; None where the answer is not Stripe's."""
    error = (body or {}).get("error")
    return error if isinstance(error, dict) and isinstance(error.get("type"), str) else None


def not_stripes(status: int, headers: Mapping[str, str]) -> str:
    """What to say of an answer that is not Stripe's: its status and who gave it, in a form that can hide no secret."""
    product, via = _PRODUCT(headers.get("server", "")), _VIA(headers.get("via", ""))
    named = [f"server {product[0]}"] if product else []
    named += [f"via {via[1]}"] if via else []
    return (
        f"the answer, {status} ({', '.join(named) or 'no server named'}), was not Stripe's: something on the way to"
        " Stripe gave it; look at the proxies and gateways there"
    )


def json_object(body: bytes) -> Mapping[str, Any] | None:
    """A body as the JSON object that it is; None for anything else."""
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return parsed if isinstance(parsed, dict) else None
