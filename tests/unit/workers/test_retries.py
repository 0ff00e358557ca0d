"""A retry, a replay, a webhook, a cancellation and crashes in any order have one effect, and no result is lost."""

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stripeline.contracts.internal_records import LedgerCommand
from stripeline.workers.executor.command_state import Call
from stripeline.workers.executor.ledger import Ledger, remember
from stripeline.workers.task.decision import Decision
from tests.support.records import command, command_record
from tests.support.retry_world import RUN, START_MS, TOPICS, RetryWorld

_FAULTS = st.sampled_from(["none", "402", "429", "500 stored", "lost before", "lost after"])
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("asked"), st.sampled_from(["retry", "again", "retry", "retry", "again", "cancel"])),
        st.tuples(st.sampled_from(["retry", "webhook", "die", "read_results"]), st.none()),
        st.tuples(st.just("replay"), st.integers(0, 3)),
        st.tuples(st.sampled_from(["work", "tier", "answer"]), _FAULTS),
        st.tuples(st.just("take"), st.booleans()),
        st.tuples(st.just("route"), st.sampled_from(["act", "result"])),
        st.tuples(st.sampled_from(["dies", "drain"]), _FAULTS),
    ),
    max_size=40,
)
_STOPPED = st.sampled_from(["402", "429", "lost before", "none"])
_SOME = 300


def do(world: RetryWorld, name: str, argument: Any) -> None:
    match name:
        case "dies":
            world.answer(argument, dies=True)
        case "tier":
            world.work(argument, tier=True)
        case "retry" | "webhook" | "die" | "read_results":
            getattr(world, name)()
        case _:
            getattr(world, name)(argument)


def stopped_by(fault: str, key: bytes | None = b"pi_1") -> RetryWorld:
    """A run whose first step ended with a fault; with none, it succeeded."""
    world = RetryWorld(key=key)
    world.drain(fault)
    return world


def _one_effect_and_no_result_lost(first: str, steps: list[tuple[str, Any]], key: bytes | None) -> None:
    world = stopped_by(first, key)
    for name, argument in steps:
        do(world, name, argument)
        for step in ("one", "two"):
            assert len(world.effects(step)) <= 1, world.made
    world.drain()
    world.webhook()
    world.drain()
    run, started = world.run, {step.id: step for step in world.run.steps}
    assert run.status != "running"
    assert len({(one["command_id"], one["revision"]) for one in world.results}) == len(world.results)
    for step in ("one", "two"):
        made = world.effects(step)
        assert len(made) <= 1, made
        if made:  # its result came to the run
            assert (started[step].status, started[step].command_id) == ("succeeded", made[0])
    if run.status == "stopped":
        assert run.error is not None
        assert started[run.step or ""].status in {"failed", "indeterminate"}


@settings(max_examples=_SOME, deadline=None)
@given(_STOPPED, _STEPS, st.sampled_from([b"pi_1", None]))
def test_every_order_has_one_effect_and_loses_no_result(first, steps, key):
    _one_effect_and_no_result_lost(first, steps, key)


@settings(max_examples=_SOME, deadline=None)
@given(_STOPPED, _STEPS)
def test_a_run_that_is_not_cancelled_can_be_completed(first, steps):
    """Whatever happened, once Stripe answers, a person's retries and replays take the run on."""
    world = stopped_by(first)
    for name, argument in steps:
        if argument != "cancel":
            do(world, name, argument)
    undecided: list[str] = []
    for _ in range(8):
        world.drain()
        world.webhook()
        world.drain()
        undecided = [one.command_id for one in world.run.steps if one.status == "indeterminate"]
        if world.run.status == "succeeded" or undecided:
            break
        world.retry()
    assert world.run.status == "succeeded" or undecided


def newest_step(world: RetryWorld) -> tuple[str, str, str | None]:
    step = world.run.steps[-1]
    return world.run.status, step.command_id.removeprefix("evt_1:thanks:"), world.run.note


def test_a_retry_is_a_new_command_and_closes_the_former():
    world = stopped_by("429")
    world.retry()
    world.drain()
    assert (world.made, world.run.status) == (["evt_1:thanks:one:2", "evt_1:thanks:two"], "succeeded")
    assert [(one.act, one.by, one.about) for one in world.audited] == [
        ("superseded", "executor", "command evt_1:thanks:one")
    ]
    world.replay()
    world.drain()
    assert len(world.made) == 2


