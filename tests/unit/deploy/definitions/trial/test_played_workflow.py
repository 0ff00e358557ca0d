"""A tried event goes the way that the router takes it; examples show which runs would stop."""

from typing import Any

import orjson
import pytest

from stripeline.contracts import headers as h
from stripeline.contracts.definitions import Trigger, Workflow
from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import Verdict
from stripeline.deploy.definitions.trial.event_trial import lines, report, try_event
from stripeline.deploy.definitions.trial.example_data import CREATED, example_events, wanted_types
from stripeline.deploy.definitions.trial.example_trial import Trial, try_all, try_one
from stripeline.deploy.definitions.trial.played_workflow import Played, play
from stripeline.workers.router.router import Router
from stripeline.workers.router.run_state import Runs
from tests.support.records import Record

CUSTOMERS = Trigger(kind="stripe/customer-event", connection="acme")
PAYMENTS = Trigger(kind="stripe/payment-event", connection="acme")
CREATE = {"id": "make", "action": "stripe/create-customer", "input": {"email": "=data.email"}}
CHARGE = {"id": "pay", "action": "stripe/create-payment-intent"}
NOW_MS = CREATED * 1000


def workflow(*steps: dict[str, Any], **fields: Any) -> Workflow:
    return Workflow.model_validate({"trigger": "t", "steps": list(steps) or [CREATE], **fields})


def event(event_type: str = "customer.created", **fields: Any) -> dict[str, Any]:
    found = example_events([event_type])[0]
    return {**found, "data": {**found["data"], **fields}}


def played(one: Workflow, happened: dict[str, Any]) -> Played:
    return play("w", one, CUSTOMERS, happened, installation="inst", now_ms=NOW_MS)


@pytest.mark.parametrize(("late", "said"), [(None, None), ("run", None), ("skip", "skip"), ("hold", "hold")])
def test_a_try_says_what_becomes_of_a_late_event(late: str | None, said: str | None) -> None:
    one = workflow(late=late)
    assert played(one, event()).late == said
    assert played(workflow(late=late, types=["customer.updated"]), event()).late is None
    found = try_event(event(), {"t": CUSTOMERS}, {"w": one}, NOW_MS)
    assert report(event(), found, None, [])["triggers"][0]["workflows"][0]["late"] == said
    words = {"skip": "not started", "hold": "held for a person"}
    assert [line.strip() for line in lines(event(), found, None) if "found later" in line] == [
        f"were it missed and found later: {words[one]} (late: {one})" for one in words if one == said
    ]


GIVEN = {"amount": 5, "currency": "eur", "customer": "=steps.make.id"}
CASES = {
    "starts": (workflow(), event()),
    "two steps": (workflow(CREATE, {**CHARGE, "input": GIVEN}), event()),
    "other type": (workflow(types=["customer.updated"]), event()),
    "where is false": (workflow(where="data.email == 'x'"), event()),
    "where misses": (workflow(where="data.metadata.vip == 'yes'"), event()),
    "where is wrong": (workflow(where="data.email"), event()),
    "an input misses": (workflow({**CREATE, "input": {"email": "=data.metadata.mail"}}), event()),
    "no single account": (workflow(), {**event(), "context": "acct_1/acct_2"}),
}  # fmt: skip


@pytest.mark.parametrize(("one", "happened"), CASES.values(), ids=CASES)
def test_what_is_tried_is_what_the_router_does(one: Workflow, happened: dict[str, Any]) -> None:
    router = Router(topics=Topics(), workflows=lambda _: {"w": one}, installation=lambda: "inst")
    headers = ((h.TRIGGER, b"t"), (h.CONNECTION, b"acme"))
    record = Record(topic="stripe.customer-event", value=orjson.dumps(happened), headers=headers, timestamp=NOW_MS)
    decision = router.take(Runs(), record, NOW_MS)
    found = played(one, happened)
    verdicts = {
        "starts": {Verdict.STARTED}, "stops": {Verdict.STARTED}, "where_missing": {Verdict.WHERE_MISSING},
        "other_type": {Verdict.NO_RUN}, "where_false": {Verdict.NO_RUN},
    }  # fmt: skip
    assert decision.verdict in verdicts[found.outcome]
    commands = [orjson.loads(output.value) for output in decision.outputs if output.value]
    assert [one["input"] for one in commands] == [step.input for step in found.steps[:1]]
    assert [one["command_id"] for one in commands] == [step.command_id for step in found.steps[:1]]


