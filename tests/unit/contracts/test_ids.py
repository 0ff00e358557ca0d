"""Ids follow from an event's id, stay within their limits, and a command's fingerprint tells two commands apart."""

import pytest

from stripeline.contracts.definitions import Step, Workflow
from stripeline.contracts.ids import (  # fmt: skip
    COMMAND_ID,
    EVENT_ID,
    INSTALLATION,
    MAX_EVENT_ID,
    NAME,
    STEP,
    command_id,
    digest,
    idempotency_key,
    run_id,
)
from stripeline.contracts.records import Unreadable, parse_command

BASE = ("stripe/create-customer", "acme", {"name": "Ada", "email": "a@b.c"})


def test_run_and_command_follow_from_the_event():
    assert run_id("evt_1", "thanks") == "evt_1:thanks"
    assert command_id("evt_1:thanks", "customer") == "evt_1:thanks:customer"
    assert idempotency_key("k3v9x2", "evt_1:thanks:customer") == "stripeline:k3v9x2:evt_1:thanks:customer"


def test_the_longest_ids_stay_within_their_limits():
    event, workflow, step = "e" * MAX_EVENT_ID, "w" * 40, "s" * 24
    assert EVENT_ID.fullmatch(event)
    Workflow.model_validate({"trigger": workflow, "steps": [Step(id=step, action="a")]})
    command = command_id(run_id(event, workflow), step)
    assert (len(command), bool(COMMAND_ID.fullmatch(command))) == (194, True)
    assert INSTALLATION.fullmatch("i" * 16)
    assert len(idempotency_key("i" * 16, "c" * 200)) <= 255


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        (NAME, ["a", "0", "acme-payments", "a" * 40], ["", "-a", "A", "a_b", "a.b", "a" * 41, "a\n", "ä", "a/b"]),
        (STEP, ["a", "a_1", "a" * 24], ["", "1a", "_a", "A", "a-b", "a" * 25, "a\n"]),
        (COMMAND_ID, ["!", "~", "a:b", "c" * 200], ["", " ", "a b", "c" * 201, "é", "a\n", "\x7f"]),
        (INSTALLATION, ["a", "0", "k3v9x2", "i" * 16], ["", "A", "a-b", "i" * 17, "a\n", "é"]),
        (EVENT_ID, ["evt_1", "a.b-c", "e" * 128], ["", "evt:1", "evt 1", "e" * 129, "evt_1\n", "é"]),
    ],
)
def test_names_and_ids(pattern, good, bad):
    assert [text for text in good if not pattern.fullmatch(text)] == []
    assert [text for text in bad if pattern.fullmatch(text)] == []


def test_a_digest_does_not_depend_on_the_order_of_fields():
    action, connection, _ = BASE
    assert digest(*BASE) == digest(action, connection, {"email": "a@b.c", "name": "Ada"})
    assert len(digest(*BASE)) == 24


@pytest.mark.parametrize(
    "other",
    [
        ("stripe/other", *BASE[1:]), (BASE[0], "other", BASE[2]), (*BASE[:2], {}), (*BASE[:2], {"name": "Ada"}),
        (*BASE[:2], {**BASE[2], "phone": None}), (*BASE[:2], {"name": "Ada", "email": "A@b.c"}),
    ],
)  # fmt: skip
def test_a_fingerprint_tells_two_commands_apart(other):
    assert digest(*other) != digest(*BASE)


@pytest.mark.parametrize("number", [b"18446744073709551616", b"9" * 4_300, b"NaN", b"Infinity", b"1.5e300"])
def test_a_command_with_any_number_has_a_digest(number):
    value = b'{"command_id": "c1", "action": "a", "connection": "x", "input": {"amount": ' + number + b"}}"
    command = parse_command(value)
    assert not isinstance(command, Unreadable)
    assert digest(command.action, command.connection, command.input)
