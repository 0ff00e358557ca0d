"""A retry, a replay, a webhook, a cancellation and crashes in any order have one effect, and no result is lost."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.retry_world import RetryWorld

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