def test_a_where_that_misses_says_what() -> None:
    found = played(*CASES["where misses"])
    assert "the event has no data.metadata.vip" in (found.reason or "")


def tried(one: Workflow, trigger: Trigger = CUSTOMERS) -> Trial:
    found = try_one("w", one, trigger)
    assert found is not None
    return found


def test_examples_say_how_many_match_and_stop() -> None:
    look = {"id": "look", "action": "stripe/retrieve-charge", "input": {"id": "=data.latest_charge"}}
    found = tried(workflow(look), PAYMENTS)
    assert (found.examples, found.matches, found.fails) == (8, 8, 7)
    (problem,) = found.problems
    assert (problem.warning, problem.place) == (True, ("workflows", "w", "steps", 0, "input", "id"))
    assert "7 of 8 example events that match would stop here" in problem.reason
    assert str(found) == "workflow/w matches 8 of 8 example events; 7 of them would stop"


@pytest.mark.parametrize(
    ("one", "place", "says"),
    [
        (workflow(where="data.email"), ("where",), "must be true or false, and is a text"),
        (workflow(where="data.balance > 'x'"), ("where",), "operand types"),
        (workflow({**CREATE, "input": {"email": "=data.balance"}}), ("steps", 0, "input", "email"), "a text is wanted"),
        (workflow({**CREATE, "input": {"name": "=data.email + 5"}}), ("steps", 0, "input", "name"), "data.email + 5"),
        (
            workflow({**CHARGE, "input": {"amount": "=data.email", "currency": "eur"}}),
            ("steps", 0, "input", "amount"),
            "gives a text: write '=int(data.email)'",
        ),
    ],
)
def test_what_always_fails_is_refused(one: Workflow, place: tuple[str | int, ...], says: str) -> None:
    only = one.model_copy(update={"types": ("customer.created",)})
    (problem,) = tried(only).problems
    assert (problem.warning, problem.place[2:]) == (False, place)
    assert says in problem.reason


def test_what_is_null_in_all_examples_is_only_doubted() -> None:
    given = {**CREATE, "input": {"name": "=data.description + '!'"}}
    (problem,) = tried(workflow(given, types=["customer.created"])).problems
    assert (problem.warning, "1 of 1 example events that match would stop here" in problem.reason) == (True, True)


def test_a_where_that_is_a_text_for_some_types_is_refused() -> None:
    found = tried(workflow(where="data.object == 'customer' ? true : data.id"))
    assert [(one.warning, one.place) for one in found.problems] == [(False, ("workflows", "w", "where"))]


@pytest.mark.parametrize(
    "where",
    [
        "data.metadata.vip == 'yes'",
        "has(data.metadata.vip)",
        "data.metadata.vip != 'no'",
        "int(data.metadata.fee) > 0",
        "data.email == 'nobody'",
    ],
)
def test_what_metadata_holds_is_no_fault(where: str) -> None:
    assert tried(workflow(where=where, types=["customer.created"])).problems == ()


def test_a_where_that_no_example_can_pass_is_doubted() -> None:
    (problem,) = tried(workflow(where="data.new_field == 1", types=["customer.created"])).problems
    assert (problem.warning, "matches none of 1 example events" in problem.reason) == (True, True)


def test_only_known_triggers_and_types_are_tried() -> None:
    assert try_all({"w": workflow()}, {}) == []
    assert try_all({"w": workflow(types=["customer.new_thing"])}, {"t": CUSTOMERS}) == []
    assert [one.workflow for one in try_all({"w": workflow()}, {"t": CUSTOMERS})] == ["w"]


def test_every_known_type_has_an_example() -> None:
    for kind in ("stripe/payment-event", "stripe/charge-event", "stripe/customer-event"):
        types = wanted_types(kind, workflow())
        assert {one["type"] for one in example_events(types)} == set(types)


def test_an_event_goes_to_the_triggers_of_its_family() -> None:
    triggers = {"t": CUSTOMERS, "u": CUSTOMERS, "p": PAYMENTS}
    found = try_event(event(id="cus_1"), triggers, {"w": workflow()}, NOW_MS)
    assert [(one.trigger, one.topic, one.key, len(one.played)) for one in found] == [
        ("t", "customer-event", "cus_1", 1), ("u", "customer-event", "cus_1", 0),
    ]  # fmt: skip
