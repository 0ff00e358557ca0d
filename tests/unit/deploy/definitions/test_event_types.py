"""A type that never fires is refused or doubted; a type that is new at Stripe has a way in."""

import pytest

from stripeline.contracts.definitions import Trigger
from stripeline.contracts.families import families, family_of
from stripeline.deploy.definitions.event_types import check_types

CUSTOMERS = Trigger(kind="stripe/customer-event", connection="acme")


def said(*types: str, allowed: tuple[str, ...] = ()) -> list[tuple[bool, str]]:
    return [(one.warning, one.reason) for one in check_types((), types, CUSTOMERS, allowed)]


@pytest.mark.parametrize("family", families().values(), ids=lambda one: one.kind)
def test_every_known_type_is_of_its_family(family) -> None:
    assert family.types
    assert all(family_of(one) is family for one in family.types)


def test_every_known_type_and_prefix_is_taken() -> None:
    assert said("*", "customer.*", "customer.subscription.*", *families()[CUSTOMERS.kind].types) == []


def test_a_misspelled_type_is_refused_unless_it_is_allowed() -> None:  # case O5
    ((warning, reason),) = said("customer.craeted")
    assert (warning, "did you mean customer.created?" in reason) == (False, True)
    assert "--allow-type 'customer.craeted'" in reason
    assert said("customer.craeted", allowed=("customer.craeted",)) == []


def test_a_type_that_is_like_none_is_taken_with_a_warning() -> None:
    ((warning, reason),) = said("customer.tax_exemption.granted")
    assert (warning, "if it is not new at Stripe, it never fires" in reason) == (True, True)


def test_a_type_of_another_family_names_its_trigger() -> None:
    assert "a trigger of the kind stripe/charge-event has that type" in said("charge.failed")[0][1]
    assert said("invoice.paid") == [
        (False, "'invoice.paid' never fires: the trigger is stripe/customer-event, whose types start with customer.")
    ]
