"""What a person asks the router to do with a run."""

import pytest

from stripeline.contracts import headers as h
from stripeline.contracts.internal_records import encode
from stripeline.contracts.operator.act_records import RunAct
from tests.support.records import Record, event_record
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
