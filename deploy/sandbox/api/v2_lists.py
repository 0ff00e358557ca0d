"""Answers a list request of API v2: `data`, and the addresses of the pages (docs.stripe.com/api-v2-overview)."""

from collections.abc import Sequence

import orjson

from stripeline.deploy.sandbox.api.params import INTEGER
from stripeline.deploy.sandbox.api.stripe_errors import v2_invalid
from stripeline.deploy.sandbox.api.values import Params, SandboxAnswer

V2_MAX_LIMIT, V2_DEFAULT_LIMIT = 100, 20


def v2_limit(params: Params) -> int | SandboxAnswer:
    raw = params.get("limit", str(V2_DEFAULT_LIMIT))
    if isinstance(raw, str) and INTEGER.fullmatch(raw) and 1 <= int(raw) <= V2_MAX_LIMIT:
        return int(raw)
    return v2_invalid(f"Invalid limit: a number between 1 and {V2_MAX_LIMIT}.")


def v2_page(bodies: Sequence[bytes], next_url: str | None) -> SandboxAnswer:
    """The sandbox pages forwards only."""
    tail = orjson.dumps({"next_page_url": next_url, "previous_page_url": None})[1:]
    return SandboxAnswer(status=200, body=b'{"data":[' + b",".join(bodies) + b"]," + tail)
