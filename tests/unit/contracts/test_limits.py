"""HourlyLimits in a definition: what is accepted, and the error of a wrong one."""

import pytest
from pydantic import ValidationError

from stripeline.contracts.definitions import Connection, Definitions, Workflow, parse_definition
from stripeline.contracts.limits import HourlyLimits, runs_per_hour
from stripeline.contracts.operator.control_records import BrakeRelease

SEALED = {"secret_key": "sealed:v1:k:1", "mode": "test", "hint": "sk_test_…1234"}
STEP = {"id": "one", "action": "stripe/create-customer"}


def test_limits_of_effects_and_amounts_are_read() -> None:
    read = Connection.model_validate(
        SEALED | {"limits": {"effects_per_hour": 500, "amount": {"eur": 500_000}}, "commands": "own"}
    )
    assert read.limits == HourlyLimits(effects_per_hour=500, amount={"eur": 500_000})
    assert (read.commands, Connection.model_validate(SEALED).commands) == ("own", None)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({}, "it limits nothing"),
        ({"amount": {}}, "it limits nothing"),
        ({"effects_per_hour": 0}, "write a whole number, 1 at least"),
        ({"effects_per_hour": True}, "write a whole number, 1 at least"),
        ({"effects_per_hour": "500"}, "write a whole number, 1 at least"),
        ({"amount": 500}, "write an amount for each currency, like {eur: 500000}"),
        ({"amount": {"EUR": 500}}, "'EUR' is no currency: write three lower-case letters, like eur"),
        ({"amount": {1: 500}}, "1 is no currency"),
        ({"amount": {"eur": 50.5}}, "eur: write a whole number of the currency's smallest unit"),
        ({"amount": {"eur": 0}}, "eur: write a whole number of the currency's smallest unit"),
        ({"amount": {"eur": True}}, "eur: write a whole number of the currency's smallest unit"),
        ({"effects": 500}, "it limits nothing"),
    ],
)
def test_a_wrong_limit_is_told_what_to_write(written: dict, said: str) -> None:
    with pytest.raises(ValidationError) as failed:
        HourlyLimits.model_validate(written)
    assert said in str(failed.value)


@pytest.mark.parametrize("wrong", [1000, "1000", "0/h", "1000/d", "-1/h", "many/h"])
def test_a_workflow_limit_is_runs_an_hour(wrong: object) -> None:
    with pytest.raises(ValidationError, match="write a number of runs an hour, like 1000/h"):
        Workflow.model_validate({"trigger": "pay", "steps": [STEP], "limit": wrong})
    limited = Workflow.model_validate({"trigger": "pay", "steps": [STEP], "limit": "1000/h"})
    free = Workflow.model_validate({"trigger": "pay", "steps": [STEP], "limit": None})
    assert [runs_per_hour(one.limit) for one in (limited, free)] == [1000, None]


@pytest.mark.parametrize("kind", ["connection", "workflow"])
def test_a_release_has_a_control_key_of_its_own(kind: str) -> None:
    read = parse_definition(f"brake/{kind}/acme", b'{"by":"ada","at":1000}')
    assert Definitions.of({f"brake/{kind}/acme": read}).releases == {f"{kind}/acme": BrakeRelease(by="ada", at_ms=1000)}
    with pytest.raises(ValueError, match="not a control key"):
        parse_definition("brake/trigger/acme", b"{}")
