"""Answers `GET /v2/core/events` and `GET /v2/core/events/{id}`, and writes a thin event as Stripe does. Pure.

- What is delivered names its object and has no data. What is fetched also has `changes`, `data`, and in
  `snapshot_event` the id of its twin, where it has one.
- An account sees its own events alone: a platform asks for those of a connected account with `Stripe-Context`.
- A page's address has the filters and a token, which is the place of the last event.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any
from urllib.parse import urlencode

import orjson

from stripeline.deploy.sandbox.api.resources import THIN_EVENT
from stripeline.deploy.sandbox.api.routes import AdmittedRequest
from stripeline.deploy.sandbox.api.stripe_errors import v2_invalid, v2_not_found
from stripeline.deploy.sandbox.api.v2_lists import v2_limit, v2_page
from stripeline.deploy.sandbox.api.values import Params, SandboxAnswer
from stripeline.deploy.sandbox.events.kept_events import EventLog, KeptEvent, ListedSpan

MAX_TYPES = 20
PAGE = "page_"
KNOWN = frozenset({"created", "limit", "object_id", "page", "types"})
BOUNDS = {"gt": 1, "gte": 0, "lt": -1, "lte": 0}
"""What is added to a bound, in milliseconds, to have it in the range."""


def rfc3339(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def notification_body(event: KeptEvent, *, context: str | None = None) -> bytes:
    """As it is delivered. `context`: whose it is, to its platform."""
    reason = _reason(event)
    more = {} if context is None else {"context": context}
    return orjson.dumps(_head(event) | more | ({} if reason is None else {"reason": reason}))


def fetched_body(event: KeptEvent) -> bytes:
    happened = event.happened
    more = {
        "changes": _changes(event),
        "context": None,
        "data": happened.data,
        "reason": _reason(event),
        "snapshot_event": event.twin_id,
    }
    return orjson.dumps(_head(event) | more)


def _head(event: KeptEvent) -> dict[str, Any]:
    happened, related = event.happened, event.happened.related
    named: dict[str, str] | None = None
    if related is not None:
        named = ({} if related.id is None else {"id": related.id}) | {"type": related.type, "url": related.url}
    return {
        "id": event.id,
        "object": THIN_EVENT.object,
        "type": event.type,
        "created": rfc3339(happened.at_ms),
        "livemode": happened.livemode,
        "related_object": named,
    }


def _reason(event: KeptEvent) -> dict[str, Any] | None:
    request = event.happened.request
    return {"type": "request", "request": request} if request.get("id") else None


def _changes(event: KeptEvent) -> dict[str, Any] | None:
    before = event.happened.previous_attributes
    if before is None:
        return None
    now = orjson.loads(event.happened.object)
    return {"before": before, "after": {name: now.get(name) for name in before}}


class ThinEvents:
    """Stripe's API of thin events, over what is kept."""

    def __init__(self, log: EventLog) -> None:
        self._log = log

    def answer(self, order: AdmittedRequest, now_ms: int) -> SandboxAnswer:
        if order.route.object_id is None:
            return self._list(order, now_ms)
        event = self._own(order, order.route.object_id, now_ms)
        if event is None:
            return v2_not_found(THIN_EVENT.noun, order.route.object_id)
        return SandboxAnswer(status=200, body=fetched_body(event))

    def _own(self, order: AdmittedRequest, event_id: str, now_ms: int) -> KeptEvent | None:
        return self._log.own(event_id, order.account, livemode=order.livemode, now_ms=now_ms)

    def _list(self, order: AdmittedRequest, now_ms: int) -> SandboxAnswer:
        asked, token = _asked(order.params), order.params.get("page")
        if isinstance(asked, SandboxAnswer):
            return asked
        cursor = None if token is None else self._own(order, str(token).removeprefix(PAGE), now_ms)
        if token is not None and cursor is None:
            return v2_invalid("Invalid page: it is not of this list, or older than 30 days.")
        span = ListedSpan(first_ms=asked.first_ms, last_ms=asked.last_ms, cursor=cursor)
        walk = self._log.walk(order.account, livemode=order.livemode, span=span, now_ms=now_ms)
        found = list(islice((event for event in walk if asked.wants(event)), asked.limit + 1))
        page = found[: asked.limit]
        more = _next_url(order.params, page[-1]) if len(found) > asked.limit else None
        return v2_page([fetched_body(event) for event in page], more)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    limit: int
    first_ms: int
    last_ms: int
    types: frozenset[str]  # none: all
    object_id: str | None

    def wants(self, event: KeptEvent) -> bool:
        related = event.happened.related
        named = self.object_id is None or (related is not None and related.id == self.object_id)
        return named and (not self.types or event.type in self.types)


def _asked(params: Params) -> _Asked | SandboxAnswer:
    unknown = next((name for name in params if name not in KNOWN), None)
    if unknown is not None:
        return v2_invalid(f"Unknown field: {unknown}.")
    limit, types = v2_limit(params), params.get("types", {})
    if isinstance(limit, SandboxAnswer):
        return limit
    if not isinstance(types, dict) or len(types) > MAX_TYPES or any("*" in str(name) for name in types.values()):
        return v2_invalid(f"Invalid types: an array of up to {MAX_TYPES} exact names.")
    window = _window(params.get("created", {}))
    if window is None:
        return v2_invalid("Invalid created: gt, gte, lt and lte are timestamps as in RFC 3339.")
    first_ms, last_ms = window
    return _Asked(
        limit=limit,
        first_ms=first_ms,
        last_ms=last_ms,
        types=frozenset(types.values()),
        object_id=params.get("object_id"),
    )


def _window(bounds: object) -> tuple[int, int] | None:
    """In milliseconds, both ends within."""
    first, last = 0, 1 << 62
    if not isinstance(bounds, dict) or not bounds.keys() <= BOUNDS.keys():
        return None
    for name, raw in bounds.items():
        try:
            at = datetime.fromisoformat(raw)
        except (TypeError, ValueError):
            return None
        if at.tzinfo is None:
            return None
        at_ms = round(at.timestamp() * 1000) + BOUNDS[name]
        first, last = (max(first, at_ms), last) if name.startswith("g") else (first, min(last, at_ms))
    return first, last


def _next_url(params: Params, last: KeptEvent) -> str:
    pairs = [(name, value) for name, value in params.items() if isinstance(value, str) and name != "page"]
    hashes = [(name, value) for name, value in params.items() if isinstance(value, dict)]
    pairs += [(f"{name}[{part}]", value) for name, parts in hashes for part, value in parts.items()]
    return f"{THIN_EVENT.url}?{urlencode([*pairs, ('page', PAGE + last.id)])}"
