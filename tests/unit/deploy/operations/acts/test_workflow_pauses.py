"""The pause of a workflow: its record, until when it can be taken up, and who must have applied its end."""

from typing import Any

import pytest

from stripeline.contracts.definitions import Definitions, Workflow
from stripeline.contracts.operator.control_records import Pause
from stripeline.contracts.operator.worker_report import WorkerReport
from stripeline.contracts.retry_tiers import DAY_MS
from stripeline.deploy.failure import FailureError
from stripeline.deploy.operations.acts import workflow_pauses
from stripeline.deploy.operations.acts.audit import Signed
from stripeline.deploy.operations.acts.paused_commands import words
from stripeline.deploy.operations.acts.take_up import late
from stripeline.deploy.operations.acts.workflow_pauses import PauseStart
from stripeline.deploy.operations.status.facts import WaitingCommands
from stripeline.deploy.operations.status.workers import Instance, Workers
from stripeline.deploy.telemetry.metrics.pause_rows import left_s

SIGNED = Signed(by="ada", why="its where is wrong", at_ms=1_000)
STEP = {"id": "a", "action": "stripe/create-customer"}
WORKFLOW = Workflow.model_validate({"trigger": "pay", "steps": [STEP]})
START = PauseStart(topic="stripe.payment-event", offsets=(4, 0), kept_ms=7 * DAY_MS)


def stored(**pauses: Pause) -> Definitions:
    return Definitions(workflows={"thanks": WORKFLOW}, pauses={f"workflow/{name}": one for name, one in pauses.items()})


def test_a_pause_says_where_and_until_when_its_events_are() -> None:
    changes = workflow_pauses.pause(stored(), "thanks", SIGNED, START)
    assert list(changes) == ["pause/workflow/thanks"]
    paused = workflow_pauses.recorded(changes, "thanks")
    assert (paused.topic, paused.offsets, paused.until_ms) == ("stripe.payment-event", (4, 0), 1_000 + 7 * DAY_MS)
    assert workflow_pauses.until_text(paused) == "its first event can be taken up until 1970-01-08T00:00:01Z"


def test_a_topic_that_keeps_all_gives_a_pause_without_an_end() -> None:
    for_ever = PauseStart(topic="t", offsets=(), kept_ms=None)
    paused = workflow_pauses.recorded(workflow_pauses.pause(stored(), "thanks", SIGNED, for_ever), "thanks")
    assert (paused.until_ms, workflow_pauses.until_text(paused)) == (None, "its events are kept for ever")
    assert not workflow_pauses.near_end(paused, 10**15)


def test_only_what_runs_is_paused_and_what_is_paused_resumed() -> None:
    paused = Pause(by="eve", why="first", at_ms=1)
    assert workflow_pauses.held(stored(thanks=paused), "thanks") is paused
    with pytest.raises(FailureError, match="paused already, by eve: first"):
        workflow_pauses.pause(stored(thanks=paused), "thanks", SIGNED, START)
    with pytest.raises(FailureError, match="is not paused"):
        workflow_pauses.held(stored(), "thanks")
    with pytest.raises(FailureError, match=r"There is no workflow 'other'\. There is thanks\."):
        workflow_pauses.held(stored(), "other")


@pytest.mark.parametrize(("days", "near"), [(0, False), (4.9, False), (5, True), (8, True)])
def test_the_last_two_days_of_a_pause_are_near_its_end(days: float, near: bool) -> None:
    paused = Pause(by="a", why="b", at_ms=0, until_ms=7 * DAY_MS)
    assert workflow_pauses.near_end(paused, int(days * DAY_MS)) is near


def test_the_advice_to_take_up_names_the_whole_pause() -> None:
    command = workflow_pauses.take_up_command("thanks", 0, 1_000)
    assert command == "stripeline runs start thanks --since 1970-01-01T00:00:00.000Z --until 1970-01-01T00:00:01.000Z"


def instance(name: str, age_ms: int = 0, role: str = "router", **fields: Any) -> Instance:
    report = WorkerReport(role=role, version="1", host="h", started_ms=0, at_ms=0, **fields)
    return Instance(name=name, report=report, age_ms=age_ms)


def test_only_live_routers_that_are_behind_are_waited_for() -> None:
    found = (
        instance("done", control=8), instance("behind", control=7), instance("silent", age_ms=60_000, control=1),
        instance("new"), instance("a local stack", role="up"), instance("a worker", role="worker"),
    )  # fmt: skip
    others = tuple(instance(role, role=role) for role in ("ingest", "executor"))
    expected = ["a local stack", "a worker", "behind", "new"]
    assert late(Workers(instances=(*found, *others), now_ms=0), 8) == expected


def test_the_time_left_is_a_gauge_of_paused_workflows_alone() -> None:
    pauses = {
        "workflow/thanks": Pause(by="a", why="b", at_ms=0, until_ms=10_000),
        "workflow/all": Pause(by="a", why="b", at_ms=0),
        "connection/acme": Pause(by="a", why="b", at_ms=0, until_ms=10_000),
    }  # fmt: skip
    assert list(left_s(pauses, 4.0)) == [(("thanks",), 6.0)]


def test_a_pause_of_a_connection_says_what_a_person_will_decide() -> None:
    assert words(None) == "no command of it waits yet"
    waiting = WaitingCommands(connection="acme", count=3, first_ms=0)
    assert words(waiting).startswith("commands that wait: 3. None was attempted")
    tried = WaitingCommands(connection="acme", count=3, first_ms=0, attempted=1, horizon_ms=0, example="c1")
    assert "1 of them may have been attempted" in words(tried)
    assert "first about c1 at 1970-01-01T00:00:00Z" in words(tried)
