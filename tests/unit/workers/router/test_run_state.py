"""The state of a router task: stopped runs take no room of new ones, and none of them is lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from stripeline.contracts.internal_records import Run, encode
from stripeline.contracts.retry_tiers import WINDOW_MS
from stripeline.workers.router import run_state
from stripeline.workers.router.own_effects import EventCause
from stripeline.workers.router.router import Router
from stripeline.workers.router.run_state import Runs
from stripeline.workers.router.runs import Arrival, begin, invalid, stop
from tests.support.records import event, event_record
from tests.support.small_blocks import small_blocks
from tests.unit.workers.router.test_router import NOW, RUN, TOPICS, TWO_STEPS, World, result

ARRIVAL = Arrival(event=event(), occasion="evt_1", connection="acme", own=None, cause=EventCause())
RUNNING = begin("thanks", TWO_STEPS, ARRIVAL, EventCause(chain=("a/thanks",)), NOW)
STOPPED = stop(RUNNING, invalid("no"), NOW)
SUCCEEDED = replace(RUNNING, status="succeeded", finished_ms=NOW, definition=None, context=None)
CANCELLED = replace(SUCCEEDED, status="cancelled")
KINDS: dict[str, Run | None] = {
    "running": RUNNING, "stopped": STOPPED, "succeeded": SUCCEEDED, "cancelled": CANCELLED, "forgotten": None,
}  # fmt: skip
NAMES = "abcdefghijkl"
_steps = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(sorted(KINDS)), st.booleans()), max_size=60)


@given(_steps)
def test_only_running_and_finished_runs_take_room(steps: list[tuple[str, str, bool]]):
    """Against a model: each run's last record, and how many there are of each kind."""
    runs, model = Runs(), dict.fromkeys(NAMES, "forgotten")
    with pytest.MonkeyPatch.context() as patch:
        small_blocks(patch)
        patch.setattr(run_state, "MAX_RUNNING", 2)
        patch.setattr(run_state, "MAX_FINISHED", 3)
        patch.setattr(run_state, "MANY_STOPPED", 2)
        for key, kind, restored in steps:
            record = KINDS[kind]
            if restored:
                runs.restore(key, record and encode(record))
            else:
                runs.apply(key, record)
            model[key] = kind
            kinds = list(model.values())
            ended = kinds.count("succeeded") + kinds.count("cancelled")
            assert runs.full == (kinds.count("running") >= 2 or ended >= 3)
            assert (runs.warning is not None) == (kinds.count("stopped") >= 2)
            assert runs.sizes == {
                "open": kinds.count("running"), "stopped": kinds.count("stopped"), "finished": ended,
            }  # fmt: skip
            for name, last in model.items():
                assert runs.knows(name) == (last != "forgotten")
                assert runs.get(name) == (KINDS[last] if last not in {"succeeded", "forgotten"} else None)


def test_stopped_runs_keep_no_new_event_out_and_go_on_later(monkeypatch):  # case G11
    monkeypatch.setattr(run_state, "MAX_RUNNING", 2)
    world = World()
    for number in range(60):
        world.take(event_record(event(id=f"evt_{number}")))
        world.take(result("customer", "failed", run=f"evt_{number}:thanks"))
    assert (world.state.full, world.state.sizes["stopped"]) == (False, 60)
    assert world.take(event_record(event(id="evt_good"))).verdict == "started"
    assert world.take(result("customer", revision=1)).verdict == "advanced"
    assert world.state.get(RUN).status == "running"


def test_stopped_runs_are_forgotten_after_the_window():
    runs = Runs()
    runs.apply("a", STOPPED)
    assert list(runs.expired(NOW + WINDOW_MS)) == []
    assert [change.key for change in runs.expired(NOW + WINDOW_MS + 1)] == ["a"]


def test_a_router_needs_no_workflow_to_take_a_stopped_run_on():
    state = Runs()
    router = Router(topics=TOPICS, installation=lambda: "a", workflows=lambda _: {"thanks": TWO_STEPS})
    for record in (event_record(), result("customer", "failed")):
        for change in router.take(state, record, NOW).changes:
            state.apply(change.key, change.record)
    gone = replace(router, workflows=lambda _: {})
    assert gone.take(state, result("customer", revision=1), NOW).verdict == "advanced"
