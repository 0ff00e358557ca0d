"""The comparison of the four sets: each rule names what breaks it, and a world in which all is well breaks none."""

from dataclasses import replace
from typing import Any

import pytest

from stripeline.deploy.local.reconciliation import (
    DECLINED_AMOUNT,
    RULES,
    EndedCommand,
    EndState,
    Sent,
    SentCommand,
    broken_rules,
)

RUN = "evt_1:two-steps"
SENT = Sent(
    events={"evt_1": ["two-steps"], "evt_2": ["two-steps"]},
    steps={"two-steps": ("customer", "deposit")},
    events_acknowledged=frozenset({"evt_1"}),
    commands=frozenset({"cmd-1", "cmd-2"}),
    commands_acknowledged=frozenset({"cmd-1", "cmd-2"}),
    rubbish=frozenset({b"rubbish"}),
    reused=frozenset({b"reused"}),
)


def result(command: str, status: str = "succeeded", *, retryable: bool = False, revision: int = 0) -> dict[str, Any]:
    error = None if status == "succeeded" else {"retryable": retryable}
    output = {"id": f"of {command}"} if status == "succeeded" else None
    told = {"command_id": command, "status": status, "revision": revision, "error": error, "output": output}
    return told | {"action": "stripe/create-customer"}


def effect(command: str, object_id: str | None = None) -> dict[str, Any]:
    return {"command": command, "id": object_id or f"of {command}", "account": "acct_1Acme"}


def on_topic(command: str, key: bytes = b"k", *, of_a_run: bool = False) -> SentCommand:
    return SentCommand(id=command, key=key, of_a_run=of_a_run)


STEPS = [f"{RUN}:customer", f"{RUN}:deposit"]
STATE = EndState(
    events=["evt_1", "evt_1"],
    commands=[
        *(on_topic(step, b"pi_1", of_a_run=True) for step in STEPS),
        on_topic("cmd-1"),
        on_topic("cmd-2"),
        on_topic("cmd-1"),
    ],
    runs={RUN: {"status": "succeeded"}},
    results=[*(result(step) for step in STEPS), result("cmd-1"), result("cmd-2", "failed", retryable=True)],
    dead_letters=[
        EndedCommand(reason="unreadable", value=b"rubbish", command_id=None),
        EndedCommand(reason="id_reused", value=b"reused", command_id="cmd-1"),
        EndedCommand(reason="exhausted", value=b"{}", command_id="cmd-2"),
    ],
    effects=[*(effect(step) for step in STEPS), effect("cmd-1")],
)
FIRST_THREE, DEAD = STATE.results[:3], STATE.dead_letters

