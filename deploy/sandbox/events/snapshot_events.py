"""Answers `GET /v1/events` and `GET /v1/events/{id}`, and writes an event as Stripe does. Pure.

- An account sees its own events alone, in its own mode: a platform asks for those of a connected account with
  `Stripe-Account`. Seen so, an event does not name its account.
- A cursor is an event's place, of whatever type it is. One that is unknown, or older than 30 days, is an error.
"""

from dataclasses import dataclass
from itertools import islice
from typing import Any

import orjson

from stripeline.deploy.sandbox.api.listing import Window, limit_of, page_answer, window_of
from stripeline.deploy.sandbox.api.resources import EVENT
from stripeline.deploy.sandbox.api.routes import AdmittedRequest
from stripeline.deploy.sandbox.api.stripe_errors import invalid, missing_object, unknown_parameter
from stripeline.deploy.sandbox.api.values import Params, SandboxAnswer
from stripeline.deploy.sandbox.events.kept_events import EventLog, KeptEvent, ListedSpan

MAX_TYPES = 20
CURSORS = ("starting_after", "ending_before")
KNOWN = frozenset({"created", "delivery_success", "expand", "limit", "type", "types", *CURSORS})


def snapshot_body(event: KeptEvent, *, api_version: str | None = None, account: str | None = None) -> bytes:
    """`api_version`: the endpoint's, where it has one of its own. `account`: whose it is, to its platform."""
    happened = event.happened
    data: dict[str, Any] = {"object": orjson.Fragment(happened.object)}
    if happened.previous_attributes is not None:
        data["previous_attributes"] = happened.previous_attributes
    body = {
        "id": event.id,
        "object": "event",
        **({} if account is None else {"account": account}),
        "api_version": api_version or happened.api_version,
        "created": happened.at_ms // 1000,
        "data": data,
        "livemode": happened.livemode,
        "pending_webhooks": event.pending,
        "request": happened.request,
        "type": event.type,
    }
    return orjson.dumps(body)


class SnapshotEvents:
    """Stripe's API of events, over what is kept."""

    def __init__(self, log: EventLog) -> None:
        self._log = log

    def answer(self, order: AdmittedRequest, now_ms: int) -> SandboxAnswer:
        if order.route.object_id is None:
            return self._list(order, now_ms)
        event = self._own(order, order.route.object_id, now_ms)
        if event is None:
            return missing_object(EVENT.noun, order.route.object_id, param=EVENT.id_param)
        return SandboxAnswer(status=200, body=snapshot_body(event))

    def _own(self, order: AdmittedRequest, event_id: str, now_ms: int) -> KeptEvent | None:
        return self._log.own(event_id, order.account, livemode=order.livemode, now_ms=now_ms)

    def _list(self, order: AdmittedRequest, now_ms: int) -> SandboxAnswer:
        asked = _asked(order.params)
        if isinstance(asked, SandboxAnswer):
            return asked
        cursor = None
        if asked.cursor is not None:
            name, event_id = asked.cursor
            cursor = self._own(order, event_id, now_ms)
            if cursor is None:
                return missing_object(EVENT.noun, event_id, param=name, status=400)
        walk = self._log.walk(order.account, livemode=order.livemode, span=asked.span(cursor), now_ms=now_ms)
        found = list(islice((event for event in walk if asked.wants(event)), asked.limit + 1))
        page = found[: asked.limit]
        if asked.backwards:
            page.reverse()
        bodies = [snapshot_body(event) for event in page]
        return page_answer("list", EVENT.url, bodies, has_more=len(found) > asked.limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    limit: int
    window: Window
    types: frozenset[str] | str | None  # a text: one name, or a group with a wildcard
    delivered: bool | None
    cursor: tuple[str, str] | None

    @property
    def backwards(self) -> bool:
        return self.cursor is not None and self.cursor[0] == "ending_before"

    def span(self, cursor: KeptEvent | None) -> ListedSpan:
        first_ms, last_ms = self.window.first * 1000, self.window.last * 1000
        return ListedSpan(first_ms=first_ms, last_ms=last_ms, cursor=cursor, backwards=self.backwards)

    def wants(self, event: KeptEvent) -> bool:
        if self.delivered is not None and self.delivered is not (event.pending + event.failed == 0):
            return False
        match self.types:
            case None:
                return True
            case str() as group:
                head, wildcard, tail = group.partition("*")
                name = event.type
                return name.startswith(head) and name.endswith(tail) if wildcard else name == group
            case names:
                return event.type in names


def _asked(params: Params) -> _Asked | SandboxAnswer:
    limit, window = limit_of(params), window_of(params.get("created", {}))
    if refused := _refusal(params):
        return refused
    if isinstance(limit, SandboxAnswer):
        return limit
    if isinstance(window, SandboxAnswer):
        return window
    types, delivered = params.get("types"), params.get("delivery_success")
    return _Asked(
        limit=limit,
        window=window,
        types=params.get("type") if types is None else frozenset(types.values()),
        delivered=None if delivered is None else delivered == "true",
        cursor=next(((name, str(params[name])) for name in CURSORS if name in params), None),
    )


def _refusal(params: Params) -> SandboxAnswer | None:
    unknown = next((name for name in params if name not in KNOWN), None)
    if unknown is not None:
        return unknown_parameter(unknown)
    for names in (CURSORS, ("type", "types")):
        if all(name in params for name in names):
            return invalid(f"You may only specify one of these parameters: {', '.join(names)}.")
    if params.get("delivery_success", "true") not in ("true", "false"):
        return invalid(f"Invalid boolean: {params['delivery_success']}", param="delivery_success")
    if not isinstance(params.get("type", ""), str):
        return invalid("Invalid string: type is a hash.", param="type")
    return types_refusal(params.get("types", {}), "types")


def types_refusal(types: object, param: str) -> SandboxAnswer | None:
    if not isinstance(types, dict) or not all(isinstance(name, str) for name in types.values()):
        return invalid("Invalid array", param=param)
    if len(types) > MAX_TYPES:
        return invalid(f"Invalid array: {param} has at most {MAX_TYPES} names.", param=param)
    if any("*" in name for name in types.values()):
        return invalid(f"Invalid {param}: each is the exact name of a type; `type` takes a wildcard.", param=param)
    return None
