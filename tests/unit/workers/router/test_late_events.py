"""An event that was missed and found later runs, is skipped or is held, and has one run in any order of what comes."""

from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stripeline.contracts import headers as h
from stripeline.contracts.definitions import Workflow
from stripeline.contracts.internal_records import Run, encode
from stripeline.contracts.operator.act_records import RunAct
from stripeline.contracts.retry_tiers import DAY_MS
from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import RunActKind, RunCode, UnstartedReason, Verdict
from stripeline.workers.router.retrying import request_of
from stripeline.workers.router.router import Router
from stripeline.workers.router.run_brakes import RunBrakes
from stripeline.workers.router.run_state import Runs
from stripeline.workers.task.decision import Decision
from tests.support.records import Record, event_record, installation

NOW = 1_000_000
TOPICS = Topics()
RUN = "evt_1:thanks"
LATE = ((h.SOURCE, b"backfill"), (h.LATE_BY, b"108000000"))


def workflow(late: str | None, **fields: Any) -> Workflow:
    step = {"id": "customer", "action": "stripe/create-customer", "input": {"email": "=data.receipt_email"}}
    return Workflow.model_validate({"trigger": "acme-payments", "steps": [step], "late": late, **fields})


class World:
    """One router task, whose state is restored from its changelog at each change."""

    def __init__(self, late: str | None, **fields: Any) -> None:
        self.workflows = {"thanks": workflow(late, **fields)}
        self.paused = False
        self.state, self.commands = Runs(), list[str]()
        self.router = Router(
            topics=TOPICS, workflows=lambda _: self.workflows, installation=installation, partitions=8,
            paused=lambda _: self.paused, brakes=RunBrakes(states=lambda: {3: self.state}),
        )  # fmt: skip

    def take(self, record: Record) -> Decision:
        decision = self.router.take(self.state, record, NOW)
        for change in decision.changes:
            assert isinstance(change.record, Run)
            self.state.restore(change.key, encode(change.record))
        sent = [output for output in decision.outputs if output.topic == TOPICS.command and output.value is not None]
        self.commands += [orjson.loads(output.value or b"")["command_id"] for output in sent]
        return decision

    def deliver(self) -> Decision:
        return self.take(event_record())

    def backfill(self, headers: Any = LATE) -> Decision:
        found = event_record()
        return self.take(replace(found, headers=(*found.headers, *headers)))

    def act(self, kind: RunActKind, **fields: Any) -> Decision:
        value = RunAct(act=kind, run=RUN, by="ada", why="seen", at_ms=NOW, **fields)
        return self.take(Record(topic=TOPICS.act, key=RUN.encode(), value=encode(value), headers=()))

    def retry(self) -> Decision:
        run = self.state.get(RUN)
        request = None if run is None else request_of(run)
        return self.act(RunActKind.RETRY, number=2 if request is None else request.number)

    def start(self, *, late_rule: bool) -> Decision:
        asked = RunAct(
            act=RunActKind.START, run=RUN, by="ada", why="seen", at_ms=NOW, workflow="thanks", late_rule=late_rule
        )
        found = event_record()
        headers = (*found.headers, *LATE, (h.ACT, encode(asked)))
        return self.take(replace(found, topic=TOPICS.act, headers=headers))

    @property
    def run(self) -> Run | None:
        return self.state.get(RUN)

    @property
    def status(self) -> str | None:
        return None if self.run is None else self.run.status


@pytest.mark.parametrize("late", [None, "run"])
def test_a_late_event_runs_by_default(late: str | None) -> None:
    world = World(late)
    assert world.backfill().verdict == Verdict.STARTED
    assert world.commands == ["evt_1:thanks:customer"]


def test_a_late_event_is_skipped_and_counted() -> None:
    world = World("skip")
    decision = world.backfill()
    assert (decision.verdict, decision.changes, decision.outputs) == (Verdict.LATE, (), ())
    assert [(one.workflow, one.reason) for one in decision.unstarted] == [("thanks", UnstartedReason.LATE)]


def test_the_delivery_of_a_skipped_event_starts_its_run() -> None:
    world = World("skip")
    world.backfill()
    assert world.deliver().verdict == Verdict.STARTED
    assert world.backfill().verdict == Verdict.NO_RUN  # its run is known
    assert world.commands == ["evt_1:thanks:customer"]


def test_a_late_event_is_held_for_a_person() -> None:
    world = World("hold")
    assert world.backfill().verdict == Verdict.STARTED
    run = world.run
    assert run is not None
    assert (run.status, run.step, run.steps) == ("stopped", None, ())
    assert run.error is not None
    assert run.error.code == RunCode.HELD_LATE
    assert "found 30 hours after it was created" in run.error.message
    assert world.commands == []


def test_the_delivery_of_a_held_event_is_the_same_run() -> None:
    world = World("hold")
    world.backfill()
    assert world.deliver().verdict == Verdict.NO_RUN
    assert (world.status, world.commands) == ("stopped", [])


def test_the_backfill_of_a_delivered_event_is_the_same_run() -> None:
    world = World("hold")
    world.deliver()
    assert world.backfill().verdict == Verdict.NO_RUN
    assert (world.status, world.commands) == ("running", ["evt_1:thanks:customer"])


def test_a_retry_starts_the_first_step_of_a_held_run() -> None:
    world = World("hold")
    world.backfill()
    assert world.retry().verdict == Verdict.ADVANCED
    world.retry()
    assert (world.status, world.commands) == ("running", ["evt_1:thanks:customer"])


