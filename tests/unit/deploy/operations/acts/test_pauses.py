"""What pausing and resuming a connection writes."""

import orjson
import pytest

from stripeline.contracts.definitions import Connection, Definitions, parse_definition
from stripeline.contracts.operator.control_records import KeyRefusal, Pause
from stripeline.deploy.definitions.definition_rows import connection_rows
from stripeline.deploy.failure import FailureError
from stripeline.deploy.operations.acts import pauses
from stripeline.deploy.operations.acts.audit import Signed

ACME = Connection(secret_key="sealed:x", mode="test", hint="sk_test_…")
SIGNED = Signed(by="ada", why="the client asked", at_ms=5_000)
HELD = Pause(by="bob", why="audit", at_ms=1_000)


def refused(name="acme", key_name=ACME.key_name):
    return {name: KeyRefusal(key_name=key_name, since_ms=1_000)}


def stored(**facts):
    return Definitions(connections={"acme": ACME}, **facts)


def written(changes):
    for key, value in changes.items():
        assert value is None or parse_definition(key, value)
    return {key: value and orjson.loads(value) for key, value in changes.items()}


def test_a_pause_is_a_record_that_says_who_and_why():
    assert written(pauses.pause(stored(), "acme", SIGNED)) == {
        "pause/connection/acme": {"by": "ada", "why": "the client asked", "at": 5_000}
    }


def test_what_is_paused_is_not_paused_twice():
    with pytest.raises(FailureError, match="paused already, by bob: audit"):
        pauses.pause(stored(pauses={"connection/acme": HELD}), "acme", SIGNED)


@pytest.mark.parametrize("act", [pauses.pause, pauses.resume])
def test_an_unknown_connection_is_neither_paused_nor_resumed(act):
    with pytest.raises(FailureError, match="There is acme"):
        act(stored(), "other", SIGNED)


@pytest.mark.parametrize(
    ("facts", "changes"),
    [
        ({"pauses": {"connection/acme": HELD}}, {"pause/connection/acme"}),
        ({"key_refusals": refused()}, {"probe/acme"}),
        ({"key_refusals": refused("acme/acct_1")}, {"probe/acme"}),
        ({"pauses": {"connection/acme": HELD}, "key_refusals": refused()}, {"pause/connection/acme", "probe/acme"}),
    ],
)
def test_a_resume_ends_a_pause_and_tries_a_refused_key(facts, changes):
    made = written(pauses.resume(stored(**facts), "acme", SIGNED))
    assert set(made) == changes
    assert made.get("pause/connection/acme") is None
    assert made.get("probe/acme") in (None, {"by": "ada", "at": 5_000})


def test_resuming_what_its_limit_paused_lets_it_count_again():
    held = Pause(by="stripeline", why="500 effects an hour", at_ms=1_000)
    made = written(pauses.resume(stored(pauses={"connection/acme": held}), "acme", SIGNED))
    assert list(made.items()) == [  # in this order: nothing may pass with the former count, and be paused again
        ("brake/connection/acme", {"by": "ada", "at": 5_000}),
        ("pause/connection/acme", None),
    ]


@pytest.mark.parametrize("facts", [{}, {"key_refusals": refused(key_name="former")}])
def test_what_is_not_paused_is_not_resumed(facts):
    with pytest.raises(FailureError, match="is not paused"):
        pauses.resume(stored(**facts), "acme", SIGNED)


@pytest.mark.parametrize(
    ("facts", "state", "accounts"),
    [
        ({}, "sealed", []),
        ({"pauses": {"connection/acme": HELD}}, "paused by bob at 1970-01-01T00:00:01.000Z: audit", []),
        ({"key_refusals": refused()}, "paused: Stripe refused its key at 1970-01-01T00:00:01.000Z", []),
        ({"key_refusals": refused("acme/acct_1")}, "sealed", ["acct_1"]),
        ({"key_refusals": refused("acme/acct_1", "former")}, "sealed", []),
    ],
)
def test_a_connection_shows_its_pause_and_why(facts, state, accounts):
    (row,) = connection_rows(stored(**facts), None)
    assert row["state"].startswith(state)
    assert row["paused_accounts"] == accounts
