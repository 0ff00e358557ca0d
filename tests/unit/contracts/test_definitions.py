"""Definitions survive their way over the control topic; what is none is refused without showing its value."""

import pytest

from stripeline.contracts.definition_fields import Rate
from stripeline.contracts.definitions import (
    AnyDefinition,
    Connection,
    Definitions,
    Step,
    Trigger,
    Workflow,
    encode_definition,
    parse_definition,
)
from stripeline.contracts.internal_records import encode
from stripeline.contracts.operator.control_keys import name_of
from stripeline.contracts.operator.control_records import BatchSkip, KeyRefusal, Pause
from stripeline.contracts.type_filters import matches

CONNECTION = Connection(secret_key="sealed:v1:a:b", mode="test", hint="sk_test_…1234", rate=Rate(account=100))
TRIGGER = Trigger(kind="stripe/payment-event", connection="acme", mode="test", signing_secrets=("sealed:v1:a:c",))
WORKFLOW = Workflow(trigger="pay", steps=(Step(id="one", action="stripe/create-customer", input={"name": None}),))


@pytest.mark.parametrize(
    ("key", "definition"),
    [("connection/acme", CONNECTION), ("trigger/pay", TRIGGER), ("workflow/flow", WORKFLOW)],
)
def test_comes_back_as_it_was_written(key: str, definition: AnyDefinition) -> None:
    written = encode_definition(definition)
    assert encode_definition(parse_definition(key, written)) == written


def test_a_reader_ignores_fields_of_a_newer_version() -> None:
    newer = b'{"trigger":"pay","later":"9","steps":[{"id":"one","action":"stripe/create-customer","new":1}]}'
    assert parse_definition("workflow/flow", newer) == Workflow(
        trigger="pay", steps=(Step(id="one", action="stripe/create-customer"),)
    )


def test_a_refused_key_is_a_control_record() -> None:
    refusal = KeyRefusal(key_name="k", since_ms=5)
    assert parse_definition("state/acme", encode(refusal)) == refusal
    with pytest.raises(ValueError, match="since"):
        parse_definition("state/acme", b'{"refused_key": "k", "since": "five"}')


def test_an_input_that_is_null_stays_one() -> None:
    parsed = parse_definition("workflow/flow", encode_definition(WORKFLOW))
    assert parsed == WORKFLOW


@pytest.mark.parametrize("key", ["", "connection", "connection/", "connection/A", "thing/acme", "connection/a/b"])
def test_refuses_a_key_that_is_none(key: str) -> None:
    with pytest.raises(ValueError, match="not a control key"):
        parse_definition(key, b"{}")


def test_refuses_a_value_without_showing_it() -> None:
    with pytest.raises(ValueError, match="secret_key") as caught:
        parse_definition("connection/acme", b'{"secret_key": "sk_live_inclear", "mode": "test", "hint": "x"}')
    assert "inclear" not in str(caught.value)


def test_definitions_go_by_kind_and_name() -> None:
    by_key: dict[str, AnyDefinition] = {"workflow/f": WORKFLOW, "trigger/pay": TRIGGER, "connection/acme": CONNECTION}
    stored = Definitions.of(by_key)
    assert stored.connections == {"acme": CONNECTION}
    assert list(stored.by_key()) == ["connection/acme", "trigger/pay", "workflow/f"]
    assert name_of("connection/acme") == "acme"


def test_refuses_a_trigger_of_no_family_and_steps_of_one_id() -> None:
    with pytest.raises(ValueError, match="no trigger: choose one of stripe/charge-event"):
        Trigger(kind="stripe/payout-event", connection="acme")
    step = WORKFLOW.steps[0]
    with pytest.raises(ValueError, match="an id of its own"):
        Workflow(trigger="pay", steps=(step, step))
    with pytest.raises(ValueError, match="no type filter"):
        Workflow(trigger="pay", types=("charge*",), steps=(step,))


@pytest.mark.parametrize(
    ("type_filter", "event_type", "passes"),
    [
        ("*", "charge.failed", True),
        ("charge.*", "charge.dispute.created", True),
        ("charge.dispute.*", "charge.disputed", False),
        ("charge.failed", "charge.failed", True),
        ("charge.failed", "charge.failed.twice", False),
    ],
)
def test_a_type_filter_is_exact_or_a_prefix_with_its_dot(type_filter: str, event_type: str, passes: bool) -> None:
    assert matches(type_filter, event_type) is passes
    flow = Workflow(trigger="pay", types=(type_filter,), steps=WORKFLOW.steps)
    assert flow.wants(event_type) is passes


def test_a_skip_is_read_under_the_place_of_its_batch() -> None:
    skip = BatchSkip(first=4, last=9, digest="8c1f", by="ada", why="a disk failed", at_ms=5)
    assert parse_definition("skip/stripe.action-command/3", encode(skip)) == skip
    with pytest.raises(ValueError, match="is not a control key"):
        parse_definition("skip/stripe.action-command", encode(skip))


def test_a_connection_is_held_by_a_pause_or_a_refused_key() -> None:
    """A workflow's pause holds none, nor does one account that Stripe refuses, or a key that was replaced."""
    pause = Pause(by="ada", why="w", at_ms=1)
    refusal = KeyRefusal(key_name=CONNECTION.key_name, since_ms=1)
    found = Definitions(
        connections=dict.fromkeys(("a", "b", "c", "d"), CONNECTION),
        pauses={"connection/a": pause, "workflow/d": pause},
        key_refusals={"b": refusal, "c/acct_1": refusal, "d": KeyRefusal(key_name="former", since_ms=1)},
    )
    assert found.held() == {"a", "b"}
