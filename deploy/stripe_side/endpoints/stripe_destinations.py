"""Reads the destinations that an account has at Stripe, as either of Stripe's two APIs lists them. Pure.

What stands in them was written by others: an id or an address that can't be one is left out, and a text is shown only
as one harmless line. https://docs.stripe.com/api/v2/core/event-destinations · https://docs.stripe.com/api/webhook_endpoints
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from stripeline.contracts.operator.stripe_side_records import Payload
from stripeline.contracts.shown_text import shown

INSTALLATION: Final = "stripeline_installation"
ENDPOINT: Final = "stripeline_endpoint"
"""The metadata by which a destination is known as ours."""
V1: Final = "/v1/webhook_endpoints"
V2: Final = "/v2/core/event_destinations"
DESTINATION_ID: Final = re.compile(r"[A-Za-z0-9_]{1,200}")
Api = Literal["v1", "v2"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StripeDestination:
    """One destination at Stripe.

    api: the one that changes it. payload: None for one that is no webhook.
    url, api_version, connect: None where Stripe does not say.
    why: of a disabled one, in Stripe's word.
    installation, endpoint: what its metadata says.
    """

    id: str
    api: Api
    payload: Payload | None
    url: str | None
    events: frozenset[str]
    api_version: str | None
    connect: bool | None
    enabled: bool
    why: str | None = None
    installation: str | None = None
    endpoint: str | None = None

    @property
    def path(self) -> str:
        return f"{V1 if self.api == 'v1' else V2}/{self.id}"


def merged(v2: Iterable[StripeDestination], v1: Iterable[StripeDestination]) -> tuple[StripeDestination, ...]:
    """All of an account. What both APIs list is one, as the newer API says it."""
    found = {one.id: one for one in (*v1, *v2)}
    return tuple(found[one] for one in sorted(found))


def destination_of(value: Any) -> StripeDestination | None:
    """One item of a list, or an answer; None where it is no destination."""
    if not isinstance(value, dict) or not DESTINATION_ID.fullmatch(_text(value.get("id")) or ""):
        return None
    match value.get("object"):
        case "webhook_endpoint":
            return _of_v1(value)
        case "v2.core.event_destination":
            return _of_v2(value)
        case _:
            return None


def _of_v1(value: Mapping[str, Any]) -> StripeDestination:
    return StripeDestination(
        id=value["id"], api="v1", payload="snapshot", url=_text(value.get("url")), events=_events(value),
        api_version=_text(value.get("api_version")), connect=None, enabled=value.get("status") != "disabled",
        **_ours(value),
    )  # fmt: skip


def _of_v2(value: Mapping[str, Any]) -> StripeDestination:
    payload, webhook = value.get("event_payload"), value.get("webhook_endpoint")
    disabled = (_mapping(_mapping(value.get("status_details")).get("disabled"))).get("reason")
    return StripeDestination(
        id=value["id"], api="v2",
        payload=payload if payload in {"snapshot", "thin"} and isinstance(webhook, dict) else None,
        url=_text(_mapping(webhook).get("url")), events=_events(value),
        api_version=_text(value.get("snapshot_api_version")), connect=_connect(value.get("events_from")),
        enabled=value.get("status") != "disabled", why=shown(disabled, 60) if isinstance(disabled, str) else None,
        **_ours(value),
    )  # fmt: skip


def _ours(value: Mapping[str, Any]) -> dict[str, str | None]:
    metadata = _mapping(value.get("metadata"))
    return {"installation": _text(metadata.get(INSTALLATION)), "endpoint": _text(metadata.get(ENDPOINT))}


def _connect(sources: Any) -> bool | None:
    """None where it is of both, or of an organisation: no endpoint of ours is."""
    match sources:
        case None | ["@self"]:
            return False
        case ["@accounts"]:
            return True
        case _:
            return None


def _events(value: Mapping[str, Any]) -> frozenset[str]:
    events = value.get("enabled_events")
    return frozenset(one for one in events if isinstance(one, str)) if isinstance(events, list) else frozenset()


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
