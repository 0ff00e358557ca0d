"""A person starts the run of an event, of a paused workflow too, and erases what a run knows of a person."""

import orjson
import pytest
from msgspec.structs import replace

from stripeline.contracts import headers as h
from stripeline.contracts.definitions import Workflow
from stripeline.contracts.internal_records import Run, encode, read
from stripeline.contracts.operator.act_records import RunAct
from stripeline.contracts.vocabulary import UnstartedReason
from stripeline.workers.router.erasing import erased
from tests.support.records import Record, event, event_record
from tests.unit.workers.router.test_router import NOW, RUN, TOPICS, TWO_STEPS, World, result


def start_record(body=None, *, run: str = RUN, workflow: str = "thanks", key: str | None = "pi_1") -> Record:
    act = RunAct(act="start", run=run, by="ada", why="w", at_ms=1, workflow=workflow, key=key)
    live = event_record(body)
    return replaced(live, topic=TOPICS.act, key=run.encode(), headers=(*live.headers, (h.ACT, encode(act))), offset=77)


def replaced(record: Record, **fields) -> Record:
    return Record(**{**{name: getattr(record, name) for name in record.__dataclass_fields__}, **fields})


def paused_world() -> World:
    world = World()
    world.router = replace(world.router, paused=lambda name: name == "thanks")
    return world


def test_an_event_of_a_paused_workflow_is_counted_only():
    decision = paused_world().take(event_record())
    assert (decision.verdict, decision.outputs, decision.changes) == ("paused", (), ())
    assert [(one.workflow, one.reason) for one in decision.unstarted] == [("thanks", UnstartedReason.PAUSED)]


def test_what_would_not_start_is_not_counted_as_paused():
    world = paused_world()
    assert world.take(event_record(event(data={"amount": 1}))).unstarted == ()
    missing = world.take(event_record(event(data={})))
    assert [one.reason for one in missing.unstarted] == [UnstartedReason.WHERE_MISSING]


def test_a_start_gives_what_the_live_event_would_have_given():
    live, asked = World(), paused_world()
    wanted, found = live.take(event_record()), asked.take(start_record())
    assert (found.verdict, found.outputs) == ("advanced", wanted.outputs)
    assert found.changes == wanted.changes


def test_a_start_sent_twice_or_after_the_event_starts_one_run():
    world = World()
    world.take(event_record())
    assert (world.take(start_record()).verdict, world.take(event_record()).verdict) == ("no_run", "no_run")
    world = paused_world()
    world.take(start_record())
    again = world.take(start_record())
    assert (again.verdict, again.outputs, again.changes) == ("no_run", (), ())


def test_a_test_event_keeps_the_place_of_its_delivery():
    body = event(id="evt_00000000000000")
    run = "evt_00000000000000@0.5:thanks"
    assert World().take(event_record(body, offset=5)).changes[0].key == run
    world = World()
    world.take(start_record(body, run=run))
    assert list(world.records) == [run]


@pytest.mark.parametrize(
    ("run", "workflow", "key"),
    [("evt_2:thanks", "thanks", "k"), ("evt_1:other", "thanks", "k"), ("evt_10:thanks", "thanks", "k")],
)
def test_a_start_that_names_another_events_run_is_a_dead_letter(run, workflow, key):
    assert World().take(start_record(run=run, workflow=workflow, key=key)).verdict == "unreadable"


def test_a_start_of_a_workflow_that_is_gone_does_nothing():
    assert World().take(start_record(run="evt_1:gone", workflow="gone")).verdict == "no_run"


def test_our_own_effect_is_not_started_by_a_person_either():
    request = {"id": "req_1", "idempotency_key": "stripeline:inst1:evt_0:thanks:customer"}
    decision = World().take(start_record(event(request=request)))
    assert (decision.verdict, [one.reason for one in decision.unstarted]) == ("no_run", [UnstartedReason.OWN_EFFECT])


def test_where_is_asked_again_when_a_person_starts_a_run():
    assert World().take(start_record(event(data={"amount": 1}))).unstarted == ()


def test_an_event_without_a_key_keeps_none():
    world, live = World(), World()
    (change,) = world.take(start_record(key=None)).changes
    (same,) = live.take(replaced(event_record(), key=None)).changes
    assert change.record.key == same.record.key


def erase_record(run: str = RUN, value: bytes | None = None) -> Record:
    act = RunAct(act="erase", run=run, by="ada", why="the customer asked", at_ms=1)
    return Record(topic=TOPICS.act, key=run.encode(), value=value, headers=((h.ACT, encode(act)),))


def stopped(world: World) -> None:
    world.take(event_record())
    world.take(result(status="failed", error={"code": "VALIDATION_ERROR", "message": "no a@b.c", "retryable": False}))


def test_an_erased_run_keeps_ids_states_and_times_and_no_payload():
    world = World()
    stopped(world)
    before = world.records[RUN]
    assert world.take(erase_record()).verdict == "erased"
    after = world.records[RUN]
    assert "a@b.c" in str(before)
    assert "a@b.c" not in str(after)
    assert "pi_1" not in str(after)
    assert (after["definition"], after["context"], after["erased_at"]) == (None, None, NOW)
    for name in ("run", "workflow", "event", "event_type", "status", "step", "started_at", "finished_at"):
        assert after[name] == before[name]
    assert (after["error"]["code"], after["error"]["message"]) == ("VALIDATION_ERROR", "erased")


def test_an_erased_run_is_known_and_nothing_takes_it_on():
    world = World()
    stopped(world)
    world.take(erase_record())
    assert world.take(result(revision=1)).verdict == "unrelated"
    assert world.take(event_record()).verdict == "no_run"
    assert (
        world.take(erase_record()).verdict == "unreadable"
    )  # it holds no run: a second act has one, and changes nothing


def test_a_succeeded_run_is_erased_by_the_record_of_the_act():
    world = World(
        thanks=Workflow.model_validate({**TWO_STEPS.model_dump(), "steps": [TWO_STEPS.steps[0].model_dump()]})
    )
    world.take(event_record())
    world.take(result(output={"id": "cus_1", "email": "a@b.c"}))
    run = read(Run, orjson.dumps(world.records[RUN]))
    assert (run.status, "a@b.c" in str(run)) == ("succeeded", True)
    kept = encode(erased(run, NOW))
    assert world.take(erase_record(value=kept)).verdict == "erased"
    assert "a@b.c" not in str(world.records[RUN])
    assert world.take(event_record()).verdict == "no_run"


def test_a_run_that_runs_is_not_erased():
    world = World()
    world.take(event_record())
    assert world.take(erase_record()).verdict == "unrelated"
    assert world.take(result()).verdict == "advanced"


def test_a_run_that_is_not_there_is_not_made_by_an_erasure():
    assert World().take(erase_record()).verdict == "unrelated"


@pytest.mark.parametrize("change", [{"run_id": "evt_2:thanks"}, {"finished_ms": None}])
def test_an_erasure_with_another_run_is_a_dead_letter(change):
    world = World(
        thanks=Workflow.model_validate({**TWO_STEPS.model_dump(), "steps": [TWO_STEPS.steps[0].model_dump()]})
    )
    world.take(event_record())
    world.take(result())
    run = replace(read(Run, orjson.dumps(world.records[RUN])), **change)
    assert world.take(erase_record(value=encode(run))).verdict == "unreadable"
