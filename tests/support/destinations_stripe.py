"""Stripe's APIs of destinations in memory, in the shapes of its documentation, with answers that get lost."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from pydantic import SecretStr

from stripeline.contracts.vocabulary import Fault
from stripeline.workers.executor.stripe_answer import StripeAnswer

V1, V2 = "/v1/webhook_endpoints", "/v2/core/event_destinations"


_numbers: Iterator[int] = itertools.count(1)
"""Of all accounts: an id is never used twice."""


class KilledError(BaseException):
    """The process is killed here."""


@dataclass
class DestinationsStripe:
    """One account. `objects`: what there is, with its secret under `secret`.

    killed_at: the number of the call, from 1, at whose end the caller dies; `.5` before it reaches Stripe.
    lose: numbers of calls whose answer is lost. refuse: the status of every change.
    """

    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    stored: dict[str, StripeAnswer] = field(default_factory=dict)
    killed_at: float | None = None
    lose: set[int] = field(default_factory=set)
    refuse: int | None = None
    read_status: int | None = None
    asked: list[tuple[str, str, Any]] = field(default_factory=list)
    pings: list[str] = field(default_factory=list)

    def add_v1(self, **fields: Any) -> str:
        name = f"we_{next(_numbers)}"
        made = {
            "id": name, "object": "webhook_endpoint", "status": "enabled", "metadata": {}, "livemode": False,
            "api_version": None, "created": 1_790_000_000, "enabled_events": ["*"], "url": "https://elsewhere.example",
        }  # fmt: skip
        self.objects[name] = made | fields
        return name

    async def read(self, path: str, key: SecretStr, account: str | None = None) -> StripeAnswer | Fault:
        assert account is None
        if self.read_status is not None:
            return _error(self.read_status)
        base, _, query = path.partition("?")
        if base == V1:
            return self._page(V1, "webhook_endpoint", query)
        if base == V2:
            return self._page(V2, "v2.core.event_destination", query)
        found = self.objects.get(base.rpartition("/")[2])
        return _error(404) if found is None else _answer(_public(found, query))

    async def manage(
        self, method: str, path: str, key: SecretStr, params: Mapping[str, Any] | None = None,
        *, idempotency_key: str | None = None,
    ) -> StripeAnswer | Fault:  # fmt: skip
        self.asked.append((method, path, params))
        number = len(self.asked)
        if self.killed_at == number - 0.5:
            raise KilledError
        answer = self._known(method, path, params, idempotency_key)
        if self.killed_at == number:
            raise KilledError
        return Fault.LOST if number in self.lose else answer

    def _known(
        self, method: str, path: str, params: Mapping[str, Any] | None, idempotency_key: str | None
    ) -> StripeAnswer:
        if idempotency_key in self.stored:
            return self.stored[idempotency_key or ""]
        answer = _error(self.refuse) if self.refuse is not None else self._changed(method, path, params)
        if idempotency_key is not None:
            self.stored[idempotency_key] = answer
        return answer

    def _changed(self, method: str, path: str, params: Mapping[str, Any] | None) -> StripeAnswer:
        if path == V2:
            return self._created(dict(params or {}))
        name, _, verb = path.removeprefix(V1).removeprefix(V2).removeprefix("/").partition("/")
        found = self.objects.get(name)
        if found is None:
            return _error(404)
        if method == "DELETE":
            del self.objects[name]
            return _answer({"id": name, "object": found["object"], "deleted": True})
        if verb == "ping":
            self.pings.append(name)
            return _answer({"id": "evt_1", "object": "v2.core.event"})
        if verb == "enable":
            found["status"], found["status_details"] = "enabled", None
        for field_name, value in (params or {}).items():
            if field_name == "disabled":
                found["status"] = "disabled" if value else "enabled"
            else:
                found[field_name] = value
        return _answer(_public(found, ""))

    def _created(self, params: dict[str, Any]) -> StripeAnswer:
        if len(self.objects) >= 16:
            return _error(400, "You have reached the maximum number of event destinations")
        number = next(_numbers)
        included = params.pop("include")
        assert "webhook_endpoint.signing_secret" in included
        made = {
            "id": f"ed_{number}", "object": "v2.core.event_destination", "status": "enabled", "status_details": None,
            "livemode": False, "created": "2026-11-30T10:00:00.000Z", "snapshot_api_version": None,
        } | params  # fmt: skip
        secret = f"whsec_{number}"
        self.objects[made["id"]] = made | {"secret": secret}
        return _answer(made | {"webhook_endpoint": {**params["webhook_endpoint"], "signing_secret": secret}})

    def _page(self, path: str, kind: str, query: str) -> StripeAnswer:
        asked = dict(pair.split("=", 1) for pair in query.split("&") if pair)
        found = [one for one in self.objects.values() if one["object"] == kind]
        after = int(asked.get("page", asked.get("starting_after", "0").removeprefix("we_")))
        number = lambda one: int(one["id"].partition("_")[2])  # noqa: E731
        rest = sorted((one for one in found if number(one) > after), key=number)
        items, more = [_public(one, query) for one in rest[:2]], len(rest) > 2
        if path == V1:
            return _answer({"object": "list", "data": items, "has_more": more, "url": V1})
        following = f"{V2}?page={number(rest[1])}&include[0]=webhook_endpoint.url" if more else None
        return _answer({"data": items, "next_page_url": following, "previous_page_url": None})


def _public(held: Mapping[str, Any], query: str) -> dict[str, Any]:
    """Without the secret; the URL of the newer API is left out unless it is asked for."""
    shown = {name: value for name, value in held.items() if name != "secret"}
    if held["object"] == "v2.core.event_destination" and "webhook_endpoint.url" not in query:
        shown["webhook_endpoint"] = {"url": None, "signing_secret": None}
    return shown


def _answer(body: Mapping[str, Any]) -> StripeAnswer:
    return StripeAnswer(status=200, headers={}, body=orjson.dumps(body))


def _error(status: int, message: str = "no") -> StripeAnswer:
    body = {"error": {"type": "invalid_request_error", "message": message}}
    return StripeAnswer(status=status, headers={}, body=orjson.dumps(body))
