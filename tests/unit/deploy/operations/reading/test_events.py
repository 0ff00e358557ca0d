"""Events as a person finds and sees them: by type, object and customer; personal data masked at any depth."""

from typing import Any

import orjson
import pytest
from msgspec.structs import replace

from stripeline.contracts import headers as h
from stripeline.contracts.internal_records import Run, RunStep
from stripeline.contracts.topics import Topics
from stripeline.deploy.operations.reading.customers import customers_of
from stripeline.deploy.operations.reading.event_filters import EventFilters, event_of
from stripeline.deploy.operations.reading.event_views import event_view
from stripeline.deploy.operations.reading.run_filters import RunFilters
from stripeline.deploy.operations.reading.topic_reader import Read

EVENT: dict[str, Any] = {
    "id": "evt_1",
    "type": "charge.dispute.created",
    "api_version": None,
    "created": 1_700_000_000,
    "livemode": False,
    "account": "acct_1",
    "request": {"id": None, "idempotency_key": "sk_live_hiddenhidden"},
    "data": {
        "id": "dp_1",
        "object": "dispute",
        "charge": {"id": "ch_1", "billing_details": {"name": "Ada"}, "receipt_email": None},
        "customer": "cus_1",
        "evidence": [{"shipping": {"city": "Ada's town"}}],
        "client_secret": "hidden",
    },
    "previous_attributes": {"email": "ada@example.com"},
}


def read(event: object = EVENT, **headers: bytes) -> Read:
    given = {"ce_id": b"evt_1", "ce_type": b"charge.dispute.created", "stripeline-trigger": b"pay"}
    given |= {"stripeline-connection": b"acme", **headers}
    value = event if isinstance(event, bytes) else orjson.dumps(event)
    return Read(
        topic="stripe.charge-event", partition=2, offset=5, at_ms=2_500, key=b"ch_1", value=value, headers=given
    )


@pytest.mark.parametrize(
    ("given", "passes"),
    [
        ({}, True),
        ({"id": "evt_1", "trigger": "pay", "connection": "acme", "account": "acct_1"}, True),
        ({"id": "evt_2"}, False),
        ({"types": ("charge.*",)}, True),
        ({"types": ("charge.refunded", "charge.dispute.*")}, True),
        ({"types": ("charge.dispute",)}, False),
        ({"types": ("payment_intent.*", "*")}, True),
        ({"trigger": "others"}, False),
        ({"connection": "others"}, False),
        ({"account": "acct_2"}, False),
        ({"object_id": "dp_1"}, True),
        ({"object_id": "ch_1"}, True),
        ({"object_id": "ch_2"}, False),
        ({"customer": "cus_1"}, True),
        ({"customer": "cus_2"}, False),
        ({"since_ms": 2_500, "until_ms": 2_500}, True),
        ({"since_ms": 2_501}, False),
        ({"until_ms": 2_499}, False),
    ],
)
def test_a_filter_passes_what_has_all_that_it_names(given: dict[str, Any], passes: bool) -> None:
    assert EventFilters(**given).match(read()) is passes


def test_a_customer_is_found_by_its_own_event() -> None:
    customer = {"data": {"id": "cus_1", "object": "customer", "customer": None}}
    assert EventFilters(customer="cus_1").match(read(customer))
    assert not EventFilters(customer="cus_1").match(read({"data": [1]}))
    assert event_of(read(b"not JSON")) == event_of(read(b"[]")) == {}


@pytest.mark.parametrize(
    ("types", "names"),
    [
        ((), {"charge", "customer", "payment"}),
        (("*",), {"charge", "customer", "payment"}),
        (("charge.refunded",), {"charge"}),
        (("payment_intent.*", "customer.*"), {"payment", "customer"}),
        (("c*",), {"charge", "customer"}),
        (("invoice.paid",), set()),
    ],
)
def test_only_the_topics_of_the_types_are_read(types: tuple[str, ...], names: set[str]) -> None:
    assert set(EventFilters(types=types).topics(Topics())) == {f"stripe.{name}-event" for name in names}


def test_an_audit_says_what_was_looked_for() -> None:
    assert EventFilters().words() == "all events"
    some = EventFilters(types=("charge.*", "*"), object_id="ch_1", since_ms=0)
    assert some.words() == "type charge.* *, object ch_1, since 1970-01-01T00:00:00.000Z"


def test_an_event_that_was_found_later_says_so() -> None:
    view = event_view(read(**{h.SOURCE: h.BACKFILL, h.LATE_BY: b"108000000"}))
    assert (view["source"], view["late_by_ms"]) == ("backfill", 108_000_000)


def test_an_event_has_the_promised_shape_and_masks_at_any_depth() -> None:
    view = event_view(read())
    masked = "…masked"
    assert view == {
        "event": "evt_1", "type": "charge.dispute.created", "trigger": "pay", "connection": "acme",
        "account": "acct_1", "context": None, "object": "dp_1", "customer": "cus_1", "key": "ch_1", "livemode": False,
        "api_version": None, "created_at": "2023-11-14T22:13:20.000Z", "received_at": "1970-01-01T00:00:02.500Z",
        "source": "delivery", "late_by_ms": None, "topic": "stripe.charge-event", "partition": 2, "offset": 5,
        "data": {
            "id": "dp_1", "object": "dispute", "customer": "cus_1", "evidence": [{"shipping": masked}],
            "charge": {"id": "ch_1", "billing_details": masked, "receipt_email": None}, "client_secret": masked,
        },
        "previous_attributes": {"email": masked},
        "request": {"id": None, "idempotency_key": f"sk_live_{masked}"},
    }  # fmt: skip


def test_unmasked_shows_personal_data_and_never_a_secret() -> None:
    view = event_view(read(), unmask=True)
    assert view["data"]["charge"]["billing_details"] == {"name": "Ada"}
    assert view["previous_attributes"] == {"email": "ada@example.com"}
    assert view["data"]["client_secret"] == "…masked"
    assert "hidden" not in str(view)


def test_a_record_that_is_no_event_is_shown_as_far_as_it_goes() -> None:
    view = event_view(read({"data": "x", "created": "soon"}))
    assert (view["event"], view["object"], view["created_at"], view["data"]) == (None, None, None, "x")


def run(**fields: Any) -> Run:
    given: dict[str, Any] = {
        "run_id": "evt_1:flow", "workflow": "flow", "trigger": "pay", "event_id": "evt_1", "event_type": "charge.x",
        "status": "running", "step": None, "error": None, "steps": (), "started_ms": 0, "finished_ms": None,
        "definition": None, "context": None,
    }  # fmt: skip
    return Run(**given | fields)


def test_a_run_is_about_the_customers_of_its_event_and_steps() -> None:
    step = RunStep(
        id="customer", action="stripe/create-customer", command_id="c", revision=0, status="succeeded",
        output={"id": "cus_2", "object": "customer"}, error=None, started_ms=0, finished_ms=0,
    )  # fmt: skip
    waiting = replace(step, status="waiting", output=None)
    about = run(context={"data": {"object": "charge", "customer": "cus_1"}}, steps=(step, waiting))
    assert customers_of(about) == {"cus_1", "cus_2"}
    assert customers_of(run()) == frozenset()
    assert RunFilters(customer="cus_2").match(about)
    assert not RunFilters(customer="cus_2").match(run())
