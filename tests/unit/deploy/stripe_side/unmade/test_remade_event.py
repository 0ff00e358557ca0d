"""What is published of an event that Stripe failed to make, and what is refused."""

from dataclasses import replace
from typing import Any

import orjson
import pytest

from stripeline.contracts import headers as h
from stripeline.contracts.definitions import Connection, Definitions, Trigger
from stripeline.contracts.families import families
from stripeline.contracts.operator.control_records import ConnectionAccount
from stripeline.deploy.failure import FailureError
from stripeline.deploy.operations.reading.event_views import event_view
from stripeline.deploy.operations.reading.topic_reader import Read
from stripeline.deploy.stripe_side.unmade.remade_event import (
    UnmadeEvent,
    UnmadeNotice,
    doubts,
    read_notice,
    remade,
    trigger_of,
    unmade_event,
)

HEALTH = "v2.core.health.event_generation_failure.resolved"
CREATED_S = 1_796_032_800  # 2026-11-30T10:00:00Z
NOTICE = UnmadeNotice("evt_1", CREATED_S, livemode=True, connection="acme", account=None)
TYPE = "payment_intent.succeeded"
DEFINED = Definitions(
    connections={"acme": Connection(secret_key="sealed:v1:a:b", mode="live", hint="sk_live_…1234")},
    accounts={"acme": ConnectionAccount(account="acct_1Own", mode="live")},
    triggers={"payments": Trigger(kind="stripe/payment-event", connection="acme", mode="live")},
)


def notice(**changes: Any) -> Read:
    body = {"id": "evt_1", "object": "v2.core.event", "type": HEALTH, "created": "2026-11-30T10:00:00.000Z", **changes}
    headers = {h.TRIGGER: b"people", h.CONNECTION: b"acme"}
    return Read(topic="stripe.health-event", partition=1, offset=2, at_ms=5, key=b"evt_1", value=orjson.dumps(body),
                headers=headers)  # fmt: skip


def answer(
    event_type: str | None = TYPE, kind: object = "payment_intent", object_id: object = "pi_1", **changes: Any
) -> dict[str, Any]:
    """A notice as Stripe answers it; its address is a page of the dashboard."""
    named = {"id": object_id, "type": kind, "url": f"https://dashboard.stripe.com/payments/{object_id}"}
    impact = {"related_object": named} | ({} if event_type is None else {"event_type": event_type})
    return {"id": "evt_1", "object": "v2.core.event", "type": HEALTH, "data": {"impact": impact}, **changes}


def unmade(event_type: str = TYPE, kind: str = "payment_intent", object_id: str = "pi_1") -> UnmadeEvent:
    return unmade_event(NOTICE, answer(event_type, kind, object_id), None)


def intent(**fields: Any) -> dict[str, Any]:
    return {"id": "pi_1", "object": "payment_intent", "livemode": True, "amount": 900, **fields}


def test_a_notice_is_read_with_its_connection_and_time():
    assert read_notice(notice(), DEFINED) == NOTICE
    assert read_notice(notice(livemode=True, context="acct_1Own"), DEFINED) == NOTICE
    assert read_notice(notice(context="acct_1Shop"), DEFINED).account == "acct_1Shop"


@pytest.mark.parametrize(
    ("read", "why"),
    [
        (replace(notice(), value=b"{"), "can't be read"),
        (replace(notice(), value=None), "can't be read"),
        (notice(created="soon"), "can't be read"),
        (notice(created="2026-11-30T10:00:00"), "time is not Stripe's"),
        (notice(type="v1.payment_intent.succeeded"), "time is not Stripe's"),
        (notice(id="..."), "time is not Stripe's"),
        (replace(notice(), headers={}), "is not there any more"),
        (replace(notice(), headers={h.CONNECTION: b"gone"}), "is not there any more"),
        (notice(livemode=False), "of the other mode"),
        (notice(context="acct_1Own/acct_1Shop"), "no single account"),
        (notice(context="org_1"), "no single account"),
    ],
)
def test_a_notice_that_cannot_be_asked_about_is_refused(read: Read, why: str):
    with pytest.raises(FailureError, match=why):
        read_notice(read, DEFINED)


def test_a_test_of_the_dashboard_is_refused():
    test = DEFINED.connections["acme"].model_copy(update={"mode": "test"})
    with pytest.raises(FailureError, match="a test of Stripe's dashboard"):
        read_notice(notice(id="evt_00000000000000", livemode=False), replace(DEFINED, connections={"acme": test}))


@pytest.mark.parametrize(
    ("event_type", "kind", "object_id", "path"),
    [
        (TYPE, "payment_intent", "pi_1", "/v1/payment_intents/pi_1"),
        (f"v1.{TYPE}", "payment_intent", "pi_1", "/v1/payment_intents/pi_1"),
        ("charge.refunded", "charge", "ch_1", "/v1/charges/ch_1"),
        ("charge.refund.updated", "refund", "re_1", "/v1/refunds/re_1"),
        ("charge.dispute.created", "dispute", "du_1", "/v1/disputes/du_1"),
        ("customer.updated", "customer", "old-Customer_1", "/v1/customers/old-Customer_1"),
        ("customer.subscription.deleted", "subscription", "sub_1", "/v1/subscriptions/sub_1"),
    ],
)
def test_the_path_is_that_of_the_types_object(event_type: str, kind: str, object_id: str, path: str):
    """The address in the notice is never asked."""
    assert unmade(event_type, kind, object_id).path == path


