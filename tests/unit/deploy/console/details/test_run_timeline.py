"""The time line of a run: what happened, in order, and how much of the time each took."""

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripeline.contracts.internal_records import RunStep
from stripeline.deploy.console.details.run_timeline import RunFacts, TimelineEntry, bars, former_commands, timeline

NOW_MS = 1_000_000


def run(**changed: Any) -> Any:
    return SimpleNamespace(**{"started_ms": 1_000, "finished_ms": 9_000, "status": "succeeded", **changed})


def command(step: str = "pay", command_id: str = "evt_1:w:pay", **changed: Any) -> Any:
    fields = {
        "number": 2, "action": "stripe/create-customer", "status": "succeeded", "status_ms": 5_000, "attempts": 1,
        "code": None, "error": None, "sent_ms": 2_000, "finished_ms": 5_000,
    }  # fmt: skip
    return SimpleNamespace(step=step, command_id=command_id, **{**fields, **changed})


def lines(facts: RunFacts) -> list[tuple[int, str]]:
    return [(entry.at_ms, entry.words) for entry in timeline(facts, NOW_MS)]


def test_a_run_is_told_from_its_event_to_its_end() -> None:
    event = SimpleNamespace(event_id="evt_1", created_ms=100, received_ms=900, late_by_ms=None)
    assert lines(RunFacts(run=run(), events=[event], commands=[command()])) == [
        (100, "Stripe made the event"),
        (900, "Ingest published it"),
        (1_000, "The router started the run"),
        (2_000, "Step pay: stripe/create-customer, 1 attempt"),
        (9_000, "All steps succeeded"),
    ]


def test_a_second_delivery_is_left_out() -> None:
    copies = [
        SimpleNamespace(event_id="evt_1", created_ms=None, received_ms=at, late_by_ms=late_by_ms)
        for at, late_by_ms in ((950, 7), (900, None))
    ]
    assert lines(RunFacts(run=run(), events=copies))[0] == (900, "Ingest published it")
    found_first = RunFacts(run=run(), events=copies[:1])
    assert lines(found_first)[0] == (950, "A comparison with Stripe's list published it")


def test_a_command_that_waits_goes_on_until_now() -> None:
    waiting = command(status="waiting", finished_ms=None, attempts=3, code="RATE_LIMITED")
    entry = timeline(RunFacts(run=run(status="running", finished_ms=None), commands=[waiting]), NOW_MS)[-1]
    assert (entry.until_ms, entry.state, entry.code) == (NOW_MS, "waiting", "RATE_LIMITED")
    assert entry.words.endswith(", 3 attempts")


def test_a_retried_step_has_a_former_command() -> None:
    rows = [command(status="failed"), command(command_id="evt_1:w:pay:2", sent_ms=6_000)]
    facts = RunFacts(run=run(), commands=rows)
    assert former_commands(facts) == {"evt_1:w:pay"}
    assert lines(facts)[1] == (2_000, "Step pay: stripe/create-customer, 1 attempt, superseded by a later one")


def test_a_step_taken_back_has_its_first_command() -> None:
    rows = [command(), command(command_id="evt_1:w:pay:2", sent_ms=6_000, status="failed", code="RETRY_REFUSED")]
    assert former_commands(RunFacts(run=run(), commands=rows, steps=[step()])) == {"evt_1:w:pay:2"}


def test_a_step_that_left_the_window_is_told_all_the_same() -> None:
    assert lines(RunFacts(run=run(), steps=[step()]))[1] == (2_000, "Step pay: stripe/create-customer")


def test_dead_letters_and_acts_are_told() -> None:
    letter = SimpleNamespace(
        number=2, offset=7, at_ms=5_500, reason="failed", code="CONFLICT", state="dismissed", state_ms=6_000
    )  # fmt: skip
    act = SimpleNamespace(at_ms=5_800, by="ada", act="retry_run", why="the card is renewed")
    assert lines(RunFacts(run=run(status="stopped"), letters=[letter], acts=[act]))[1:] == [
        (5_500, "Dead letter, failed"),
        (5_800, "ada retried it: the card is renewed"),
        (6_000, "Dead letter closed"),
        (9_000, "The run stopped, and waits for a person"),
    ]


def test_a_bar_is_the_part_of_the_whole_time() -> None:
    entries = timeline(RunFacts(run=run(), commands=[command()]), NOW_MS)
    assert [(bar.x, bar.width) for bar in bars(entries, NOW_MS)] == [(0.0, 0.8), (12.5, 37.5), (99.2, 0.8)]


@given(st.lists(st.tuples(st.integers(0, 2**45), st.none() | st.integers(0, 2**45)), max_size=8), st.integers(0, 2**45))
def test_every_bar_is_inside(times: list[tuple[int, int | None]], now_ms: int) -> None:
    entries = [TimelineEntry(at_ms=at, until_ms=until, words="") for at, until in sorted(times, key=lambda one: one[0])]
    for bar in bars(entries, now_ms):
        assert 0 <= bar.x < 100
        assert bar.width > 0
        assert bar.x + bar.width <= 100.01


@pytest.mark.parametrize(("status", "words"), [("cancelled", "The run was cancelled"), ("new", "The run is new")])
def test_every_end_has_words(status: str, words: str) -> None:
    assert lines(RunFacts(run=run(status=status)))[-1] == (9_000, words)


def step() -> RunStep:
    return RunStep(
        id="pay", action="stripe/create-customer", command_id="evt_1:w:pay", revision=0, status="succeeded",
        output={}, error=None, started_ms=2_000, finished_ms=5_000,
    )  # fmt: skip