BROKEN: dict[str, list[tuple[Sent, EndState]]] = {
    "acknowledged events are on the topic": [(SENT, replace(STATE, events=[]))],
    "events on the topic were sent": [(SENT, replace(STATE, events=["evt_1", "evt_9"]))],
    "acknowledged commands are on the topic": [(SENT, replace(STATE, commands=STATE.commands[:3]))],
    "commands on the topic were sent": [(SENT, replace(STATE, commands=[*STATE.commands, on_topic("cmd-9")]))],
    "each event has its runs and each run its event": [
        (SENT, replace(STATE, runs={})),
        (SENT, replace(STATE, events=[])),
    ],
    "each run has ended as its results say": [
        (SENT, replace(STATE, runs={RUN: {"status": "running"}})),
        (SENT, replace(STATE, results=[result(STEPS[0]), result(STEPS[1], "failed")])),
    ],
    "each run has exactly its commands": [
        (SENT, replace(STATE, commands=STATE.commands[1:])),
        (SENT, replace(STATE, commands=[*STATE.commands, STATE.commands[0]])),
        (SENT, replace(STATE, results=[result(STEPS[0], "failed")])),
    ],
    "each command has exactly one first result": [
        (SENT, replace(STATE, results=FIRST_THREE)),
        (SENT, replace(STATE, results=[*STATE.results, result("cmd-1")])),
        (SENT, replace(STATE, results=[*FIRST_THREE, result("cmd-2", revision=1)])),
        (SENT, replace(STATE, results=[*STATE.results, result("cmd-9")])),
    ],
    "each effect has its command": [(SENT, replace(STATE, effects=[*STATE.effects, effect("cmd-9")]))],
    "what succeeded was done once": [
        (SENT, replace(STATE, effects=STATE.effects[:2])),
        (SENT, replace(STATE, effects=[*STATE.effects, effect("cmd-1", "again")])),
        (SENT, replace(STATE, effects=[*STATE.effects[:2], effect("cmd-1", "another")])),
    ],
    "what failed was not done": [(SENT, replace(STATE, effects=[*STATE.effects, effect("cmd-2")]))],
    "what is indeterminate was done at most once": [
        (SENT, replace(STATE, effects=[*STATE.effects, effect("cmd-2"), effect("cmd-2")])),
    ],
    "effects are on the account of their command": [
        (replace(SENT, accounts={"cmd-1": "acct_1Other"}), STATE),
        (replace(SENT, account_of_runs="acct_1Other"), STATE),
    ],
    "dead letters are those that must be": [
        *(
            (SENT, replace(STATE, dead_letters=[*STATE.dead_letters[:n], *STATE.dead_letters[n + 1 :]]))
            for n in range(3)
        ),
        *((SENT, replace(STATE, dead_letters=[*STATE.dead_letters, letter])) for letter in STATE.dead_letters),
        (replace(SENT, perhaps=frozenset({b"never seen"})), replace(STATE, dead_letters=STATE.dead_letters[1:])),
        (
            SENT,
            replace(
                STATE,
                dead_letters=[*DEAD, EndedCommand(reason="exhausted", value=b"", command_id="cmd-1")],
            ),
        ),
        (SENT, replace(STATE, results=[*FIRST_THREE, result("cmd-2", "failed")])),
        (SENT, replace(STATE, results=[result("cmd-1", "indeterminate"), *STATE.results[3:]])),
    ],
    "no dead letter is an internal error": [
        (SENT, replace(STATE, dead_letters=[EndedCommand(reason="internal_error", value=b"", command_id=None)])),
    ],
    "effects of a key are in the order of its commands": [
        (SENT, replace(STATE, effects=[effect("cmd-2"), effect("cmd-1")])),
    ],
}


def test_a_world_in_which_all_is_well_breaks_no_rule():
    assert [rule for rule, offenders in broken_rules(SENT, STATE).items() if offenders] == []


def test_what_perhaps_arrived_may_be_a_dead_letter():
    sent, letter = (
        replace(SENT, perhaps=frozenset({b"perhaps"})),
        EndedCommand(reason="unreadable", value=b"perhaps", command_id=None),
    )
    for dead in (STATE.dead_letters, [*STATE.dead_letters, letter]):
        assert not broken_rules(sent, replace(STATE, dead_letters=dead))["dead letters are those that must be"]


def test_a_declined_payment_that_was_looked_up_has_no_effect():
    found = result("cmd-1") | {"output": {"id": "of cmd-1", "amount": DECLINED_AMOUNT}}
    seen = replace(STATE, results=[*STATE.results[:2], found, STATE.results[3]])
    assert not broken_rules(SENT, seen)["what succeeded was done once"]
    assert not broken_rules(SENT, replace(seen, effects=STATE.effects[:2]))["what succeeded was done once"]
    twice = [*STATE.effects, effect("cmd-1", "again")]
    assert broken_rules(SENT, replace(seen, effects=twice))["what succeeded was done once"]


@pytest.mark.parametrize("rule", broken_rules(SENT, STATE))
def test_each_rule_is_broken_by_each_of_its_examples(rule: str):
    assert BROKEN[rule]
    assert all(broken_rules(sent, seen)[rule] for sent, seen in BROKEN[rule])


def test_all_rules_have_examples():
    assert len(BROKEN) == len(RULES)
