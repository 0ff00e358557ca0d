"""The brake of a workflow: how many runs its events may start, over restarts, releases and processes."""

from typing import Any

import pytest

from stripeline.contracts.definitions import Workflow
from stripeline.contracts.internal_records import Run, encode
from stripeline.contracts.limits import HOUR_MS
from stripeline.contracts.operator.spending import Spending, SpentMinute, TaskSpending
from stripeline.contracts.vocabulary import UnstartedReason, Verdict
from stripeline.workers.brakes.peers import Peers
from stripeline.workers.router.router import Router
from stripeline.workers.router.run_brakes import RunBrakes
from stripeline.workers.router.run_state import Runs
from stripeline.workers.task.decision import Decision
from tests.support.in_memory_executor import TOPICS
from tests.support.records import event, event_record, installation

NOW = 1_700_000_100_000


def workflow(limit: str | None, where: str | None = None) -> Workflow:
    step = {"id": "one", "action": "stripe/create-customer", "input": {}}
    return Workflow.model_validate({"trigger": "acme-payments", "steps": [step], "limit": limit, "where": where})


class World:
    """A router of one partition; `paused` as the control topic has it."""

    def __init__(self, limit: str | None, **fields: Any) -> None:
        self.state, self.now_ms, self.released_ms = Runs(), NOW, 0
        self.paused: set[str] = set()
        self.brakes = RunBrakes(
            released=lambda _: self.released_ms, states=lambda: {0: self.state}, **fields
        )  # fmt: skip
        self.workflows = {"wide": workflow(limit), "free": workflow(None, "data.amount > 9000")}
        self.router = Router(
            topics=TOPICS, workflows=lambda _: self.workflows, installation=installation, brakes=self.brakes,
            paused=lambda name: name in self.paused,
        )  # fmt: skip

    def take(self, number: int, **fields: Any) -> Decision:
        record = event_record(event(id=f"evt_{number}", **fields), offset=number, key=b"k1", timestamp=self.now_ms)
        decided = self.router.take(self.state, record, self.now_ms)
        for change in decided.changes:
            self.state.apply(change.key, change.record)
        return decided

    def started(self, *numbers: int) -> list[int]:
        return [number for number in numbers if self.take(number).verdict is Verdict.STARTED]

    def restarted(self) -> None:
        former, self.state = self.state, Runs()
        for run in former._running.values():
            self.state.restore(run.run_id, encode(run))


def test_the_event_beyond_the_limit_starts_no_run() -> None:
    world = World("3/h")
    assert world.started(*range(6)) == [0, 1, 2]
    (told,) = world.take(6).unstarted
    assert (told.workflow, told.reason) == ("wide", UnstartedReason.PAUSED)
    tripped = world.brakes.tripped["wide"]
    assert (tripped.at_ms, tripped.declined) == (NOW, {("stripe.payment-event", 0): 3})
    assert "`stripeline resume workflow wide` lets as many more start" in tripped.why
    assert tripped.why.startswith("3 runs an hour: the limit of workflow wide")
    assert world.brakes.trips == {"wide": 1}


def test_a_limit_of_one_workflow_is_none_of_another() -> None:
    world = World("1/h")
    world.started(0)
    decided = world.take(1, data={"id": "pi_1", "object": "payment_intent", "amount": 9_001})
    assert [change.key for change in decided.changes] == ["evt_1:free"]


def test_a_restart_gives_no_new_runs() -> None:
    world = World("2/h")
    world.started(0, 1)
    world.restarted()
    assert world.started(2) == []


@pytest.mark.parametrize("status", ["succeeded", "stopped", "cancelled"])
def test_runs_count_however_they_ended(status: str) -> None:
    world = World("2/h")
    world.started(0, 1)
    for run in list(world.state._running.values()):
        ended = encode(Run(**{name: getattr(run, name) for name in run.__struct_fields__} | {
            "status": status, "finished_ms": NOW,
        }))  # fmt: skip
        world.state.restore(run.run_id, ended)
    assert world.started(2) == []


def test_a_run_that_moves_on_counts_once() -> None:
    world = World("2/h")
    world.started(0)
    (run,) = world.state._running.values()
    for _ in range(3):
        world.state.apply(run.run_id, run)
    assert world.started(1, 2) == [1]


def test_runs_count_for_an_hour() -> None:
    world = World("2/h")
    world.started(0, 1)
    world.now_ms += HOUR_MS
    assert world.started(2) == []
    world.now_ms += 1_000
    assert world.started(3) == [3]


def test_as_many_more_start_after_the_release() -> None:
    world = World("2/h")
    assert world.started(*range(4)) == [0, 1]
    world.now_ms += 5_000
    world.released_ms = world.now_ms
    assert world.started(*range(4, 8)) == [4, 5]
    assert world.brakes.tripped["wide"].declined == {("stripe.payment-event", 0): 6}
    assert world.brakes.trips == {"wide": 2}


def test_what_others_started_counts() -> None:
    peers = Peers()
    minutes = (SpentMinute(since_ms=NOW - NOW % 60_000, count=2),)
    peers.learn([TaskSpending(kind="workflow", partition=1, names={"wide": Spending(minutes=minutes)})], NOW)
    world = World("3/h", peers=peers)
    assert world.started(0, 1) == [0]
    (status,) = world.brakes.status(world.workflows, NOW)
    assert (status.kind, status.name, status.what, status.spent, status.limit) == ("workflow", "wide", "runs", 3, 3)


def test_ten_thousand_events_stop_in_order_and_go_on() -> None:
    world = World("1000/h")
    first = world.started(*range(5_000))
    assert first == list(range(1_000))
    world.paused.add("wide")
    world.now_ms += 60_000
    world.released_ms = world.now_ms
    world.paused.clear()
    assert world.started(*range(5_000, 10_000)) == list(range(5_000, 6_000))
    assert world.brakes.tripped["wide"].declined == {("stripe.payment-event", 0): 6_000}


def test_old_seconds_are_dropped() -> None:
    state = Runs()
    for number in range(8_000):
        state._count("wide", 1_000 + number)
    assert len(state.started("wide")) <= 7_400
    state._count("wide", 1)  # a run of last month, read at a restore
    assert 1 not in state.started("wide")
