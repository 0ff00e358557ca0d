"""Which destinations an endpoint wants at Stripe, by the definitions. Pure.

A destination sends exact types: those that the workflows of the endpoint's triggers ask for, and all types of a family
where none of them filters or none is there, since other teams read the event topics too.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from stripeline.contracts.definitions import Definitions, Endpoint, Trigger
from stripeline.contracts.families import families
from stripeline.contracts.operator.stripe_side_records import Payload
from stripeline.contracts.type_filters import matches
from stripeline.deploy.definitions.definition_rows import delivery_url
from stripeline.workers.stripe.api import STRIPE_VERSION

PAYLOADS: Final[tuple[Payload, ...]] = ("snapshot", "thin")
THIN_PREFIX: Final = "v1."
Filters = dict[str, set[str]]
"""What the workflows of each trigger ask for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedDestination:
    """One destination that an endpoint needs.

    events: exact types, in order, as Stripe names them in this payload.
    api_version: of a snapshot's objects; None for thin events, which have no objects.
    connect: of connected accounts, instead of the account's own.
    """

    endpoint: str
    payload: Payload
    url: str
    events: tuple[str, ...]
    api_version: str | None
    connect: bool


def wanted_destinations(definitions: Definitions) -> dict[str, tuple[WantedDestination, ...]]:
    """By endpoint."""
    filters: Filters = {}
    for flow in definitions.workflows.values():
        filters.setdefault(flow.trigger, set()).update(flow.types)
    return {name: tuple(_of(name, one, definitions, filters)) for name, one in sorted(definitions.endpoints.items())}


def _of(name: str, endpoint: Endpoint, definitions: Definitions, filters: Filters) -> Iterator[WantedDestination]:
    triggers = {one: definitions.triggers[one] for one in endpoint.triggers if one in definitions.triggers}
    for payload in PAYLOADS:
        taking = {one: held for one, held in triggers.items() if _takes(held, payload)}
        events = {event for one, held in taking.items() for event in _events(held, payload, filters.get(one))}
        if events:
            yield WantedDestination(
                endpoint=name,
                payload=payload,
                url=delivery_url(name, endpoint),
                events=tuple(sorted(events)),
                api_version=(endpoint.api_version or STRIPE_VERSION) if payload == "snapshot" else None,
                connect=endpoint.connect or False,
            )


def _takes(trigger: Trigger, payload: Payload) -> bool:
    return (trigger.payload or "snapshot") in {payload, "both"}


def _events(trigger: Trigger, payload: Payload, filters: Iterable[str] | None) -> Iterator[str]:
    for event_type in _asked_for(filters or {"*"}, families()[trigger.kind].types_of(payload)):
        yield f"{THIN_PREFIX}{event_type}" if payload == "thin" else event_type


def _asked_for(filters: Iterable[str], known: tuple[str, ...]) -> Iterator[str]:
    """An exact type that we do not know is new at Stripe: `apply` warned of it, or `--allow-type` named it."""
    every = {event for kind in families().values() for event in kind.types_of("both")}
    for one in filters:
        yield from (event for event in known if matches(one, event))
        if not one.endswith("*") and one not in every:
            yield one
