"""Which customers an event or a run is about. Pure."""

from collections.abc import Iterator, Mapping

from stripeline.contracts.families import text
from stripeline.contracts.internal_records import Run


def customer_of(data: object) -> str | None:
    """The customer that an object of Stripe's is, or belongs to."""
    if not isinstance(data, Mapping):
        return None
    return text(data) if data.get("object") == "customer" else text(data.get("customer"))


def customers_of(run: Run) -> frozenset[str]:
    """The customer of its event, which a succeeded run forgets, and those of what its steps made or found."""
    return frozenset(_named(run))


def _named(run: Run) -> Iterator[str]:
    for data in ((run.context or {}).get("data"), *(step.output for step in run.steps)):
        if (customer := customer_of(data)) is not None:
            yield customer