def test_a_retry_is_refused_while_the_former_waits():
    world = stopped_by("429")
    world.replay()
    world.work("429")  # the former waits in a tier again
    world.asked("retry")
    world.work("none")  # the new one is refused
    world.read_results()
    status, command, note = newest_step(world)
    assert (status, command) == ("stopped", "one")
    assert (note or "").endswith("not retried: evt_1:thanks:one waits for its next attempt or look-up")
    world.drain()
    assert (world.made, world.run.status) == (["evt_1:thanks:one", "evt_1:thanks:two"], "succeeded")


def test_the_formers_success_counts_before_the_retry_is_taken():
    world = stopped_by("429")
    world.replay()
    world.work("none")
    world.asked("retry")  # before the router has read the former's result
    world.drain()
    assert (world.made, world.run.status) == (["evt_1:thanks:one", "evt_1:thanks:two"], "succeeded")


def test_a_refused_retry_can_be_asked_for_again():
    world = stopped_by("429")
    world.replay()
    world.work("429")
    world.asked("retry")
    world.work("none")
    world.again()  # the same act: nothing
    world.drain("429")
    assert newest_step(world)[:2] == ("stopped", "one")
    world.retry()
    world.drain()
    assert (world.made[0], world.run.status) == ("evt_1:thanks:one:3", "succeeded")


def test_a_retry_sent_twice_is_one_and_a_retry_is_retried():
    world = stopped_by("402")
    world.retry()
    world.again()
    world.drain("402")
    assert newest_step(world)[:2] == ("stopped", "one:2")
    world.again()
    world.drain()
    assert newest_step(world)[:2] == ("stopped", "one:2")
    world.retry()
    world.drain()
    assert world.made == ["evt_1:thanks:one:3", "evt_1:thanks:two"]


def test_what_may_have_been_done_is_not_retried():
    world = stopped_by("lost before")
    assert world.run.steps[0].status == "indeterminate"
    world.retry()
    world.drain()
    assert newest_step(world)[:2] == ("stopped", "one")
    assert "dead-letters replay --id evt_1:thanks:one --yes" in (world.run.note or "")


def test_a_refused_retry_is_never_attempted_later():
    world = stopped_by("429")
    world.replay()
    world.work("429")  # the former waits in a tier
    world.asked("retry")
    retry = world.commands[0]
    world.work("none")  # it is refused
    world.drain("429")
    assert newest_step(world)[:2] == ("stopped", "one")
    world.replay_of(retry)
    world.drain()
    assert (world.made, newest_step(world)[:2]) == ([], ("stopped", "one"))


def test_the_former_of_a_retry_that_raised_is_not_done():
    world = stopped_by("429")
    world.asked("retry")
    record = world.commands.pop(0)  # its call may have been sent
    world._carry_out(world.executor.broken(world.ledger, record, RuntimeError()), world.ledger)
    world.replay()
    world.drain()
    assert world.made == []


def supersedes(command_id: str, former: str, ledger: Ledger) -> Decision | Call:
    run = {"run_id": RUN, "workflow": "thanks", "step": "one"}
    record = command_record(command(command_id, run=run, supersedes=former))
    return RetryWorld().executor.take(ledger, record, START_MS)


def why_refused(decided: Decision | Call) -> str:
    assert isinstance(decided, Decision)
    result = next(one for one in decided.outputs if one.topic == TOPICS.result)
    error = orjson.loads(result.value or b"")["error"]
    assert error["code"] == "RETRY_REFUSED"
    return error["message"]


@pytest.mark.parametrize("former", ["evt_9:thanks:one", f"{RUN}:one:2"])
def test_only_an_earlier_command_of_its_run_is_superseded(former):
    why = why_refused(supersedes(f"{RUN}:one:2", former, Ledger()))
    assert why == f"stripe/create-customer: not retried: {former} is not an earlier command of the same run"


@pytest.mark.parametrize(("by", "why"), [(f"{RUN}:one:2", f"{RUN}:one:2"), (None, "none, and was refused itself")])
def test_a_command_is_superseded_by_one_only(by, why):
    ledger = Ledger()
    entry = LedgerCommand(status="superseded", digest="", revision=0, at_ms=START_MS, superseded_by=by)
    change = remember(f"{RUN}:one", entry)
    ledger.apply(change.key, change.record)
    assert why_refused(supersedes(f"{RUN}:one:3", f"{RUN}:one", ledger)).endswith(f"is superseded by {why}")
    if by is not None:  # the very one may go on
        assert isinstance(supersedes(by, f"{RUN}:one", ledger), Call)