def test_every_type_of_a_family_has_a_row():
    for family in families().values():
        for event_type in family.types_of("both"):
            with pytest.raises(FailureError, match="names nothing"):
                unmade_event(NOTICE, answer(event_type, kind=None), None)


@pytest.mark.parametrize(
    ("fetched", "why"),
    [
        (answer(id="evt_2"), "not the notice"),
        (answer(type="v1.charge.failed"), "not the notice"),
        (answer(kind="charge"), "names 'charge'"),
        (answer("charge.succeeded", "dispute", "du_1"), "about a charge, and it names 'dispute'"),
        (answer(object_id="pi_1/../../v1/balance"), "is no id"),
        (answer(object_id=""), "is no id"),
        (answer(object_id=None), "is no id"),
        (answer(data=None), "--type payment_intent.succeeded"),
        (answer("invoice.paid", "invoice", "in_1"), "no topic has events"),
        (answer("customer.tax_id.created", "tax_id", "txi_1"), "by its id alone"),
        (answer("customer.source.created", "source", "src_1"), "by its id alone"),
    ],
)
def test_what_does_not_fit_is_refused(fetched: dict[str, Any], why: str):
    with pytest.raises(FailureError, match=why):
        unmade_event(NOTICE, fetched, None)


def test_a_type_that_the_notice_does_not_say_is_to_be_named():
    assert unmade_event(NOTICE, answer(None), TYPE) == unmade()
    with pytest.raises(FailureError, match="name it, as in"):
        unmade_event(NOTICE, answer(None), None)
    with pytest.raises(FailureError, match=r"nearest is payment_intent\.succeeded"):
        unmade_event(NOTICE, answer(None), "payment_intent.suceeded")
    with pytest.raises(FailureError, match="--type says"):
        unmade_event(NOTICE, answer(), "payment_intent.canceled")


def test_one_trigger_of_the_family_takes_it_or_a_person_chooses():
    family, payments = families()["stripe/payment-event"], DEFINED.triggers["payments"]
    two = replace(DEFINED, triggers={"payments": payments, "more": payments})
    assert trigger_of(DEFINED, NOTICE, family, None) == "payments"
    assert trigger_of(two, NOTICE, family, "more") == "more"
    for defined, asked, why in (
        (two, None, "--trigger one of more, payments"),
        (two, "people", "no trigger 'people'"),
        (replace(DEFINED, triggers={}), None, "there is no trigger"),
        (replace(DEFINED, triggers={"payments": payments.model_copy(update={"connection": "b"})}), None, "no trigger"),
    ):
        with pytest.raises(FailureError, match=why):
            trigger_of(defined, NOTICE, family, asked)


def test_the_event_has_the_notices_id_and_time_and_says_so():
    record = remade(NOTICE, unmade(), intent(), "payments", CREATED_S * 1000 + 5_000)
    value, said = orjson.loads(record.value), h.read(record.headers)
    assert (record.topic, record.key) == ("payment-event", b"pi_1")
    assert (value["id"], value["type"], value["created"], value["data"]) == ("evt_1", TYPE, CREATED_S, intent())
    assert (value["livemode"], value["request"], "account" in value) == (True, None, False)
    assert (said["ce_id"], said[h.TRIGGER], said[h.CONNECTION]) == (b"evt_1", b"payments", b"acme")
    assert (said[h.SOURCE], said[h.LATE_BY], said[h.PAYLOAD]) == (b"notice", b"5000", b"object")


def test_published_twice_it_is_the_same_event():
    first, second = (remade(NOTICE, unmade(), intent(), "payments", CREATED_S * 1000 + at) for at in (0, 99_000))
    assert (first.topic, first.key, first.value) == (second.topic, second.key, second.value)


def test_an_event_of_a_connected_account_names_it():
    record = remade(NOTICE._replace(account="acct_1Shop"), unmade(), intent(), "payments", 0)
    assert orjson.loads(record.value)["account"] == "acct_1Shop"


@pytest.mark.parametrize("found", [intent(id="pi_2"), intent(object="charge"), intent(livemode=False), {}])
def test_an_answer_that_is_not_the_object_is_refused(found: dict[str, Any]):
    with pytest.raises(FailureError, match="Nothing was published"):
        remade(NOTICE, unmade(), found, "payments", 0)


def test_an_object_of_one_of_our_commands_is_said():
    ours = intent(metadata={"stripeline_command": "evt_0:thanks:deposit", "stripeline_installation": "shop"})
    assert doubts(unmade(), intent()) == ()
    assert "its own effect" in " ".join(doubts(unmade(), ours))
    assert doubts(unmade("payment_intent.created"), ours) == ()  # the router knows that one by itself
    assert doubts(unmade(), intent(deleted=True)) == ("The object was deleted since.",)


def test_an_event_of_a_notice_is_shown_as_one():
    record = remade(NOTICE, unmade(), intent(), "payments", CREATED_S * 1000)
    read = replace(notice(), topic="stripe.payment-event", value=record.value, headers=h.read(record.headers))
    assert (event_view(read)["source"], event_view(read)["late_by_ms"]) == ("notice", 0)
