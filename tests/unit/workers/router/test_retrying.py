"""Whether a run is retried, and with which definition."""

import pytest
from msgspec.structs import replace

from stripeline.contracts.ids import MAX_NUMBER
from stripeline.workers.router.retrying import NotRetried, Present, request_of, retry
from tests.support.retry_world import RetryWorld, workflow

NOW = 1_700_000_200_000


def stopped_at_second():
    """Its first step succeeded."""
    world = RetryWorld()
    world.route("event")
    world.work("none")
    world.drain("402")
    assert world.run.step == "two"
    return world.run


def why_not(run, present, *, as_started=False):
    found = retry(run, request_of(run, as_started=as_started), Present(workflow=present), NOW)
    return found.why if isinstance(found, NotRetried) else ""


@pytest.mark.parametrize(
    ("present", "why"),
    [
        (workflow("one", "two"), ""), (workflow("one", "another", "two"), ""),
        (workflow("zero", "one", "two"), "is not step 1 of the workflow any more"),
        (workflow("one"), "has no step in the place of 'two'"), (None, "there is no workflow 'thanks'"),
    ],
)  # fmt: skip
def test_steps_that_succeeded_must_still_be_the_first(present, why):
    run = stopped_at_second()
    assert why in why_not(run, present)
    assert bool(why) == bool(why_not(run, present))
    assert why_not(run, present, as_started=True) == ""


def test_a_step_that_was_replaced_supersedes_the_former():
    run = stopped_at_second()
    found = retry(run, request_of(run), Present(workflow=workflow("one", "other")), NOW)
    assert found.command["command_id"] == "evt_1:thanks:other:2"
    assert found.command["supersedes"] == "evt_1:thanks:two"
    assert found.run.steps[-1].former.definition == run.definition


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"status": "cancelled"}, "cancelled"),
        ({"context": None}, "erased"),
        ({"context": {"context": "a/b"}}, "single"),
    ],
)
def test_what_is_not_retried(changes, why):
    assert why in why_not(replace(stopped_at_second(), **changes), workflow("one", "two"))


def test_a_step_is_not_retried_for_ever():
    run = stopped_at_second()
    step = replace(run.steps[-1], number=MAX_NUMBER)
    assert "too often" in why_not(replace(run, steps=(run.steps[0], step)), workflow("one", "two"))


def test_an_act_about_an_older_result_is_refused():
    run = stopped_at_second()
    found = retry(run, replace(request_of(run), revision=7), Present(workflow=workflow("one", "two")), NOW)
    assert "newer result" in found.why


def test_an_expression_that_fails_again_sends_nothing():
    world = RetryWorld(present=workflow("one", "two", broken="one"))
    world.drain()
    world.retry()
    world.drain()
    assert (world.run.status, world.run.steps[0].command_id, world.run.steps[0].number) == (
        "stopped", "evt_1:thanks:one", 1,
    )  # fmt: skip
    assert "not retried: 'dta.x'" in (world.run.note or "")
    world.present = workflow("one", "two")
    world.retry()
    world.drain()
    assert (world.made, world.run.status) == (["evt_1:thanks:one:2", "evt_1:thanks:two"], "succeeded")


@pytest.mark.parametrize(
    ("where", "status"), [("data.amount > 1", "succeeded"), ("data.amount < 1", "cancelled"), ("1 / 0 > 1", "stopped")]
)
def test_a_run_that_stopped_at_where_evaluates_it_again(where, status):
    world = RetryWorld(present=workflow("one").model_copy(update={"where": "1 / 0 > 0"}))
    world.drain()
    assert world.run.steps == ()
    assert "leave out --as-started" in why_not(world.run, world.present, as_started=True)
    assert "there is no workflow" in why_not(world.run, None)
    world.present = workflow("one").model_copy(update={"where": where})
    world.retry()
    world.again()
    world.drain()
    assert world.run.status == status
