"""What a workflow's steps are now beside those that a run has."""

from typing import Any

from msgspec.structs import replace

from stripeline.contracts.internal_records import StepDefinition
from stripeline.deploy.console.details.step_changes import StepChange, step_changes

PAY = StepDefinition(id="pay", action="stripe/create-payment-intent", connection="acme", input={"amount": 100})
THANK = StepDefinition(id="thank", action="stripe/create-customer", connection="acme", input={})


def changed(then: list[StepDefinition], now: list[StepDefinition]) -> list[tuple[str, str, Any, Any]]:
    return [(one.step, one.field, one.before, one.after) for one in step_changes(then, now)]


def test_equal_steps_have_no_changes() -> None:
    assert step_changes([PAY, THANK], [PAY, THANK]) == []


def test_each_field_that_differs_is_named() -> None:
    now = replace(PAY, input={"amount": 200, "currency": "eur"}, account="acct_1")
    assert changed([PAY], [now]) == [
        ("pay", "input.amount", 100, 200),
        ("pay", "account", None, "acct_1"),
        ("pay", "input.currency", None, "eur"),
    ]


def test_a_step_that_is_gone_or_new_is_named() -> None:
    assert StepChange(step="thank", field="action", before="stripe/create-customer") in step_changes(
        [PAY, THANK], [PAY]
    )
    assert StepChange(step="thank", field="action", after="stripe/create-customer") in step_changes([PAY], [PAY, THANK])


def test_another_order_is_named() -> None:
    assert changed([PAY, THANK], [THANK, PAY]) == [("all", "order", "pay, thank", "thank, pay")]
