"""What an endpoint wants at Stripe follows from its triggers and their workflows."""

from typing import Any

import pytest

from stripeline.contracts.definitions import Definitions, Endpoint, Trigger, Workflow
from stripeline.contracts.families import families
from stripeline.deploy.stripe_side.endpoints.wanted_destinations import WantedDestination, wanted_destinations

CHARGE, CUSTOMER = families()["stripe/charge-event"], families()["stripe/customer-event"]


def trigger(kind: str = "stripe/charge-event", payload: Any = None) -> Trigger:
    return Trigger(kind=kind, connection="acme", payload=payload)


def workflow(*types: str, name: str = "cards") -> Workflow:
    return Workflow(trigger=name, types=types, steps=({"id": "a", "action": "stripe/create-customer", "input": {}},))


def wanted(*flows: Workflow, endpoint: Any = None, **triggers: Trigger) -> list[WantedDestination]:
    fields = {"connection": "acme", "triggers": tuple(triggers), "url": "https://h.example/stripe/"} | (endpoint or {})
    definitions = Definitions(
        triggers=triggers, endpoints={"shop": Endpoint(**fields)},
        workflows={f"w{number}": one for number, one in enumerate(flows)},
    )  # fmt: skip
    return list(wanted_destinations(definitions)["shop"])


@pytest.mark.parametrize(
    ("flows", "events"),
    [
        ((), CHARGE.types),
        ((workflow("*"),), CHARGE.types),
        ((workflow("charge.failed"),), ("charge.failed",)),
        ((workflow("charge.failed"), workflow("charge.refund.*", "charge.captured")),
         ("charge.captured", "charge.failed", "charge.refund.updated")),
        ((workflow("charge.failed"), workflow("*")), CHARGE.types),
        ((workflow("charge.brand_new"),), ("charge.brand_new",)),
        ((workflow("charge.failed", name="other"),), CHARGE.types),
    ],
)  # fmt: skip
def test_the_types_are_those_that_workflows_ask_for(flows: tuple[Workflow, ...], events: tuple[str, ...]):
    (found,) = wanted(*flows, cards=trigger())
    assert found.events == tuple(sorted(events))


def test_each_payload_is_a_destination_of_its_own():
    snapshot, thin = wanted(workflow("charge.failed"), cards=trigger(payload="both"))
    assert (snapshot.payload, snapshot.events, snapshot.api_version) == (
        "snapshot", ("charge.failed",), "2026-06-24.dahlia",
    )  # fmt: skip
    assert (thin.payload, thin.events, thin.api_version) == ("thin", ("v1.charge.failed",), None)
    (only,) = wanted(workflow("charge.failed"), cards=trigger(payload="thin"))
    assert only.payload == "thin"


def test_types_that_one_payload_lacks_are_not_asked_of_it():
    snapshot, thin = wanted(people=trigger("stripe/customer-event", "both"))
    assert "v1.customer.source.created" not in thin.events
    assert "v1.customer.subscription.past_due" in thin.events
    assert "customer.subscription.past_due" not in snapshot.events
    only_thin = wanted(workflow("customer.source.created", name="people"), people=trigger(CUSTOMER.kind, "thin"))
    assert only_thin == []


def test_families_share_a_destination():
    (found,) = wanted(workflow("charge.failed"), cards=trigger(), people=trigger(CUSTOMER.kind))
    assert set(found.events) == {"charge.failed", *CUSTOMER.types}
    assert found.url == "https://h.example/stripe/webhooks/shop"


def test_version_and_accounts_are_the_endpoints():
    (found,) = wanted(cards=trigger(), endpoint={"connect": True, "api_version": "2025-09-30.clover"})
    assert (found.connect, found.api_version) == (True, "2025-09-30.clover")
