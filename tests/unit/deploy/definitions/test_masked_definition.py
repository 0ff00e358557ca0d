"""What is recorded of a definition: every field is a decision, and no secret is in it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripeline.contracts.definitions import KINDS, AnyDefinition, Connection, Step, Trigger, Workflow
from stripeline.contracts.limits import HourlyLimits
from stripeline.deploy.definitions.masked_definition import NAMED, SHOWN, masked_definition

# No hexadecimal digits alone: a name of a secret may hold those.
SECRETS = st.text(min_size=8).filter(lambda text: not set(text) <= set("0123456789abcdef"))
KEYS = st.from_regex(r"\A(sk|rk)_(live|test)_[A-Za-z0-9]{16,40}\Z")


def text_of(definition: AnyDefinition) -> str:
    return json.dumps(masked_definition(definition), ensure_ascii=False)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_field_is_shown_or_named(kind: str) -> None:
    """A new field is a decision: nothing is recorded because somebody forgot it."""
    model = KINDS[kind]
    assert SHOWN[model.__name__] | NAMED[model.__name__] == set(model.model_fields)
    assert not SHOWN[model.__name__] & NAMED[model.__name__]


@given(secret=SECRETS)
def test_no_sealed_secret_is_recorded(secret: str) -> None:
    sealed = f"sealed:v1:{secret}"
    connection = Connection(secret_key=sealed, mode="live", hint="sk_live_…4711", key_name_kept=None)
    trigger = Trigger(kind="stripe/payment-event", connection="acme", mode="live", signing_secrets=(sealed, sealed))
    for definition in (connection, trigger):
        recorded = json.loads(text_of(definition))
        texts = [one for one in _texts(recorded) if secret in one]
        assert texts == [] or all(secret in known for known in ("sk_live_…4711", "stripe/payment-event"))
        assert "sealed:" not in text_of(definition)


def _texts(value: Any) -> list[str]:
    match value:
        case dict():
            return [text for held in value.values() for text in _texts(held)]
        case list():
            return [text for held in value for text in _texts(held)]
        case str():
            return [value]
        case _:
            return []


@given(key=KEYS, before=st.text(alphabet=" =\"'(,", max_size=5))
def test_a_key_that_was_pasted_into_a_workflow_is_masked(key: str, before: str) -> None:
    step = Step(
        id="a", action="stripe/create-customer", input={"name": before + key, "metadata": {"x": [before + key]}}
    )
    workflow = Workflow(trigger="pay", where=f"data.description == '{key}'", steps=(step,))
    assert key not in text_of(workflow)


def test_a_replaced_secret_has_another_name() -> None:
    old, new = (Connection(secret_key=f"sealed:{one}", mode="test", hint="sk_test_…wxyz") for one in "ab")
    assert masked_definition(old)["key"] != masked_definition(new)["key"]
    assert masked_definition(old) | {"key": ""} == masked_definition(new) | {"key": ""}


def test_what_a_person_wrote_is_recorded() -> None:
    step = Step(id="a", action="stripe/create-customer", account="self", input={"email": "=data.receipt_email"})
    workflow = Workflow(trigger="pay", types=("payment_intent.*",), steps=(step,), limit="10/h", owner="team-a")
    assert masked_definition(workflow) == {
        "trigger": "pay", "types": ["payment_intent.*"], "limit": "10/h", "owner": "team-a",
        "steps": [
            {
                "id": "a", "action": "stripe/create-customer", "account": "self",
                "input": {"email": "=data.receipt_email"},
            }
        ],
    }  # fmt: skip
    connection = Connection(
        secret_key="sealed:x", mode="test", hint="sk_test_…wxyz", limits=HourlyLimits(effects_per_hour=5)
    )
    assert masked_definition(connection)["limits"] == {"effects_per_hour": 5}
