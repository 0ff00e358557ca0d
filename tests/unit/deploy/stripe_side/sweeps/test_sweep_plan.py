"""Whose events are listed, for which triggers, by which types, and from when on."""

from typing import Any

import pytest

from stripeline.contracts.definitions import Connection, Definitions, Endpoint, Trigger, Workflow
from stripeline.contracts.families import families
from stripeline.contracts.operator.control_records import ConnectionAccount, KeyRefusal, Pause
from stripeline.contracts.operator.stripe_side_records import Destination, Destinations, Sweep
from stripeline.deploy.stripe_side.sweeps import enrolment
from stripeline.deploy.stripe_side.sweeps.enrolment import FirstNote
from stripeline.deploy.stripe_side.sweeps.sweep_plan import MAX_TYPES, SweptTrigger, plans, questions

ACME = Connection(secret_key="sealed:v1:a:b", mode="live", hint="sk_live_…1234")
PAYMENTS, CUSTOMERS = "stripe/payment-event", "stripe/customer-event"


def trigger(kind: str = PAYMENTS, **others: object) -> Trigger:
    return Trigger.model_validate({"kind": kind, "connection": "acme", "mode": "live"} | others)


def endpoint(*triggers: str, connect: bool | None = None) -> Endpoint:
    return Endpoint(connection="acme", triggers=triggers, url="https://hooks.example.com", connect=connect)


def definitions(**parts: Any) -> Definitions:
    return Definitions(**({"connections": {"acme": ACME}, "triggers": {"pay": trigger()}} | parts))


def made(at_ms: int) -> Destinations:
    return Destinations(
        destinations=(Destination(id="we_1", payload="snapshot", connection="acme", signing_secret="x", made_ms=at_ms),)
    )


def swept(name: str, kind: str, types: tuple[str, ...] | None = None) -> SweptTrigger:
    return SweptTrigger(name, families()[kind], "snapshot", types or families()[kind].types, livemode=True)


def test_a_trigger_of_no_endpoint_takes_the_accounts_own_events():
    (plan,) = plans(definitions(accounts={"acme": ConnectionAccount(account="acct_1", mode="live")}))
    assert (plan.connection, plan.account) == ("acme", "acct_1")
    assert [one.name for one in plan.own] == ["pay"]
    assert plan.connected == ()


def test_an_endpoint_says_whose_events_its_triggers_take():
    triggers = {"pay": trigger(), "people": trigger(CUSTOMERS)}
    endpoints = {"platform": endpoint("pay", connect=True), "both": endpoint("pay", "people")}
    (plan,) = plans(definitions(triggers=triggers, endpoints=endpoints))
    assert [one.name for one in plan.own] == ["pay", "people"]
    assert [one.name for one in plan.connected] == ["pay"]
    (plan,) = plans(definitions(endpoints={"platform": endpoint("pay", connect=True)}))
    assert (plan.own, [one.name for one in plan.connected]) == ((), ["pay"])


def test_a_destination_says_since_when_it_is_there():
    both = {"platform": endpoint("pay", connect=True), "own": endpoint("pay")}
    (plan,) = plans(definitions(endpoints=both, destinations={"platform": made(9_000), "own": made(5_000)}))
    assert [one.made_s for one in (*plan.own, *plan.connected)] == [5, 9]


def test_a_paused_or_refused_connection_is_not_asked_about():
    assert plans(definitions(pauses={"connection/acme": Pause(by="a", why="b", at_ms=0)})) == ()
    refused = KeyRefusal(key_name=ACME.key_name, since_ms=0)
    assert plans(definitions(key_refusals={"acme": refused})) == ()
    assert len(plans(definitions(key_refusals={"acme": KeyRefusal(key_name="a former one", since_ms=0)}))) == 1
    assert len(plans(definitions(key_refusals={"acme/acct_2": refused}))) == 1


def test_a_connection_without_triggers_is_not_asked_about():
    assert plans(definitions(triggers={"pay": trigger(connection="other")})) == ()
    assert plans(definitions(), only="other") == ()


def test_a_question_has_at_most_twenty_types_of_one_family():
    asked = questions([swept("a", PAYMENTS), swept("b", CUSTOMERS), swept("c", PAYMENTS)])
    assert all(len(one.types) <= MAX_TYPES for one in asked)
    assert sorted(kind for one in asked for kind in one.types) == sorted(
        (*families()[PAYMENTS].types, *families()[CUSTOMERS].types)
    )
    assert all(len({kind.split(".")[0] for kind in one.types}) == 1 for one in asked)


def types_of(payload: str, kind: str = CUSTOMERS) -> dict[str, set[str]]:
    (plan,) = plans(definitions(triggers={"pay": trigger(kind, payload=payload)}))
    return {one.listed: set(one.types) for one in plan.own}


def test_each_list_is_asked_for_types_that_it_has():
    family = families()[CUSTOMERS]
    assert types_of("snapshot") == {"snapshot": set(family.types)}
    assert types_of("thin") == {"thin": {f"v1.{one}" for one in family.types_of("thin")}}
    assert types_of("both") == {"snapshot": set(family.types), "thin": {f"v1.{one}" for one in family.thin_only}}
    assert types_of("both", PAYMENTS)["thin"] == set()


def test_a_trigger_takes_exact_types_of_its_list():
    pay = swept("a", PAYMENTS, ("payment_intent.created",))
    assert pay.takes("snapshot", "payment_intent.created")
    assert not pay.takes("snapshot", "payment_intent.succeeded")
    assert not pay.takes("thin", "payment_intent.created")


