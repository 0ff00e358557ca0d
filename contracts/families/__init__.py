"""The object families: which Stripe event types go to which topic, and what an event is about.

A family is one module in this folder with a constant `FAMILY`; a fourth family is a fourth file and nothing else.
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
    prefix: what its event types start with, with the dot: `customer_cash_balance_transaction.created` is no
        customer event.
    subject: the id of the object that an event is about, out of the event's data object; None where there is none.
        It is the record's key, so that everything about one object stays in order.
    sensitive: fields of its data objects that must be masked wherever a person looks.
    examples: data objects by event type, for the published contract.
    """

    kind: str
    prefix: str
    subject: Subject
    sensitive: tuple[str, ...] = ()
    examples: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def topic(self) -> str:
        """The topic's name without the prefix: `payment-event`."""
        return self.kind.removeprefix("stripe/")


def text(value: object) -> str | None:
    """An id as Stripe writes it: the id itself, or the expanded object that carries it."""
    if isinstance(value, Mapping):
        value = value.get("id")
    return value if isinstance(value, str) and value else None


@cache
def families() -> Mapping[str, Family]:
    """Every family of this folder by its kind."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    found = [importlib.import_module(f"{__name__}.{name}").FAMILY for name in names]
    return {family.kind: family for family in found}


def family_of(event_type: str) -> Family | None:
    """The family of an event type, known subtype or not; None for another family's event."""
    return next((family for family in families().values() if event_type.startswith(family.prefix)), None)
