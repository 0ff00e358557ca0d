"""Translates Stripe's form encoding into nested parameters. Never judges a parameter.

docs.stripe.com/api: `application/x-www-form-urlencoded`, nested as `a[b]=v`, lists as `a[0]=v` or `a[]=v`.
"""

from typing import Any
from urllib.parse import parse_qsl

from stripeline.deploy.sandbox.api.values import Params

Pairs = list[tuple[str, str]]


class FormError(ValueError):
    """The form cannot be read: a name is malformed, or is used both as a value and as a hash."""


def pairs_of(encoded: str) -> Pairs:
    try:
        return parse_qsl(encoded, keep_blank_values=True, max_num_fields=2000, errors="strict")
    except ValueError as error:
        raise FormError("Invalid request: the parameters could not be decoded.") from error


def nested(pairs: Pairs) -> Params:
    """Lists stay hashes of "0", "1", … or of their own positions: the sandbox never needs more."""
    params: Params = {}
    for name, value in pairs:
        if "[" in name:
            _put(params, name, value)
        elif isinstance(params.get(name), dict):
            raise FormError(f"Invalid request: {name} is both a value and a hash.")
        else:
            params[name] = value
    return params


def _put(params: Params, name: str, value: str) -> None:
    top, *rest = name.split("[")
    if not top or not all(part.endswith("]") for part in rest):
        raise FormError(f"Invalid request: malformed parameter name {name}.")
    node: Any = params
    path = [top, *(part[:-1] for part in rest)]
    for part in path[:-1]:
        node = node.setdefault(part or str(len(node)), {})
        if not isinstance(node, dict):
            raise FormError(f"Invalid request: {name} is both a value and a hash.")
    node[path[-1] or str(len(node))] = value
