"""The object families: the topic and the record key of each Stripe event type.

A family is one module in this folder with a constant `FAMILY`. A new family is one new file.
Event types: https://docs.stripe.com/api/events/types
"""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

Subject = Callable[[Mapping[str, Any]], str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One object family.

    kind: the trigger's key, `stripe/payment-event`.
    prefix: the prefix of its event types, including the dot, since `customer_cash_balance_transaction.created` belongs
        to another family.
    subject: finds the id of the object that an event is about in the event's data object; None if there is none. It
        is the record's key, so that all events of one object stay in order.
    types: those that Stripe has, as the `enabled_events` of a webhook endpoint list them in version 16.1.0 of its SDK
        for Python. Stripe adds types: an event of another one is published all the same.
    snapshot_only: those of them that no thin event has.
    thin_only: those that only thin events have, without their `v1.`: Stripe has no snapshot of them.
    sensitive: fields of its data objects that are masked in everything shown to people.
    examples: data objects by event type, for the published contract.
    """

    kind: str
    prefix: str
    subject: Subject
    types: tuple[str, ...] = ()
    snapshot_only: tuple[str, ...] = ()
    thin_only: tuple[str, ...] = ()
    sensitive: tuple[str, ...] = ()
    examples: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def topic(self) -> str:
        """The topic's name without the prefix: `payment-event`."""
        return self.kind.removeprefix("stripe/")

    @property
    def object(self) -> str:
        """The `object` of what the family is about, such as `customer`."""
        return self.prefix.removesuffix(".")

    def types_of(self, payload: str) -> tuple[str, ...]:
        """The types that a trigger with this `payload` gets: `snapshot`, `thin` or `both`."""
        thin = (*(known for known in self.types if known not in self.snapshot_only), *self.thin_only)
        return {"snapshot": self.types, "thin": thin, "both": (*self.types, *self.thin_only)}[payload]

    def subject_in(self, path: str) -> str | None:
        """The id of what the family is about in the path of an object of Stripe's API; None where it names none."""
        parts = path.split("/")
        collection = f"{self.object}s"
        found = parts[parts.index(collection) + 1 :] if collection in parts else []
        return found[0] or None if found else None


def text(value: object) -> str | None:
    """An id in either form that Stripe sends: the id itself, or an expanded object with that id."""
    if isinstance(value, str):
        return value or None
    found = value.get("id") if isinstance(value, Mapping) else None
    return found if isinstance(found, str) and found else None


@cache
def families() -> Mapping[str, Family]:
    """All families of this folder, by kind."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    found = [importlib.import_module(f"{__name__}.{name}").FAMILY for name in names]
    return {family.kind: family for family in found}


def family_of(event_type: str) -> Family | None:
    """The family of an event type, even of an unknown subtype; None if it belongs to no family here."""
    return next((family for family in families().values() if event_type.startswith(family.prefix)), None)
