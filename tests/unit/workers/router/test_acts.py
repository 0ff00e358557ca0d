"""What a person asks the router to do with a run."""

import pytest

from stripeline.contracts import headers as h
from stripeline.contracts.internal_records import encode
from stripeline.contracts.operator.act_records import RunAct
from tests.support.records import Record, event, event_record
from tests.unit.workers.router.test_router import RUN, TOPICS, World, result


def act_record(kind: str, run: str = RUN, **fields) -> Record:
    act = RunAct(act=kind, run=run, by="ada", why="a reason", at_ms=1, **fields)
    return Record(topic=TOPICS.act, key=run.encode(), value=encode(act))


@pytest.mark.parametrize("kind", ["unheard_of", "CANCEL"])
def test_an_act_that_is_not_known_is_a_dead_letter(kind):
    decision = World().take(act_record(kind))
    assert (decision.verdict, decision.outputs[0].topic) == ("unreadable", TOPICS.dead_letter)


def test_the_act_of_a_start_is_in_a_header():
    world = World()
    world.take(event_record())
    plain = act_record("cancel")
    carried = Record(topic=TOPICS.act, key=plain.key, value=b'{"id":"evt_1"}', headers=((h.ACT, plain.value),))
    assert world.take(carried).verdict == "cancelled"


def test_a_cancelled_run_gets_no_more_steps():
    world = World()
    world.take(event_record())
    assert world.take(act_record("cancel")).verdict == "cancelled"
    after = world.take(result("customer"))
    assert (after.verdict, after.outputs, after.changes[0].record.steps[0].status) == ("cancelled", (), "succeeded")
    assert world.take(act_record("cancel")).verdict == "unrelated"
    assert world.take(event_record()).verdict == "no_run"


def test_an_act_on_a_run_that_is_not_there_does_nothing():
    assert World().take(act_record("cancel")).verdict == "unrelated"


def test_a_run_that_stopped_before_any_step_is_cancelled():
    world = World()
    world.take(event_record(event(data={"amount": "not a number"})))
    assert (world.records[RUN]["status"], world.records[RUN]["steps"]) == ("stopped", [])
    decision = world.take(act_record("cancel"))
    assert (decision.verdict, decision.outputs) == ("cancelled", ())  # no command to withdraw


RETRY = act_record("retry", command_id=f"{RUN}:customer", revision=0, number=2)
REFUSED = result("customer:2", "failed", error={"code": "RETRY_REFUSED", "message": "it waits", "retryable": False})


def retried() -> World:
    world = World()
    for record in (event_record(), result("customer", "failed"), RETRY):
        world.take(record)
    assert world.records[RUN]["steps"][-1]["command_id"] == f"{RUN}:customer:2"
    return world


def test_an_act_sent_twice_is_one_after_its_retry_was_refused():
    world = retried()
    assert world.take(REFUSED).verdict == "stopped"
    again = world.take(RETRY)
    assert (again.verdict, again.outputs, again.changes) == ("known", (), ())


def test_a_cancelled_run_stays_so_when_its_retry_is_refused():
    world = retried()
    world.take(act_record("cancel"))
    assert world.take(REFUSED).verdict == "cancelled"
    run = world.records[RUN]
    assert (run["status"], run["steps"][-1]["command_id"]) == ("cancelled", f"{RUN}:customer")


def test_only_a_newer_result_of_the_former_is_recorded():
    world = retried()
    older = world.take(result("customer", "failed"))
    assert (older.verdict, older.changes) == ("unrelated", ())
    newer = world.take(result("customer", "indeterminate", revision=1))
    (step,) = world.records[RUN]["steps"]
    assert (newer.outputs, step["former"]["revision"], step["former"]["status"]) == ((), 1, "indeterminate")
    assert (step["command_id"], step["status"]) == (f"{RUN}:customer:2", "running")
