"""Answers `/v2/core/event_destinations`: create, list, retrieve, update, enable, disable, delete, ping. Pure.

As at Stripe, URL and secret are in an answer only where `include` asks for them, and the secret only in that of the
creation. The sandbox has webhook endpoints alone, no cloud's event bus.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson

from stripeline.deploy.sandbox.api.params import VERSION
from stripeline.deploy.sandbox.api.resources import EVENT_DESTINATION
from stripeline.deploy.sandbox.api.routes import AdmittedRequest
from stripeline.deploy.sandbox.api.stripe_errors import v2_error, v2_invalid, v2_not_found
from stripeline.deploy.sandbox.api.v2_lists import v2_limit, v2_page
from stripeline.deploy.sandbox.api.values import Params, SandboxAnswer
from stripeline.deploy.sandbox.destinations.destination_rules import merged_metadata, wrong_type, wrong_url
from stripeline.deploy.sandbox.destinations.destination_store import (
    CONNECTED,
    MAX_DESTINATIONS,
    OWN,
    SandboxDestination,
    SandboxDestinations,
)
from stripeline.deploy.sandbox.events.kept_events import KeptEvent
from stripeline.deploy.sandbox.events.thin_event_api import fetched_body, rfc3339

URL, SECRET = "webhook_endpoint.url", "webhook_endpoint.signing_secret"
BOTH = frozenset({"description", "enabled_events", "include", "metadata", "name", "webhook_endpoint"})
REQUIRED = ("name", "type", "event_payload", "enabled_events", "webhook_endpoint")
ALLOWED: Mapping[str, frozenset[str]] = {
    "enabled_events": frozenset(),  # any: judged by themselves
    "events_from": frozenset({OWN, CONNECTED}),
    "include": frozenset({URL, SECRET}),
}
KNOWN: Mapping[str, frozenset[str]] = {
    "create": BOTH | {"event_payload", "events_from", "snapshot_api_version", "type"},
    "update": BOTH,
    "list": frozenset({"include", "limit", "page"}),
    "retrieve": frozenset({"include"}),
}

Ping = Callable[[SandboxDestination, int], KeptEvent]


class EventDestinationApi:
    """`ping` sends the destination an event of its own."""

    def __init__(self, destinations: SandboxDestinations, ping: Ping) -> None:
        self._destinations, self._ping = destinations, ping

    def answer(self, order: AdmittedRequest, now_ms: int) -> SandboxAnswer:
        kind, params, object_id = order.route.kind, order.params, order.route.object_id
        found = None
        if object_id is not None:
            found = self._destinations.own(object_id, order.account, livemode=order.livemode, v2=True)
            if found is None:
                return v2_not_found(EVENT_DESTINATION.noun, object_id)
        thin = params.get("event_payload") == "thin" if found is None else found.thin
        wrong = next(_faults(kind, params, thin=thin, livemode=order.livemode), None)
        if wrong is not None:
            return v2_invalid(wrong)
        if found is not None:
            return self._act(kind, found, params, now_ms)
        return self._create(order, now_ms) if kind == "create" else self._list(order)

    def _act(self, kind: str, found: SandboxDestination, params: Params, now_ms: int) -> SandboxAnswer:
        match kind:
            case "update":
                _update(found, params, now_ms)
            case "enable" | "disable":
                found.disabled_for, found.updated_ms = None if kind == "enable" else "user", now_ms
            case "ping" if found.disabled_for is not None:
                return v2_error(400, "event_destination_disabled", f"{found.id} is disabled: enable it first.")
            case "ping":
                return SandboxAnswer(status=200, body=fetched_body(self._ping(found, now_ms)))
            case "delete":
                self._destinations.remove(found)
                return _ok({"id": found.id, "object": EVENT_DESTINATION.object})
            case _:
                pass
        return _ok(_body(found, _texts(params.get("include"))))

    def _create(self, order: AdmittedRequest, now_ms: int) -> SandboxAnswer:
        params = order.params
        if self._destinations.is_full(order.account, livemode=order.livemode):
            message = f"You have reached the maximum of {MAX_DESTINATIONS} event destinations."
            return v2_error(400, "event_destination_limit_reached", message)
        object_id, secret = self._destinations.new_name(EVENT_DESTINATION.prefix + ("" if order.livemode else "test_"))
        metadata = merged_metadata({}, params.get("metadata", {}))
        made = SandboxDestination(
            id=object_id,
            account=order.account,
            livemode=order.livemode,
            url=params["webhook_endpoint"]["url"],
            secret=secret,
            types=_texts(params["enabled_events"]),
            created_ms=now_ms,
            updated_ms=now_ms,
            v2=True,
            thin=params["event_payload"] == "thin",
            events_from=_texts(params.get("events_from")) or (OWN,),
            api_version=params.get("snapshot_api_version"),
            name=params["name"],
            description=params.get("description", ""),
            metadata={} if isinstance(metadata, str) else metadata,
        )
        self._destinations.add(made)
        included = _texts(params.get("include"))
        return _ok(_body(made, included, secret=secret.get_secret_value() if SECRET in included else None))

    def _list(self, order: AdmittedRequest) -> SandboxAnswer:
        rows, limit = self._destinations.of(order.account, livemode=order.livemode, v2=True), v2_limit(order.params)
        if isinstance(limit, SandboxAnswer):
            return limit
        start = int(page) if (page := str(order.params.get("page", "0"))).isdecimal() else 0
        included = _texts(order.params.get("include"))
        bodies = [orjson.dumps(_body(row, included)) for row in rows[start : start + limit]]
        asked = f"&include[0]={URL}" if URL in included else ""
        more = f"{EVENT_DESTINATION.url}?limit={limit}&page={start + limit}{asked}"
        return v2_page(bodies, more if len(rows) > start + limit else None)


def _update(found: SandboxDestination, params: Params, now_ms: int) -> None:
    metadata = merged_metadata(found.metadata, params["metadata"]) if "metadata" in params else found.metadata
    found.metadata, found.updated_ms = found.metadata if isinstance(metadata, str) else metadata, now_ms
    found.name = params.get("name", found.name)
    found.description = params.get("description", found.description)
    found.url = params.get("webhook_endpoint", {}).get("url", found.url)
    found.types = _texts(params.get("enabled_events")) or found.types


def _faults(kind: str, params: Params, *, thin: bool, livemode: bool) -> Iterator[str]:
    """What is wrong, the first first."""
    known = KNOWN.get(kind, frozenset())
    yield from (f"Unknown field: {name}." for name in params if name not in known)
    if kind == "create":
        yield from _faults_of_creation(params)
    for name in ("name", "description"):
        if not isinstance(params.get(name, ""), str):
            yield f"Invalid {name}: a text."
    for name, allowed in ALLOWED.items():
        if name in params and not _texts(params[name]):
            yield f"Invalid {name}: an array of texts."
        if allowed and not set(_texts(params.get(name))) <= allowed:
            yield f"Invalid {name}: the sandbox has {', '.join(sorted(allowed))}."
    if bad := wrong_type(_texts(params.get("enabled_events")), thin=thin):
        yield f"Invalid enabled_events[{bad[0]}]: {bad[1]}."
    if "webhook_endpoint" in params:
        yield from _faults_of_endpoint(params["webhook_endpoint"], livemode=livemode)
    metadata = merged_metadata({}, params.get("metadata", {}))
    if isinstance(metadata, str):
        yield metadata


def _faults_of_creation(params: Params) -> Iterator[str]:
    yield from (f"Missing required field: {name}." for name in REQUIRED if not params.get(name))
    if params.get("type") != "webhook_endpoint":
        yield "Invalid type: the sandbox has webhook_endpoint alone."
    if params.get("event_payload") not in ("snapshot", "thin"):
        yield "Invalid event_payload: snapshot or thin."
    version = params.get("snapshot_api_version")
    if version is not None and params.get("event_payload") == "thin":
        yield "Invalid snapshot_api_version: thin events are not pinned to an API version."
    if version is not None and not (isinstance(version, str) and VERSION.fullmatch(version)):
        yield f"Invalid snapshot_api_version: {version}."


def _faults_of_endpoint(endpoint: object, *, livemode: bool) -> Iterator[str]:
    if not isinstance(endpoint, dict) or endpoint.keys() != {"url"}:
        yield "Invalid webhook_endpoint: an object with url."
    elif wrong := wrong_url(endpoint["url"], livemode=livemode):
        yield wrong


def _texts(value: object) -> tuple[str, ...]:
    """A JSON array, or what a query makes of one; empty where it is neither."""
    values = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    return tuple(values) if all(isinstance(text, str) for text in values) else ()


def _body(destination: SandboxDestination, included: tuple[str, ...], *, secret: str | None = None) -> dict[str, Any]:
    reason = destination.disabled_for
    return {
        "id": destination.id,
        "object": EVENT_DESTINATION.object,
        "amazon_eventbridge": None,
        "azure_event_grid": None,
        "created": rfc3339(destination.created_ms),
        "description": destination.description,
        "enabled_events": destination.types,
        "event_payload": "thin" if destination.thin else "snapshot",
        "events_from": destination.events_from,
        "livemode": destination.livemode,
        "metadata": destination.metadata,
        "name": destination.name,
        "snapshot_api_version": destination.api_version,
        "status": "enabled" if reason is None else "disabled",
        "status_details": None if reason is None else {"disabled": {"reason": reason}},
        "type": "webhook_endpoint",
        "updated": rfc3339(destination.updated_ms),
        "webhook_endpoint": {"signing_secret": secret, "url": destination.url if URL in included else None},
    }


def _ok(body: dict[str, Any]) -> SandboxAnswer:
    return SandboxAnswer(status=200, body=orjson.dumps(body))
