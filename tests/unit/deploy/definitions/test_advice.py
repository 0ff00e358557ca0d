"""What `apply` says about a workflow that is no error."""

import re

import pytest

from stripeline.contracts.definitions import Trigger, Workflow
from stripeline.deploy.definitions.advice import advice
from stripeline.deploy.definitions.problems import dotted
from stripeline.workers.router.expressions import compile_error

CUSTOMERS = Trigger(kind="stripe/customer-event", connection="acme")
PAYMENTS = Trigger(kind="stripe/payment-event", connection="acme")


def said(action: str = "stripe/retrieve-charge", trigger: Trigger = CUSTOMERS, **fields) -> list[str]:
    step = {"id": "make", "action": action, "input": fields.pop("input", {})}
    workflow = Workflow.model_validate({"trigger": "t", "steps": [step], **fields})
    return [f"{dotted(one.place)}: {one.reason}" for one in advice({"w": workflow}, {"t": trigger})]


@pytest.mark.parametrize(
    "types", [["customer.created"], ["*"], ["customer.*"], ["customer.updated", "customer.created"]]
)
def test_an_action_that_makes_what_starts_the_workflow(types: list[str]) -> None:  # case G13
    (words,) = said("stripe/create-customer", types=types)
    assert words.startswith("workflows.w.steps[0]: step make makes what customer.created is about")


@pytest.mark.parametrize(
    ("action", "trigger", "types"),
    [
        ("stripe/create-customer", CUSTOMERS, ["customer.updated"]),
        ("stripe/create-customer", PAYMENTS, ["*"]),
        ("stripe/create-payment-intent", PAYMENTS, ["payment_intent.succeeded"]),
        ("stripe/retrieve-charge", CUSTOMERS, ["*"]),
        ("acme/unknown", CUSTOMERS, ["*"]),
    ],
)
def test_an_action_that_makes_something_else(action: str, trigger: Trigger, types: list[str]) -> None:
    assert said(action, trigger, types=types) == []


@pytest.mark.parametrize(
    ("where", "path", "guard"),
    [
        ("data.metadata.order_id != ''", "data.metadata.order_id", "has(data.metadata.order_id)"),
        ("'' != data.metadata.order_id", "data.metadata.order_id", "has(data.metadata.order_id)"),
        ("!(data.metadata.a == 'x')", "data.metadata.a", "has(data.metadata.a)"),
        ("!(data.metadata.a == '(')", "data.metadata.a", "has(data.metadata.a)"),
        ("!data.live", "data.live", "has(data.live)"),
        ("data.live == false", "data.live", "has(data.live)"),
        ("false == data.live", "data.live", "has(data.live)"),
        ("data.items[0] != 'x'", "data.items[0]", "size(data.items) > 0"),
        ("data.metadata['a b'] != 'x'", "data.metadata['a b']", "'a b' in data.metadata"),
        ("!(!(data.a.b == 1))", "data.a.b", "has(data.a.b)"),
        ("previous_attributes.amount != 5", "previous_attributes.amount", "has(previous_attributes.amount)"),
    ],
)
def test_a_negation_over_what_may_be_missing(where: str, path: str, guard: str) -> None:  # case G11
    (words,) = said(where=where)
    assert words.startswith(f"workflows.w.where: an event without {path} does not start it, although it negates;")
    forms = re.findall(r'"(.+?)"', words)
    assert forms == [f"{guard} && ({where})", f"!({guard}) || ({where})"]
    for form in forms:
        assert compile_error(form) is None
        assert [more for more in said(where=form) if f"without {path} does" in more and "has(" in guard] == []


@pytest.mark.parametrize(
    "where",
    [
        "data.amount >= 5000",
        "data.metadata.order_id == 'x'",
        "has(data.metadata.order_id) && data.metadata.order_id != ''",
        "!has(data.metadata.order_id)",
        "data.customer != null",
        "null != data.customer",
        "type != 'x'",
        "data.text == 'data.metadata.x != 5'",
        "request != null",
    ],
)
def test_what_needs_no_guard(where: str) -> None:
    assert said(where=where) == []


def test_fractions_of_amounts_lose_cents() -> None:  # case G06
    given = {"amount": "=int(double(data.amount) * 0.29)", "currency": "eur"}
    (words,) = said("stripe/create-payment-intent", input=given)
    assert words == (
        "workflows.w.steps[0].input.amount: a fraction like 0.29 loses cents:"
        " write data.amount * 29 / 100, which is exact"
    )


def test_a_workflow_of_an_unknown_trigger_is_judged_without_it() -> None:
    workflow = Workflow.model_validate(
        {"trigger": "new", "steps": [{"id": "a", "action": "stripe/create-customer", "input": {}}]}
    )
    assert len(list(advice({"w": workflow}, {"new": CUSTOMERS}))) == 1
    assert list(advice({"w": workflow}, {})) == []
