"""Example events of Stripe's types, with every field that Stripe's own examples have.

`example_objects.json` is from https://github.com/stripe/openapi; the values of `deploy/local/example_events` replace
those of its objects. Knows no workflow.
"""

import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from stripeline.contracts.definitions import TriggerPayload, Workflow
from stripeline.contracts.families import families
from stripeline.deploy.local.example_events import example_object

CREATED: Final = 1_790_000_000
_FILE: Final = Path(__file__).with_name("example_objects.json")
_OBJECTS: Final[Mapping[str, tuple[str, ...]]] = {
    "charge.dispute": ("dispute",),
    "charge.refund": ("refund",),
    "charge": ("charge",),
    "customer.discount": ("discount",),
    "customer.source": ("card", "source"),
    "customer.subscription": ("subscription",),
    "customer.tax_id": ("tax_id",),
    "customer": ("customer",),
    "payment_intent": ("payment_intent",),
}
"""What the events of these types are about, by the type without its last word."""


@cache
def _objects() -> Mapping[str, Mapping[str, Any]]:
    found: Mapping[str, Mapping[str, Any]] = json.loads(_FILE.read_text(encoding="utf-8"))["objects"]
    return found


def wanted_types(kind: str, workflow: Workflow, payload: TriggerPayload | None = None) -> list[str]:
    """The types of a trigger's kind and payload that start a workflow, as far as Stripe's are known."""
    return [one for one in families()[kind].types_of(payload or "snapshot") if workflow.wants(one)]


def example_events(types: Iterable[str]) -> list[dict[str, Any]]:
    """Events as the event topics have them, one or two of each type."""
    return [_event(name, data) for name in types for data in _data(name)]


def data_fields(types: Iterable[str]) -> frozenset[str]:
    """The fields that the data objects of these types have."""
    return frozenset(field for name in types for data in _data(name) for field in data)


def _data(event_type: str) -> list[dict[str, Any]]:
    kinds = _OBJECTS.get(event_type.rpartition(".")[0], ())
    small = {name: value for name, value in example_object(event_type, CREATED).items() if value is not None}
    # Of a card, the example says that it is a source.
    return [{**_objects()[kind], **small, "object": kind} for kind in kinds]


def _event(event_type: str, data: dict[str, Any]) -> dict[str, Any]:
    event: dict[str, Any] = {
        "id": "evt_Example1",
        "type": event_type,
        "api_version": "2026-10-28.endive",
        "created": CREATED,
        "livemode": False,
        "data": data,
        "request": {"id": "req_Example1", "idempotency_key": None},
    }
    return {**event, "previous_attributes": data} if event_type.endswith(".updated") else event
