"""The requests to Stripe for the steps of a plan, and what its answers mean. Pure.

New destinations are made through the API of event destinations, which has both payloads; one that the older API of
webhook endpoints made is changed there. A signing secret is in the answer to the creation alone.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import SecretStr

from stripeline.contracts.definition_fields import SIGNING_SECRET
from stripeline.contracts.errors import StripeRefusal, refusal_of
from stripeline.contracts.shown_text import shown
from stripeline.contracts.vocabulary import Fault
from stripeline.deploy.stripe_side.endpoints.endpoint_plan import Delete, Enable, Update
from stripeline.deploy.stripe_side.endpoints.stripe_destinations import (
    ENDPOINT,
    INSTALLATION,
    V1,
    V2,
    StripeDestination,
    destination_of,
)
from stripeline.deploy.stripe_side.endpoints.wanted_destinations import WantedDestination
from stripeline.workers.executor.answer_origin import json_object, not_stripes, stripe_error
from stripeline.workers.executor.stripe_answer import StripeAnswer

LISTS: Final = (f"{V2}?limit=100&include[0]=webhook_endpoint.url", f"{V1}?limit=100")
"""The first pages, of the newer API and of the older one."""
_OK: Final = 200
_NOT_FOUND: Final = 404
_AGAIN: Final = frozenset({409, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointRequest:
    """A request that changes something. params: None for one without a body."""

    method: str
    path: str
    params: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeDestination:
    """What Stripe made, with the secret that it shows once."""

    at: StripeDestination
    secret: SecretStr


@dataclass(frozen=True, slots=True, kw_only=True)
class NotDone:
    """Why Stripe did not do it.

    may_be_done: nobody knows. again: the same request may succeed. right: the key may not do it.
    gone: there is no such destination.
    """

    why: str
    may_be_done: bool = False
    again: bool = False
    right: bool = False
    gone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPage:
    """A page of destinations. next: the path of the next one."""

    items: tuple[StripeDestination, ...] = ()
    next: str | None = field(default=None)


def creation(wanted: WantedDestination, installation: str) -> EndpointRequest:
    params: dict[str, Any] = {
        "name": f"Stripeline {wanted.endpoint}",
        "description": f"Made by Stripeline, installation {installation}, and changed by `stripeline endpoints apply`",
        "type": "webhook_endpoint",
        "event_payload": wanted.payload,
        "enabled_events": list(wanted.events),
        "events_from": ["@accounts" if wanted.connect else "@self"],
        "webhook_endpoint": {"url": wanted.url},
        "metadata": {INSTALLATION: installation, ENDPOINT: wanted.endpoint},
        "include": ["webhook_endpoint.signing_secret", "webhook_endpoint.url"],
    }
    if wanted.api_version is not None:
        params["snapshot_api_version"] = wanted.api_version
    return EndpointRequest(method="POST", path=V2, params=params)


def change(step: Update | Enable | Delete) -> EndpointRequest:
    at = step.at
    match step:
        case Delete():
            return EndpointRequest(method="DELETE", path=at.path)
        case Enable() if at.api == "v1":
            return EndpointRequest(method="POST", path=at.path, params={"disabled": False})
        case Enable():
            return EndpointRequest(method="POST", path=f"{at.path}/enable", params={})
        case Update():
            return EndpointRequest(method="POST", path=at.path, params=dict(_changed(step)))


def ping(at: StripeDestination) -> EndpointRequest | None:
    """Has Stripe send an event that says nothing but that it arrives; the older API can't."""
    return EndpointRequest(method="POST", path=f"{at.path}/ping", params={}) if at.api == "v2" else None


def _changed(step: Update) -> Iterator[tuple[str, Any]]:
    if step.events is not None:
        yield "enabled_events", list(step.events)
    if step.url is not None and step.at.api == "v1":
        yield "url", step.url
    elif step.url is not None:
        yield "webhook_endpoint", {"url": step.url}


def made_by(reply: StripeAnswer | Fault) -> MadeDestination | NotDone:
    """The answer to a creation."""
    body = done_by(reply)
    if isinstance(body, NotDone):
        return body
    at, webhook = destination_of(body), body.get("webhook_endpoint")
    secret = webhook.get("signing_secret") if isinstance(webhook, dict) else None
    if at is None or not isinstance(secret, str) or not SIGNING_SECRET.fullmatch(secret):
        return NotDone(why="Stripe's answer has no destination with a signing secret", may_be_done=True)
    return MadeDestination(at=at, secret=SecretStr(secret))


def done_by(reply: StripeAnswer | Fault) -> Mapping[str, Any] | NotDone:
    """The body of an answer that says yes, or why it does not."""
    if isinstance(reply, Fault):
        if reply is Fault.REFUSED:
            return NotDone(why="Stripe can't be reached", again=True)
        return NotDone(why="Stripe's answer was lost", may_be_done=True, again=True)
    body = json_object(reply.body)
    if reply.status == _OK and body is not None:
        return body
    error = stripe_error(body)
    again, gone = reply.status in _AGAIN, reply.status == _NOT_FOUND
    if error is None:
        return NotDone(why=not_stripes(reply.status, reply.headers), again=again, may_be_done=again)
    if refusal_of(reply.status, error.get("code")) is StripeRefusal.KEY:
        return NotDone(why="Stripe does not accept the connection's key")
    said = error.get("message")
    text = shown(said, 300) if isinstance(said, str) else "it gave no reason"
    return NotDone(
        why=f"Stripe answered {reply.status}: {text}", again=again, right=reply.status in {401, 403}, gone=gone
    )


def page_by(reply: StripeAnswer | Fault, path: str) -> ListPage | NotDone:
    """A page of a list; `path` is the one that was asked for."""
    body = done_by(reply)
    if isinstance(body, NotDone):
        return body
    items = body.get("data")
    found = tuple(one for item in items if (one := destination_of(item))) if isinstance(items, list) else ()
    return ListPage(items=found, next=_next(body, path, found))


def _next(body: Mapping[str, Any], path: str, found: tuple[StripeDestination, ...]) -> str | None:
    """Only below the list's own path: the key is sent there."""
    given = body.get("next_page_url")
    if isinstance(given, str) and given.isascii() and given.startswith(f"{V2}?"):
        return given
    if path.startswith(V1) and body.get("has_more") is True and found:
        return f"{V1}?limit=100&starting_after={found[-1].id}"
    return None