def test_a_retry_uses_the_workflow_as_it_is_now() -> None:
    world = World("hold")
    world.backfill()
    world.workflows["thanks"] = workflow("hold", where="data.amount > 1000000")
    world.retry()
    assert (world.status, world.commands) == ("cancelled", [])


def test_a_cancelled_held_run_is_never_started() -> None:
    world = World("hold")
    world.backfill()
    world.act(RunActKind.CANCEL)
    for _ in (world.retry(), world.deliver(), world.backfill(), world.start(late_rule=False)):
        assert (world.status, world.commands) == ("cancelled", [])


def test_an_event_that_does_not_match_is_not_held() -> None:
    world = World("hold", where="data.amount > 1000000")
    assert world.backfill().verdict == Verdict.NO_RUN
    assert world.run is None


def test_a_where_that_fails_is_held_or_skipped_as_late() -> None:
    held, skipped = World("hold", where="data.amount > 'x'"), World("skip", where="data.amount > 'x'")
    held.backfill(), skipped.backfill()
    assert held.run is not None
    assert held.run.error is not None
    assert (held.run.error.code, skipped.run) == (RunCode.HELD_LATE, None)


@pytest.mark.parametrize(("late", "verdict"), [("hold", Verdict.PAUSED), ("skip", Verdict.LATE)])
def test_a_paused_workflow_holds_nothing_yet(late: str, verdict: Verdict) -> None:
    world = World(late)
    world.paused = True
    assert world.backfill().verdict == verdict
    assert world.run is None


@pytest.mark.parametrize(("late", "status"), [("hold", "stopped"), ("skip", None), ("run", "running")])
def test_a_start_among_many_keeps_the_rule(late: str, status: str | None) -> None:
    world = World(late)
    world.paused = True
    world.start(late_rule=True)
    assert world.status == status


@pytest.mark.parametrize("late", ["hold", "skip", "run"])
def test_a_start_that_a_person_names_runs(late: str) -> None:
    world = World(late)
    world.start(late_rule=False)
    assert (world.status, world.commands) == ("running", ["evt_1:thanks:customer"])


def test_held_runs_take_none_of_the_limit() -> None:
    world = World("hold", limit="1/h")
    world.backfill()
    assert world.state.started("thanks") == {}
    assert world.take(event_record({**orjson.loads(event_record().value), "id": "evt_2"})).verdict == Verdict.STARTED
    world.retry()
    assert sum(world.state.started("thanks").values()) == 2
    assert world.backfill().verdict == Verdict.NO_RUN


def test_a_run_is_held_at_the_limit_too() -> None:
    world = World("hold", limit="1/h")
    world.take(event_record({**orjson.loads(event_record().value), "id": "evt_2"}))
    world.backfill()
    assert (world.status, world.router.brakes.tripped) == ("stopped", {})


def test_a_cancelled_held_run_takes_none_of_the_limit() -> None:
    world = World("hold", limit="1/h")
    world.backfill()
    world.act(RunActKind.CANCEL)
    assert world.state.started("thanks") == {}


@pytest.mark.parametrize(
    "headers",
    [LATE, (LATE[0],), (LATE[1],), ((h.LATE_BY, b"soon"),), ((h.LATE_BY, b"-5"),), ((h.LATE_BY, b"9" * 40),)],
)
def test_a_lateness_that_cannot_be_read_is_late(headers: Any) -> None:
    world = World("hold")
    world.backfill(headers)
    assert world.status == "stopped"


@pytest.mark.parametrize(
    ("late_by", "words"),
    [(0, "0 seconds"), (90_000, "90 seconds"), (2_700_000, "45 minutes"), (3 * DAY_MS, "3 days"), (DAY_MS, "24 hours")],
)
def test_how_late_it_was_is_said_in_words(late_by: int, words: str) -> None:
    world = World("hold")
    world.backfill(((h.LATE_BY, str(late_by).encode()),))
    assert world.run is not None
    assert f" {words} after" in str(world.run.error)


STARTS = {"run": "running", "skip": None, "hold": "stopped"}
ACTS = st.sampled_from(["deliver", "backfill", "retry", "cancel", "start", "take_up", "pause", "resume"])


def expected(late: str, status: str | None, act: str, *, paused: bool) -> str | None:
    """The state of the run behind each act, said once more."""
    ruled = STARTS[late]
    after = {
        ("deliver", None): None if paused else "running",
        ("backfill", None): None if paused else ruled,
        ("take_up", None): ruled,
        ("start", None): "running",
        ("retry", "stopped"): "running",
        ("cancel", "stopped"): "cancelled",
        ("cancel", "running"): "cancelled",
    }
    return after.get((act, status), status)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(["run", "skip", "hold"]), st.lists(ACTS, max_size=12))
def test_one_event_has_one_run_in_any_order(late: str, acts: list[str]) -> None:
    world, status = World(late), None
    for act in acts:
        status = expected(late, status, act, paused=world.paused)
        match act:
            case "deliver":
                world.deliver()
            case "backfill":
                world.backfill()
            case "retry":
                world.retry()
            case "cancel":
                world.act(RunActKind.CANCEL)
            case "start" | "take_up":
                world.start(late_rule=act == "take_up")
            case _:
                world.paused = act == "pause"
        assert world.status == status, acts
        assert len(world.commands) <= 1, "its first step is begun once"
        if status == "running":
            assert world.commands == ["evt_1:thanks:customer"]
