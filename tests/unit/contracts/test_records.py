"""What another team's command may be, and how the models read what they do not know."""

import orjson
import pytest

from stripeline.contracts.internal_records import Run
from stripeline.contracts.records import Command, Event, Result, RunRef, Unreadable, parse_command

COMMAND = {"command_id": "c1", "action": "stripe/create-customer", "connection": "acme", "input": {}}


def test_the_smallest_command():
    command = parse_command(orjson.dumps(COMMAND))
    assert command == Command(command_id="c1", action="stripe/create-customer", connection="acme", input={})
    assert (command.run, command.not_after) == (None, None)


def test_a_command_with_everything_and_a_field_of_tomorrow():
    run = {"run_id": "r", "workflow": "w", "step": "s"}
    command = parse_command(orjson.dumps({**COMMAND, "run": run, "not_after": 5, "tomorrow": True}))
    assert isinstance(command, Command)
    assert (command.run, command.not_after) == (RunRef(run_id="r", workflow="w", step="s"), 5)
    assert "tomorrow" not in command.model_dump()


@pytest.mark.parametrize(
    ("change", "names"),
    [
        *(({name: None}, name) for name in COMMAND),
        *(({"command_id": wrong}, "command_id") for wrong in ("", "a b", "a\n", "é", "c" * 201, 5)),
        ({"action": ""}, "action"), ({"action": "a" * 101}, "action"), ({"connection": ""}, "connection"),
        ({"connection": "c" * 101}, "connection"), ({"input": []}, "input"), ({"input": "{}"}, "input"),
        ({"run": {"run_id": "r"}}, "run.workflow"), ({"run": "r"}, "run"), ({"not_after": -1}, "not_after"),
        ({"not_after": "soon"}, "not_after"),
    ],
)  # fmt: skip
def test_a_command_that_is_none_names_its_field(change, names):
    found = parse_command(orjson.dumps({**COMMAND, **change}))
    assert isinstance(found, Unreadable)
    assert f"{names}: " in found.reason


@pytest.mark.parametrize(
    "value", [None, b"", b"{", b"[]", b"null", b"\xff\xfe", b'"{}"', b'{"a":' * 300 + b"1" + b"}" * 300]
)
def test_bytes_that_are_no_command(value):
    assert isinstance(parse_command(value), Unreadable)


def test_a_reason_shows_no_value():
    found = parse_command(
        orjson.dumps({**COMMAND, "command_id": "sk live x", "input": "sk live x", "run": "sk live x"})
    )
    assert isinstance(found, Unreadable)
    assert "sk live x" not in found.reason


def test_the_published_models_are_the_contract_word_for_word():
    fields = {model.__name__: set(model.model_fields) for model in (Event, Command, Result)}
    fields["Run"] = set(Run.__struct_encode_fields__)
    assert fields == {
        "Event": {
            "id", "type", "api_version", "created", "livemode", "data", "request", "previous_attributes", "account",
            "context",
        },
        "Command": {
            "command_id", "action", "connection", "input", "account", "run", "livemode", "chain", "hops", "not_after",
            "supersedes",
        },
        "Result": {
            "account",
            "command_id", "revision", "action", "connection", "status", "output", "error", "attempts", "started_at",
            "finished_at", "run",
        },
        "Run": {
            "run", "workflow", "trigger", "event", "event_type", "status", "step", "error", "steps", "started_at",
            "finished_at", "definition", "context", "account", "connection", "key", "note", "chain", "hops",
            "erased_at",
        },
    }  # fmt: skip
    assert {name for name, field in Event.model_fields.items() if field.is_required()} == {
        "id", "type", "created", "data",
    }  # fmt: skip
