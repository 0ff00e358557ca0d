"""Answers a list request: newest first, cut by `created`, by cursor and by `limit` (docs.stripe.com/api/pagination)."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import orjson

from stripeline.deploy.sandbox.api.params import INTEGER
from stripeline.deploy.sandbox.api.resources import Resource
from stripeline.deploy.sandbox.api.stripe_errors import invalid, missing_object, unknown_parameter
from stripeline.deploy.sandbox.api.values import Params, SandboxAnswer
from stripeline.deploy.sandbox.store import Row

MAX_LIMIT, DEFAULT_LIMIT = 100, 10
KNOWN = frozenset({"created", "customer", "email", "ending_before", "expand", "limit", "starting_after"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Bounds on `created`, both inclusive."""

    first: int = 0
    last: int = 1 << 62


def list_answer(resource: Resource, rows: Sequence[Row], params: Params) -> SandboxAnswer:
    for name in params:
        if name not in KNOWN:
            return unknown_parameter(name)
    limit, window = limit_of(params), window_of(params.get("created", {}))
    if isinstance(limit, SandboxAnswer):
        return limit
    if isinstance(window, SandboxAnswer):
        return window
    candidates = _candidates(resource, rows, window, params)
    if isinstance(candidates, SandboxAnswer):
        return candidates
    found = _page(candidates, params, limit + 1)
    if "ending_before" in params:
        found.reverse()
    page = found[-limit:] if "ending_before" in params else found[:limit]
    return page_answer("list", resource.url, [row.body for row in page], has_more=len(found) > limit)


def page_answer(kind: str, url: str, bodies: Sequence[bytes], *, has_more: bool, extra: bytes = b"") -> SandboxAnswer:
    data = b",".join(bodies)
    head = orjson.dumps({"object": kind, "url": url, "has_more": has_more})[:-1]
    return SandboxAnswer(status=200, body=head + extra + b',"data":[' + data + b"]}")


def limit_of(params: Params) -> int | SandboxAnswer:
    raw = params.get("limit", str(DEFAULT_LIMIT))
    if not isinstance(raw, str) or not INTEGER.fullmatch(raw):
        return invalid(f"Invalid integer: {raw}", code="parameter_invalid_integer", param="limit")
    if not 1 <= int(raw) <= MAX_LIMIT:
        message = f"This value must be between 1 and {MAX_LIMIT}."
        return invalid(message, code="parameter_invalid_integer", param="limit")
    return int(raw)


def window_of(created: object) -> Window | SandboxAnswer:
    bounds = created if isinstance(created, dict) else {"gte": created, "lte": created}
    first, last = Window().first, Window().last
    for name, raw in bounds.items():
        if not isinstance(raw, str) or not INTEGER.fullmatch(raw):
            return invalid("Invalid timestamp: must be an integer", param="created")
        match name:
            case "gt" | "gte":
                first = max(first, int(raw) + (name == "gt"))
            case "lt" | "lte":
                last = min(last, int(raw) - (name == "lt"))
            case _:
                return unknown_parameter(f"created[{name}]")
    return Window(first=first, last=last)


def _candidates(
    resource: Resource, rows: Sequence[Row], window: Window, params: Params
) -> Sequence[Row] | SandboxAnswer:
    """Newest first; for `ending_before` the newer ones, nearest to the cursor first. Rows are in order of creation."""
    start = bisect_left(rows, window.first, key=_created)
    end = bisect_right(rows, window.last, key=_created)
    cursor_name = next((name for name in ("starting_after", "ending_before") if name in params), None)
    if cursor_name is None:
        return rows[start:end][::-1]
    cursor = next((row for row in reversed(rows) if row.id == params[cursor_name]), None)
    if cursor is None:
        return missing_object(resource.noun, str(params[cursor_name]), param=cursor_name, status=400)
    if cursor_name == "starting_after":
        return rows[start : min(end, cursor.position)][::-1]
    return rows[max(start, cursor.position + 1) : end]


def _created(row: Row) -> int:
    return row.created


def _page(candidates: Sequence[Row], params: Params, wanted: int) -> list[Row]:
    filters: Params = {name: params[name] for name in ("customer", "email") if name in params}
    return list(islice((row for row in candidates if _matches(row, filters)), wanted))


def _matches(row: Row, filters: Params) -> bool:
    if not filters:
        return True
    body = orjson.loads(row.body)
    return all(body.get(name) == value for name, value in filters.items())
