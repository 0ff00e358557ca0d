"""The demo's story: each case keeps its name from what was sent to what became of it, in one row."""

import io
from typing import Any

import orjson
import pytest
from rich.console import Console

from stripeline.contracts import headers as h
from stripeline.contracts.topics import Topics
from stripeline.deploy.local.demo.final_checks import FinalCheck
from stripeline.deploy.local.demo.observations import Observations
from stripeline.deploy.local.demo.scenario import CROWD, CROWD_NAME, commands, deliveries
from stripeline.deploy.local.demo.screen import Screen
from stripeline.deploy.local.demo.story import story
from stripeline.deploy.operations.reading.topic_reader import Read

TOPICS = Topics()
EVENT = "evt_70fa3c3c9817b2f606cc3137"
RUN: dict[str, Any] = {
    "run": f"{EVENT}:welcome", "workflow": "welcome", "event": EVENT, "status": "running", "step": "deposit",
    "error": None, "steps": [{"id": "customer"}, {"id": "deposit"}],
}  # fmt: skip
RESULT: dict[str, Any] = {
    "command_id": f"{EVENT}:welcome:deposit", "action": "stripe/create-customer", "status": "succeeded",
    "output": {"id": "cus_1"}, "error": None, "attempts": 1, "run": {"run_id": f"{EVENT}:welcome"},
}  # fmt: skip
COMMAND = {"command_id": f"{EVENT}:welcome:deposit", "action": "a/b", "connection": "acme", "input": {}}


@pytest.fixture
def shown() -> list[tuple[str, str, str]]:
    return []


@pytest.fixture
def seen(shown: list[tuple[str, str, str]]) -> Observations:
    made = Observations(topics=TOPICS, show=lambda *line: shown.append(line), hidden=CROWD_NAME)
    made.names[EVENT] = "lost-answer"
    made.sent["lost-answer"] = 1
    return made


def read(topic: str, value: object, key: bytes = b"k", **headers: bytes) -> Read:
    encoded = value if isinstance(value, bytes) else orjson.dumps(value)
    return Read(topic=topic, partition=0, offset=0, at_ms=0, key=key, value=encoded, headers=headers)


def outcome(seen: Observations) -> str:
    (row,) = story(seen)
    assert row.name in {"lost-answer", "crm-1"}
    return f"{row.outcome} [{row.state}]"


def test_a_case_is_one_row_from_sent_to_done(seen: Observations, shown: list[tuple[str, str, str]]) -> None:
    assert outcome(seen) == "sent [waiting]"
    seen.answers["lost-answer"] = 200
    assert outcome(seen) == "answered 200, and not published [waiting]"
    seen.take(read(TOPICS.events[0], {"id": EVENT, "type": "customer.created"}))
    assert outcome(seen) == "published; it starts no run [done]"
    seen.take(read(TOPICS.run, RUN))
    assert outcome(seen) == "welcome is at deposit [waiting]"
    retry = next(iter(TOPICS.retries))
    seen.take(read(retry, COMMAND, **{h.LAST_ERROR: b"PROVIDER_ERROR: no answer"}))
    assert outcome(seen) == "welcome is at deposit and waits: 5s after PROVIDER_ERROR [waiting]"
    seen.take(read(TOPICS.result, RESULT | {"attempts": 2}))
    assert outcome(seen) == "welcome is at deposit [waiting]"
    seen.take(read(TOPICS.run, RUN | {"status": "succeeded", "step": None}))
    assert outcome(seen) == "welcome did customer and deposit, at attempt 2 [done]"
    seen.sent["lost-answer"] = 2
    assert outcome(seen).endswith("; sent twice, run once [done]")
    assert [line[:2] for line in shown] == [
        (kind, "lost-answer") for kind in ("event", "run", "retry", "result", "run")
    ]


def test_a_run_that_stops_says_where_and_why(seen: Observations) -> None:
    seen.take(read(TOPICS.run, RUN | {"status": "stopped", "error": {"code": "PAYMENT_REQUIRED"}}))
    assert outcome(seen) == "welcome stopped at deposit: PAYMENT_REQUIRED [stopped]"


def test_a_refused_delivery_ends_with_its_answer(seen: Observations) -> None:
    seen.answers["lost-answer"] = 400
    assert outcome(seen) == "refused with 400 [done]"


def test_a_command_and_a_dead_letter_are_named_by_their_keys(shown: list[tuple[str, str, str]]) -> None:
    seen = Observations(topics=TOPICS, show=lambda *line: shown.append(line))
    seen.sent["crm-1"] = 2
    seen.take(read(TOPICS.result, RESULT | {"command_id": "crm-1", "run": None}))
    assert outcome(seen) == "succeeded: cus_1; sent twice, done once [done]"
    seen.take(read(TOPICS.dead_letter, b"not JSON", b"crm-1", **{h.REASON: b"unreadable"}))
    assert outcome(seen) == "no command: a dead letter, unreadable [done]"
    assert shown == [("result", "crm-1", "create-customer: cus_1"), ("dead letter", "crm-1", "unreadable")]


def test_the_crowd_is_one_row_without_lines(seen: Observations, shown: list[tuple[str, str, str]]) -> None:
    seen.sent[CROWD_NAME] = CROWD
    for number in range(CROWD):
        seen.names[f"evt_{number}"] = CROWD_NAME
        seen.take(read(TOPICS.run, RUN | {"run": f"evt_{number}:f", "event": f"evt_{number}", "status": "succeeded"}))
        states = {row.name: row.state for row in story(seen)}
        assert states[CROWD_NAME] == ("done" if number == CROWD - 1 else "waiting")
    assert shown == []


def test_every_line_of_the_scenario_fits_80_columns() -> None:
    file = io.StringIO()
    screen = Screen(Console(file=file, width=80, highlight=False))
    for delivery in deliveries():
        screen.line("sent", delivery.name, delivery.shows)
        event = orjson.loads(delivery.body)
        if not event["type"].startswith("charge.dispute"):  # the longest type; its line is of its own length
            screen.line("dead letter", delivery.name, f"{event['type']} {event['id']}")
    for one in commands():
        screen.line("sent", one.key.decode(), one.shows)
    assert max(map(len, file.getvalue().splitlines())) <= 80


def test_a_pipe_and_a_dumb_terminal_get_plain_lines(seen: Observations, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    file = io.StringIO()
    with Screen(Console(file=file, force_terminal=True, width=80, highlight=False)) as screen:
        screen.watch(seen)
        screen.line("starting", "", "Starting")
        screen.summary([FinalCheck(promise="nothing twice", found="1", holds=False)], "1 event", "Next.")
    assert file.getvalue() == (
        "   starting  Starting\n\nlost-answer   sent\n\n1 event\nBROKEN  nothing twice: 1\n\nNext.\n"
    )
