"""A type that never fires is refused or doubted; a type that is new at Stripe has a way in."""

from typing import Any

import pytest

from stripeline.contracts.definitions import Trigger
from stripeline.contracts.families import families, family_of
from stripeline.deploy.definitions.event_types import check_types

CUSTOMERS = Trigger(kind="stripe/customer-event", connection="acme")


def said(*types: str, allowed: tuple[str, ...] = (), payload: Any = None) -> list[tuple[bool, str]]:
    trigger = CUSTOMERS.model_copy(update={"payload": payload})
    return [(one.warning, one.reason) for one in check_types((), types, trigger, allowed)]


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


SNAPSHOT_ONLY = families()[CUSTOMERS.kind].snapshot_only
THIN_ONLY = families()[CUSTOMERS.kind].thin_only


@pytest.mark.parametrize(
    ("payload", "never", "other"),
    [(None, THIN_ONLY, "thin"), ("snapshot", THIN_ONLY, "thin"), ("thin", SNAPSHOT_ONLY, "snapshot"), ("both", (), "")],
)
def test_a_type_of_the_other_payload_never_fires(payload: Any, never: tuple[str, ...], other: str) -> None:
    found = {one: said(one, payload=payload) for one in families()[CUSTOMERS.kind].types_of("both")}
    assert {one for one, problems in found.items() if problems} == set(never)
    for one in never:
        ((warning, reason),) = found[one]
        assert not warning
        assert f"Stripe has it as a {other} event alone" in reason
        assert "set `payload: both`" in reason


def test_a_pattern_of_types_that_never_fire_is_refused() -> None:
    assert "never fires" in said("customer.source.*", payload="thin")[0][1]
    assert said("customer.*", "customer.subscription.*", "*", payload="thin") == []


def test_there_are_fourteen_thin_and_four_snapshot_types() -> None:
    assert (len(THIN_ONLY), len(SNAPSHOT_ONLY)) == (14, 4)
    assert all(not one.snapshot_only + one.thin_only for one in families().values() if one.kind != CUSTOMERS.kind)
