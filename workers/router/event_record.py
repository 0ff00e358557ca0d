"""An event's record as the router reads it. Pure."""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from stripeline.contracts import headers as h
from stripeline.contracts.ids import occasion_of
from stripeline.contracts.internal_records import UnreadableRecordError
from stripeline.workers.router.own_effects import cause_of
from stripeline.workers.router.router_setup import RouterSetup
from stripeline.workers.router.runs import Arrival

_FIELDS: Final = {"id": str, "type": str, "created": int, "data": dict}


def read_event(value: bytes | None) -> dict[str, Any]:
    """An event as expressions see it: with every field that it has. Raises UnreadableRecordError."""
    if value is None:
        raise UnreadableRecordError("the record has no value")
    try:
        event = orjson.loads(value)
    except orjson.JSONDecodeError:
        raise UnreadableRecordError("the record is not JSON") from None
    if not isinstance(event, dict):
        raise UnreadableRecordError("the record is not a JSON object")
    for name, kind in _FIELDS.items():
        if not isinstance(event.get(name), kind):
            raise UnreadableRecordError(f"{name} is missing or of the wrong type")
    return event


def occasion_at(event: Mapping[str, Any], *, partition: int, offset: int) -> str:
    """What an event starts a run for. The place is that of its record on the event topic."""
    return occasion_of(event["id"], livemode=event.get("livemode"), partition=partition, offset=offset)


def arrival_of(
    setup: RouterSetup, event: dict[str, Any], occasion: str, headers: Mapping[str, bytes], key: bytes | None
) -> Arrival:
    """An event, and what it says to all workflows alike. headers, key: of its record."""
    connection = h.text(headers, h.CONNECTION) or ""
    return Arrival(
        event=event, occasion=occasion, connection=connection, own=setup.account(connection),
        cause=cause_of(event, setup.makes), key=key, late_by_ms=h.late_by_ms(headers),
    )  # fmt: skip
