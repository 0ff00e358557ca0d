"""What a person's start of runs would do to each event, and the acts that it sends."""

from collections.abc import Container
from dataclasses import replace
from typing import Any

import orjson
import pytest

from stripeline.contracts import headers as h
from stripeline.contracts.definitions import Definitions, Trigger, Workflow
from stripeline.contracts.internal_records import read
from stripeline.contracts.operator.act_records import RunAct
from stripeline.contracts.topics import Topics
from stripeline.deploy.failure import FailureError
from stripeline.deploy.operations.acts.audit import Signed
from stripeline.deploy.operations.acts.run_starts import StartCandidate, StartPlan, acts, candidates, plan_for, view
from stripeline.deploy.operations.reading.topic_reader import Read
from tests.support.records import event

TOPICS = Topics()
SIGNED = Signed(by="ada", why="was paused", at_ms=5)
HEADERS = {h.TRIGGER: b"pay", h.CONNECTION: b"acme", "ce_id": b"evt_1", h.TRACEPARENT: b"00-a"}


def plan(**workflow: Any) -> StartPlan:
    steps = [{"id": "customer", "action": "stripe/create-customer", "input": {"email": "=data.receipt_email"}}]
    made = Workflow.model_validate({"trigger": "pay", "types": ["payment_intent.*"], "steps": steps, **workflow})
    trigger = Trigger.model_validate({"kind": "stripe/payment-event", "connection": "acme"})
    return plan_for(TOPICS, Definitions(workflows={"thanks": made}, triggers={"pay": trigger}), "thanks")


def record(offset: int = 3, *, value: bytes | None = None, key: bytes | None = b"pi_1", **fields: Any) -> Read:
    headers = {**HEADERS, **fields.pop("headers", {})}
    body = orjson.dumps(event(**fields)) if value is None else value
    return Read(
        topic="stripe.payment-event", partition=1, offset=offset, at_ms=9, key=key, value=body, headers=headers
    )  # fmt: skip


def fates(made: StartPlan, *reads: Read, known: Container[str] = ()) -> list[str]:
    return [one.fate for one in candidates(made, reads, known, 10)]


OURS = {"request": {"id": "req_1", "idempotency_key": "stripeline:inst1:evt_0:thanks:customer"}}


@pytest.mark.parametrize(
    ("workflow", "given", "fate"),
    [
        ({}, {}, "starts"),
        ({"where": "data.amount > 9000"}, {}, "does not start: where is false"),
        ({"where": "data.metadata.vip == 'yes'"}, {}, "does not start: where asks for a field that the event lacks"),
        ({}, OURS, "does not start: a run of this workflow led to it"),
        ({"where": "data.amount + 1"}, {}, "starts, and stops at once: 'data.amount + 1' must be true or false"),
    ],
)
def test_each_event_says_what_it_would_do(workflow: dict[str, Any], given: dict[str, Any], fate: str) -> None:
    (found,) = fates(plan(**workflow), record(**given))
    assert found.startswith(fate)


LATE = {h.SOURCE: b"backfill", h.LATE_BY: b"108000000"}


@pytest.mark.parametrize(
    ("late", "fate"),
    [
        ("run", "starts"),
        ("skip", "does not start: it was found later"),
        ("hold", "starts, and stops at once: its event was missed"),
    ],
)
def test_a_late_event_among_many_keeps_the_rule(late: str, fate: str) -> None:
    (found,) = fates(plan(late=late), record(headers=LATE))
    assert found.startswith(fate)


@pytest.mark.parametrize("late", ["run", "skip", "hold"])
def test_a_late_event_that_a_person_names_starts(late: str) -> None:
    made = replace(plan(late=late), late_rule=False)
    assert fates(made, record(headers=LATE)) == ["starts"]
    (act,) = acts(TOPICS, made, candidates(made, [record(headers=LATE)], (), 1), SIGNED)
    assert not read(RunAct, dict(act.effects[0].headers)[h.ACT]).late_rule


def test_the_delivery_behind_a_skipped_event_starts() -> None:
    found = fates(plan(late="skip"), record(3, headers=LATE), record(4))
    assert found[1] == "starts"
    held = plan(late="hold")
    assert fates(held, record(3, headers=LATE), record(4)) == fates(held, record(headers=LATE))


def test_an_act_among_many_says_so() -> None:
    (act,) = acts(TOPICS, plan(), candidates(plan(), [record()], (), 1), SIGNED)
    assert read(RunAct, dict(act.effects[0].headers)[h.ACT]).late_rule


def test_a_known_run_and_a_second_delivery_start_nothing() -> None:
    assert fates(plan(), record(), known={"evt_1:thanks"}) == ["has run already"]
    assert fates(plan(), record(3), record(4)) == ["starts"]


def test_each_delivery_of_a_test_event_is_one_of_its_own() -> None:
    runs = [
        one.run
        for one in candidates(plan(), [record(3, id="evt_00000000000000"), record(4, id="evt_00000000000000")], (), 1)
    ]
    assert runs == ["evt_00000000000000@1.3:thanks", "evt_00000000000000@1.4:thanks"]


@pytest.mark.parametrize(
    "read_", [record(type="charge.succeeded"), record(headers={h.TRIGGER: b"other"}), record(value=b"no json")]
)
def test_an_event_of_another_trigger_or_type_is_left_out(read_: Read) -> None:
    assert fates(plan(), read_) == []


def test_an_act_carries_the_record_of_its_event_unchanged() -> None:
    made = plan()
    found = list(
        candidates(made, [record(), record(4, id="evt_2", data={"amount": 1}), record(5, id="evt_3", key=None)], (), 1)
    )
    first, second, third = acts(TOPICS, made, found, SIGNED)
    (effect,) = first.effects
    assert (effect.topic, effect.partition, effect.key, effect.value) == (
        "stripe.act",
        1,
        b"evt_1:thanks",
        record().value,
    )
    headers = dict(effect.headers)
    asked = read(RunAct, headers.pop(h.ACT))
    assert headers == HEADERS
    assert (asked.act, asked.run, asked.workflow, asked.key, asked.by) == (
        "start",
        "evt_1:thanks",
        "thanks",
        "pi_1",
        "ada",
    )
    assert (first.audit.act, first.audit.about, first.partition) == ("start_run", "run evt_1:thanks", 1)
    assert second.audit.about == "run evt_2:thanks"  # it stops at once, as it would have when it came
    assert read(RunAct, dict(third.effects[0].headers)[h.ACT]).key is None


def test_what_does_not_start_is_not_sent() -> None:
    made = plan(where="data.amount > 9000")
    assert list(acts(TOPICS, made, candidates(made, [record()], (), 1), SIGNED)) == []


def test_a_workflow_that_is_not_there_is_refused() -> None:
    with pytest.raises(FailureError, match=r"There is no workflow 'thanks'\. There is none yet"):
        plan_for(TOPICS, Definitions(), "thanks")


def test_a_view_has_the_event_its_place_and_what_it_would_do() -> None:
    one = StartCandidate(read=record(), event_id="evt_1", event_type="t", run="evt_1:thanks", fate="starts")
    assert view(one) == {
        "event": "evt_1", "event_type": "t", "at": "1970-01-01T00:00:00.009Z", "topic": "stripe.payment-event",
        "partition": 1, "offset": 3, "run": "evt_1:thanks", "start": "starts",
    }  # fmt: skip
