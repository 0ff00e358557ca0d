"""Reads one event of Stripe's lists. Pure. What it can't read it leaves out: ingest would refuse it as well."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from stripeline.contracts.ids import EVENT_ID, is_test_event
from stripeline.deploy.stripe_side.sweeps.sweep_plan import Listed


class ListedEvent(NamedTuple):
    """An event as Stripe lists it. body: as an endpoint would have got it. account: the connected one that it is of."""

    id: str
    type: str
    created_s: int
    listed: Listed
    body: bytes
    account: str | None = None


def listed_event(found: Any, listed: Listed, account: str | None) -> ListedEvent | None:
    """The event; None for what is none, and for a test event of the dashboard, which is the same each time.

    account: the connected account that was asked about. A delivery names it, a listing need not: without it the event
    would act on the platform's own account.
    """
    if not isinstance(found, dict):
        return None
    event_id, event_type = found.get("id"), found.get("type")
    created_s = _created(found.get("created"), listed)
    if not (isinstance(event_id, str) and EVENT_ID.fullmatch(event_id) and isinstance(event_type, str)):
        return None
    if created_s is None or is_test_event(event_id, found.get("livemode")):
        return None
    try:
        return ListedEvent(
            event_id, event_type, created_s, listed, orjson.dumps(_named(found, listed, account)), account
        )
    except orjson.JSONEncodeError:  # orjson reads 1,024 levels and writes 254
        return None


def _named(event: dict[str, Any], listed: Listed, account: str | None) -> Mapping[str, Any]:
    name = "account" if listed == "snapshot" else "context"
    return event if account is None or event.get(name) else event | {name: account}


def _created(value: Any, listed: Listed) -> int | None:
    if listed == "snapshot":
        return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
    try:
        return int(datetime.fromisoformat(value).timestamp())
    except (TypeError, ValueError, OverflowError):
        return None