def flow(*types: str) -> Workflow:
    step = {"id": "one", "action": "stripe/create-customer", "input": {}}
    return Workflow.model_validate({"trigger": "pay", "types": types, "steps": [step]})


def test_an_endpoints_trigger_has_types_that_workflows_want():
    flows = {"a": flow("payment_intent.succeeded"), "b": flow("payment_intent.canceled")}
    (plan,) = plans(definitions(endpoints={"own": endpoint("pay")}, workflows=flows))
    assert plan.own[0].types == ("payment_intent.canceled", "payment_intent.succeeded")
    (plan,) = plans(definitions(endpoints={"own": endpoint("pay")}))
    assert plan.own[0].types == families()[PAYMENTS].types
    (plan,) = plans(definitions(workflows=flows))
    assert plan.own[0].types == families()[PAYMENTS].types


SWEEP = Sweep(mode="live", settled_upto_s=50, closed_upto_s=50, at_ms=0)


def since(sweep: Sweep) -> dict[str, int]:
    return {one.trigger: one.since_s for one in sweep.triggers}


def test_a_type_that_is_asked_for_later_begins_then():
    stored = {"endpoints": {"own": endpoint("pay")}, "destinations": {"own": made(5_000)}}
    (before,) = plans(definitions(**stored, workflows={"a": flow("payment_intent.succeeded")}))
    (after,) = plans(definitions(**stored, workflows={"a": flow("payment_intent.*")}))
    known = enrolment.enrolled(SWEEP, before, {}, 100)
    later = enrolment.enrolled(known, after, {}, 200)
    begun = enrolment.since_of(later, after.own[0])
    assert begun == dict.fromkeys(families()[PAYMENTS].types, 200) | {"payment_intent.succeeded": 100}
    assert since(enrolment.enrolled(later, before, {}, 300)) == {"pay": 100}


def test_a_hand_made_endpoint_is_swept_from_its_first_event():
    (plan,) = plans(definitions())
    assert enrolment.enrolled(SWEEP, plan, {}, 100) is SWEEP
    assert enrolment.unproved(SWEEP, plan) == ("pay",)
    known = enrolment.enrolled(SWEEP, plan, {"pay": FirstNote(90, None), "gone": FirstNote(1, None)}, 100)
    assert since(known) == {"pay": 90}
    assert enrolment.unproved(known, plan) == ()
    assert enrolment.enrolled(known, plan, {"pay": FirstNote(95, None)}, 200) is known


def test_a_made_destination_is_swept_from_the_first_look():
    stored = definitions(endpoints={"own": endpoint("pay")}, destinations={"own": made(5_000)})
    (plan,) = plans(stored)
    known = enrolment.enrolled(SWEEP, plan, {}, 100)
    assert since(known) == {"pay": 100}
    assert enrolment.enrolled(known, plan, {}, 200) is known


def test_an_endpoint_that_is_not_made_is_proved_by_an_event():
    (plan,) = plans(definitions(endpoints={"own": endpoint("pay")}))
    assert enrolment.enrolled(SWEEP, plan, {}, 100) is SWEEP
    assert since(enrolment.enrolled(SWEEP, plan, {"pay": FirstNote(90, None)}, 100)) == {"pay": 90}


def test_events_of_connected_accounts_prove_nothing_of_the_own():
    (plan,) = plans(definitions(accounts={"acme": ConnectionAccount(account="acct_1", mode="live")}))
    notes = {"pay": FirstNote(90, "acct_2")}
    assert enrolment.enrolled(SWEEP, plan, notes, 100) is SWEEP
    assert enrolment.of_connected_accounts(plan, notes) == ("pay",)
    assert since(enrolment.enrolled(SWEEP, plan, {"pay": FirstNote(90, "acct_1")}, 100)) == {"pay": 90}


def test_no_event_proves_an_endpoint_of_connected_accounts():
    stored = definitions(endpoints={"platform": endpoint("pay", connect=True)})
    (plan,) = plans(stored)
    assert enrolment.enrolled(SWEEP, plan, {"pay": FirstNote(90, "acct_2")}, 100) is SWEEP


@pytest.mark.parametrize(
    "others",
    [
        {"triggers": {"pay": trigger(CUSTOMERS)}},
        {"triggers": {"pay": trigger(payload="thin")}},
        {"endpoints": {"own": endpoint("pay", connect=True)}},
    ],
)
def test_a_trigger_of_another_kind_begins_again(others: dict[str, object]):
    stored = {"endpoints": {"own": endpoint("pay")}, "destinations": {"own": made(5_000)}}
    (before,), (after,) = plans(definitions(**stored)), plans(definitions(**stored | others))
    known = enrolment.enrolled(SWEEP, before, {}, 100)
    assert since(enrolment.enrolled(known, after, {}, 200)) == {"pay": 200}


def test_a_trigger_that_is_gone_begins_again():
    both = definitions(triggers={"pay": trigger(), "people": trigger(CUSTOMERS)})
    (plan,), (later,) = plans(both), plans(definitions(triggers={"people": trigger(CUSTOMERS)}))
    known = enrolment.enrolled(SWEEP, plan, {"pay": FirstNote(90, None), "people": FirstNote(95, None)}, 100)
    assert since(known) == {"pay": 90, "people": 95}
    assert since(enrolment.enrolled(known, later, {}, 200)) == {"people": 95}
