"""Answers `/v1/webhook_endpoints`: create, list, retrieve, update, delete. Pure.

As at Stripe, `connect` and `api_version` are chosen at the creation, and `connect` is in no answer.
"""

from collections.abc import Mapping
from typing import Any

import orjson

from stripeline.deploy.sandbox.api.listing import limit_of, page_answer
from stripeline.deploy.sandbox.api.params import VERSION
from stripeline.deploy.sandbox.api.resources import WEBHOOK_ENDPOINT
from stripeline.deploy.sandbox.api.routes import AdmittedRequest
from stripeline.deploy.sandbox.api.stripe_errors import invalid, missing_object, missing_parameter, unknown_parameter
from stripeline.deploy.sandbox.api.values import Params, SandboxAnswer
from stripeline.deploy.sandbox.destinations.destination_rules import merged_metadata, wrong_type, wrong_url
from stripeline.deploy.sandbox.destinations.destination_store import (
    CONNECTED,
    MAX_DESTINATIONS,
    OWN,
    SandboxDestination,
    SandboxDestinations,
)

BOTH = frozenset({"description", "enabled_events", "expand", "metadata", "url"})
KNOWN: Mapping[str, frozenset[str]] = {
    "create": BOTH | {"api_version", "connect"},
    "update": BOTH | {"disabled"},
    "list": frozenset({"ending_before", "expand", "limit", "starting_after"}),
    "retrieve": frozenset({"expand"}),
    "delete": frozenset(),
}


class WebhookEndpointApi:
    def __init__(self, destinations: SandboxDestinations) -> None:
        self._destinations = destinations

    def answer(self, order: AdmittedRequest, now_ms: int) -> SandboxAnswer:
        kind, object_id = order.route.kind, order.route.object_id
        if refused := _refusal(kind, order.params, livemode=order.livemode):
            return refused
        if object_id is None:
            return self._create(order, now_ms) if kind == "create" else self._list(order)
        found = self._destinations.own(object_id, order.account, livemode=order.livemode, v2=False)
        if found is None:
            return missing_object(WEBHOOK_ENDPOINT.noun, object_id, param=WEBHOOK_ENDPOINT.id_param)
        if kind == "delete":
            self._destinations.remove(found)
            return _ok({"id": found.id, "object": WEBHOOK_ENDPOINT.object, "deleted": True})
        return _update(found, order.params, now_ms) if kind == "update" else _ok(_body(found))

    def _create(self, order: AdmittedRequest, now_ms: int) -> SandboxAnswer:
        params = order.params
        if self._destinations.is_full(order.account, livemode=order.livemode):
            mode = "live" if order.livemode else "test"
            return invalid(f"You have reached the maximum of {MAX_DESTINATIONS} {mode} webhook endpoints.")
        metadata = merged_metadata({}, params.get("metadata", {}))
        if isinstance(metadata, str):
            return invalid(metadata, param="metadata")
        object_id, secret = self._destinations.new_name(WEBHOOK_ENDPOINT.prefix)
        made = SandboxDestination(
            id=object_id,
            account=order.account,
            livemode=order.livemode,
            url=params["url"],
            secret=secret,
            types=tuple(params["enabled_events"].values()),
            created_ms=now_ms,
            updated_ms=now_ms,
            v2=False,
            events_from=(CONNECTED if params.get("connect") == "true" else OWN,),
            api_version=params.get("api_version"),
            description=params.get("description", ""),
            metadata=metadata,
        )
        self._destinations.add(made)
        return _ok(_body(made) | {"secret": secret.get_secret_value()})

    def _list(self, order: AdmittedRequest) -> SandboxAnswer:
        limit, rows = limit_of(order.params), self._destinations.of(order.account, livemode=order.livemode, v2=False)
        if isinstance(limit, SandboxAnswer):
            return limit
        ids = [row.id for row in rows]
        for name in ("starting_after", "ending_before"):
            cursor = order.params.get(name)
            if cursor is not None and cursor not in ids:
                return missing_object(WEBHOOK_ENDPOINT.noun, cursor, param=name, status=400)
        if "starting_after" in order.params:
            rows = rows[ids.index(order.params["starting_after"]) + 1 :]
        if "ending_before" in order.params:
            before = rows[: ids.index(order.params["ending_before"])]
            return _page(before[-limit:], has_more=len(before) > limit)
        return _page(rows[:limit], has_more=len(rows) > limit)


def _update(found: SandboxDestination, params: Params, now_ms: int) -> SandboxAnswer:
    metadata = merged_metadata(found.metadata, params.get("metadata", {})) if "metadata" in params else found.metadata
    if isinstance(metadata, str):
        return invalid(metadata, param="metadata")
    found.metadata, found.updated_ms = metadata, now_ms
    found.url = params.get("url", found.url)
    found.description = params.get("description", found.description)
    if "enabled_events" in params:
        found.types = tuple(params["enabled_events"].values())
    if "disabled" in params:
        found.disabled_for = "user" if params["disabled"] == "true" else None
    return _ok(_body(found))


def _refusal(kind: str, params: Params, *, livemode: bool) -> SandboxAnswer | None:
    unknown = next((name for name in params if name not in KNOWN[kind]), None)
    if unknown is not None:
        return unknown_parameter(unknown)
    if kind == "create":
        for name in ("url", "enabled_events"):
            if name not in params:
                return missing_parameter(name)
    for name in ("connect", "disabled"):
        if params.get(name, "true") not in ("true", "false"):
            return invalid(f"Invalid boolean: {params[name]}", param=name)
    return _wrong_value(params, livemode=livemode)


def _wrong_value(params: Params, *, livemode: bool) -> SandboxAnswer | None:
    if "url" in params and (wrong := wrong_url(params["url"], livemode=livemode)):
        return invalid(wrong, code="url_invalid", param="url")
    types = params.get("enabled_events", {"0": "*"})
    if not isinstance(types, dict) or not types:
        return invalid("Invalid array", param="enabled_events")
    if bad := wrong_type(types.values(), thin=False):
        position, why = bad
        return invalid(f"Invalid enabled_events[{position}]: {why}", param=f"enabled_events[{position}]")
    version = params.get("api_version", "2026-01-01")
    if not isinstance(version, str) or not VERSION.fullmatch(version):
        return invalid(f"Invalid Stripe API version: {version}.", param="api_version")
    return None


def _body(destination: SandboxDestination) -> dict[str, Any]:
    return {
        "id": destination.id,
        "object": WEBHOOK_ENDPOINT.object,
        "api_version": destination.api_version,
        "application": None,
        "created": destination.created_ms // 1000,
        "description": destination.description or None,
        "enabled_events": destination.types,
        "livemode": destination.livemode,
        "metadata": destination.metadata,
        "status": "enabled" if destination.disabled_for is None else "disabled",
        "url": destination.url,
    }


def _page(rows: list[SandboxDestination], *, has_more: bool) -> SandboxAnswer:
    return page_answer("list", WEBHOOK_ENDPOINT.url, [orjson.dumps(_body(row)) for row in rows], has_more=has_more)


def _ok(body: dict[str, Any]) -> SandboxAnswer:
    return SandboxAnswer(status=200, body=orjson.dumps(body))
