"""The checker of the fault suite: each rule names what breaks it, and a world in which all is well breaks none."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.faults.collect import kafkas_own_faults
from tests.faults.report import Report
from tests.faults.samples import Trend
from tests.faults.sets import DECLINED_AMOUNT, RULES, Dead, OnTopic, Seen, Sent, broken_rules

RUN = "evt_1:two-steps"
SENT = Sent(
    events=frozenset({"evt_1", "evt_2"}),
    events_acknowledged=frozenset({"evt_1"}),
    commands={"cmd-1": "stripe/create-customer", "cmd-2": "stripe/create-customer"},
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
    return {"command": command, "id": object_id or f"of {command}"}


def on_topic(command: str, key: bytes = b"k", *, of_a_run: bool = False, at: int = 0) -> OnTopic:
    return OnTopic(id=command, key=key, place=(0, at), of_a_run=of_a_run)


STEPS = [f"{RUN}:customer", f"{RUN}:deposit"]
SEEN = Seen(
    events=["evt_1", "evt_1"],
    commands=[
        *(on_topic(step, b"pi_1", of_a_run=True) for step in STEPS),
        on_topic("cmd-1"),
        on_topic("cmd-2"),
        on_topic("cmd-1"),
    ],
    runs={RUN: {"status": "succeeded"}},
    results=[*(result(step) for step in STEPS), result("cmd-1"), result("cmd-2", "failed", retryable=True)],
    dead=[
        Dead(reason="unreadable", value=b"rubbish", command_id=None),
        Dead(reason="id_reused", value=b"reused", command_id="cmd-1"),
        Dead(reason="exhausted", value=b"{}", command_id="cmd-2"),
    ],
    effects=[*(effect(step) for step in STEPS), effect("cmd-1")],
)
FIRST_THREE = SEEN.results[:3]

BROKEN: dict[str, list[tuple[Sent, Seen]]] = {
    "acknowledged events are on the topic": [(SENT, replace(SEEN, events=[]))],
    "events on the topic were sent": [(SENT, replace(SEEN, events=["evt_1", "evt_9"]))],
    "acknowledged commands are on the topic": [(SENT, replace(SEEN, commands=SEEN.commands[:3]))],
    "commands on the topic were sent": [(SENT, replace(SEEN, commands=[*SEEN.commands, on_topic("cmd-9")]))],
    "each event has one run and each run its event": [
        (SENT, replace(SEEN, runs={})),
        (SENT, replace(SEEN, events=[])),
    ],
    "each run has ended as its results say": [
        (SENT, replace(SEEN, runs={RUN: {"status": "running"}})),
        (SENT, replace(SEEN, results=[result(STEPS[0]), result(STEPS[1], "failed")])),
    ],
    "each run has exactly its commands": [
        (SENT, replace(SEEN, commands=SEEN.commands[1:])),
        (SENT, replace(SEEN, commands=[*SEEN.commands, SEEN.commands[0]])),
        (SENT, replace(SEEN, results=[result(STEPS[0], "failed")])),
    ],
    "each command has exactly one first result": [
        (SENT, replace(SEEN, results=FIRST_THREE)),
        (SENT, replace(SEEN, results=[*SEEN.results, result("cmd-1")])),
        (SENT, replace(SEEN, results=[*FIRST_THREE, result("cmd-2", revision=1)])),
        (SENT, replace(SEEN, results=[*SEEN.results, result("cmd-9")])),
    ],
    "each effect has its command": [(SENT, replace(SEEN, effects=[*SEEN.effects, effect("cmd-9")]))],
    "what succeeded was done once": [
        (SENT, replace(SEEN, effects=SEEN.effects[:2])),
        (SENT, replace(SEEN, effects=[*SEEN.effects, effect("cmd-1", "again")])),
        (SENT, replace(SEEN, effects=[*SEEN.effects[:2], effect("cmd-1", "another")])),
    ],
    "what failed was not done": [(SENT, replace(SEEN, effects=[*SEEN.effects, effect("cmd-2")]))],
    "what is indeterminate was done at most once": [
        (SENT, replace(SEEN, effects=[*SEEN.effects, effect("cmd-2"), effect("cmd-2")])),
    ],
    "dead letters are those that must be": [
        *((SENT, replace(SEEN, dead=[*SEEN.dead[:n], *SEEN.dead[n + 1 :]])) for n in range(3)),
        *((SENT, replace(SEEN, dead=[*SEEN.dead, letter])) for letter in SEEN.dead),
        (replace(SENT, perhaps=frozenset({b"never seen"})), replace(SEEN, dead=SEEN.dead[1:])),
        (SENT, replace(SEEN, dead=[*SEEN.dead, Dead(reason="exhausted", value=b"", command_id="cmd-1")])),
        (SENT, replace(SEEN, results=[*FIRST_THREE, result("cmd-2", "failed")])),
        (SENT, replace(SEEN, results=[result("cmd-1", "indeterminate"), *SEEN.results[3:]])),
    ],
    "no dead letter is a fault of ours": [
        (SENT, replace(SEEN, dead=[Dead(reason="internal_error", value=b"", command_id=None)])),
    ],
    "effects of a key are in the order of its commands": [
        (SENT, replace(SEEN, effects=[effect("cmd-2"), effect("cmd-1")])),
    ],
}


def test_a_world_in_which_all_is_well_breaks_no_rule():
    assert [rule for rule, offenders in broken_rules(SENT, SEEN).items() if offenders] == []


def test_what_may_be_on_the_topic_may_be_a_dead_letter_and_need_not():
    sent, letter = (
        replace(SENT, perhaps=frozenset({b"perhaps"})),
        Dead(reason="unreadable", value=b"perhaps", command_id=None),
    )
    for dead in (SEEN.dead, [*SEEN.dead, letter]):
        assert not broken_rules(sent, replace(SEEN, dead=dead))["dead letters are those that must be"]


def test_a_declined_payment_that_was_looked_up_has_no_effect():
    found = result("cmd-1") | {"output": {"id": "of cmd-1", "amount": DECLINED_AMOUNT}}
    seen = replace(SEEN, results=[*SEEN.results[:2], found, SEEN.results[3]])
    assert not broken_rules(SENT, seen)["what succeeded was done once"]
    assert not broken_rules(SENT, replace(seen, effects=SEEN.effects[:2]))["what succeeded was done once"]
    twice = [*SEEN.effects, effect("cmd-1", "again")]
    assert broken_rules(SENT, replace(seen, effects=twice))["what succeeded was done once"]


@pytest.mark.parametrize("rule", broken_rules(SENT, SEEN))
def test_each_rule_is_broken_by_each_of_its_examples(rule: str):
    assert BROKEN[rule]
    assert all(broken_rules(sent, seen)[rule] for sent, seen in BROKEN[rule])


def test_all_rules_have_examples():
    assert len(BROKEN) == len(RULES)


def test_the_report_says_what_is_broken_and_whose_fault_it_is():
    report = Report(
        seed=7, seconds=60, counts={"events sent": 2}, rules={"a rule": [1, 2, 3, 4, 5, 6, 7], "another": []},
        struck=[], trends={}, ended_by_themselves=["ingest with -9"], in_logs={"a secret": ["x.log: …"]},
        answers={"200": 2}, worked_off_s=1.0, stuck=["stuck: 3 records"],
    )  # fmt: skip
    text = report.text()
    assert report.problems == [
        "a rule: 1, 2, 3, 4, 5 and 2 more",
        "a secret in a log: x.log: …",
        "ended by itself: ingest with -9",
        "stuck: 3 records",
    ]
    assert all(line in text for line in ["seed 7", "BROKEN a rule", "ok     another", *report.problems])
    grown = {"ingest": Trend(rss_mib=(80, 120), fds=(10, 10)), "router-0": Trend(rss_mib=(80, 120), fds=(10, 10))}
    assert "ingest grew by 40 MiB" in replace(report, seconds=300, trends=grown).problems
    assert "grew" not in str(replace(report, trends=grown).problems)
    well = replace(report, rules={"a rule": []}, ended_by_themselves=[], in_logs={}, stuck=[])
    assert "All promises are kept." in well.text()


def test_what_kafka_says_of_its_own_broken_promises_is_found_in_its_log(tmp_path: Path):
    log = tmp_path / "kafka.log"
    log.write_text(
        "[main] [INFO] Kafka Server started\n"
        "[GroupCoordinator id=1] The state machine of the coordinator __consumer_offsets-6 is out of sync with the"
        " underlying log. The last written offset is 3\n"
        "[Transaction Marker Channel Manager 1]: Couldn't find leader endpoint for partitions Set(a-1),"
        " these partitions are likely deleted already and hence can be skipped\n"
    )
    assert [("__consumer_offsets-6" in line, "Set(a-1)" in line) for line in kafkas_own_faults(log)] == [
        (True, False),
        (False, True),
    ]
