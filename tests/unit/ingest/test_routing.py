from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripeline.contracts import headers as names
from stripeline.contracts.deliveries.delivery_vocabulary import EventReason, IgnoredReason
from stripeline.contracts.deliveries.trigger_output import output, problem_of
from stripeline.contracts.records import Event
from stripeline.ingest.routing import Ignored, Publication, Rejected, route
from stripeline.ingest.webhook_path import PathView
from tests.support.webhook_paths import own_path

PAYMENT, CHARGE, CUSTOMER = "stripe/payment-event", "stripe/charge-event", "stripe/customer-event"

TYPES = {
    PAYMENT: """amount_capturable_updated canceled created partially_funded payment_failed processing requires_action
        succeeded""",
    CHARGE: """captured dispute.closed dispute.created dispute.funds_reinstated dispute.funds_withdrawn dispute.updated
        expired failed pending refund.updated refunded succeeded updated brand_new""",
    CUSTOMER: """created deleted updated discount.created discount.deleted discount.updated source.created
        source.deleted source.expiring source.updated subscription.created subscription.deleted subscription.paused
        subscription.pending_update_applied subscription.pending_update_expired subscription.resumed
        subscription.trial_will_end subscription.updated tax_id.created tax_id.deleted tax_id.updated""",
}
PREFIXES = {PAYMENT: "payment_intent.", CHARGE: "charge.", CUSTOMER: "customer."}
EVERY_TYPE = [(kind, PREFIXES[kind] + name) for kind, listed in TYPES.items() for name in listed.split()]

OBJECTS: dict[str, dict[str, Any]] = {
    "payment_intent": {"id": "pi_1", "object": "payment_intent", "amount": 5000},
    "charge": {"id": "ch_1", "object": "charge", "customer": "cus_9"},
    "dispute": {"id": "dp_1", "object": "dispute", "charge": "ch_1"},
    "refund": {"id": "re_1", "object": "refund", "charge": {"id": "ch_1", "object": "charge"}},
    "customer": {"id": "cus_1", "object": "customer"},
    "discount": {"id": "di_1", "object": "discount", "customer": "cus_1"},
    "source": {"id": "src_1", "object": "source", "customer": "cus_1"},
    "subscription": {"id": "sub_1", "object": "subscription", "customer": "cus_1"},
    "tax_id": {"id": "txi_1", "object": "tax_id", "customer": "cus_1"},
}
SUBJECTS = {PAYMENT: b"pi_1", CHARGE: b"ch_1", CUSTOMER: b"cus_1"}


def trigger(kind: str = PAYMENT, *, livemode: bool | None = False) -> PathView:
    return own_path(name="acme-main", family_kind=kind, connection="acme", livemode=livemode, secrets=(b"whsec_x",))


def event(**changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "id": "evt_1",
        "object": "event",
        "type": "payment_intent.succeeded",
        "api_version": "2026-06-24.dahlia",
        "created": 1_790_000_000,
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": "req_1", "idempotency_key": "key"},
        "data": {"object": OBJECTS["payment_intent"]},
    }
    return {name: value for name, value in (made | changes).items() if value is not ...}


def routed(body: bytes | dict[str, Any], of: PathView | None = None) -> Publication | Ignored | Rejected:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return route(raw, path=of or trigger(), received_at_ms=1_790_000_000_123, traceparent=b"00-trace")


def published(body: bytes | dict[str, Any], of: PathView | None = None) -> Publication:
    found = routed(body, of)
    assert isinstance(found, Publication)
    return found


def object_of(event_type: str) -> dict[str, Any]:
    family, *rest = event_type.split(".")
    return OBJECTS[rest[0] if len(rest) > 1 else family]


@pytest.mark.parametrize(("kind", "event_type"), EVERY_TYPE)
def test_every_type_goes_to_its_familys_topic_under_its_subject(kind: str, event_type: str) -> None:
    record = published(event(type=event_type, data={"object": object_of(event_type)}), trigger(kind))
    assert record.topic == kind.removeprefix("stripe/")
    assert record.key == SUBJECTS[kind]
    assert Event.model_validate_json(record.value).type == event_type


def test_there_are_the_42_published_types_and_one_that_is_new() -> None:
    assert len(EVERY_TYPE) == 42 + 1


@pytest.mark.parametrize(
    ("kind", "event_type"),
    [
        (CUSTOMER, "customer_cash_balance_transaction.created"),
        (CUSTOMER, "customer"),
        (PAYMENT, "invoice.paid"),
        (PAYMENT, "charge.succeeded"),
        (CHARGE, "payment_intent.succeeded"),
        ("stripe/no-such-family", "payment_intent.succeeded"),
    ],
)
def test_another_familys_event_is_ignored(kind: str, event_type: str) -> None:
    assert routed(event(type=event_type), trigger(kind)) == Ignored(reason=IgnoredReason.OTHER_FAMILY)


def test_a_thin_event_is_refused_and_not_lost() -> None:
    thin = {"id": "evt_1", "object": "v2.core.event", "type": "v1.charge.failed", "created": "2026-01-01T00:00:00Z"}
    assert routed(thin) == Rejected(reason=EventReason.THIN_EVENT)


def test_the_ping_of_a_destination_is_no_event() -> None:
    ping = {"id": "evt_1", "object": "v2.core.event", "type": "v2.core.event_destination.ping", "created": "2026-01-01"}
    assert routed(ping) == Ignored(reason=IgnoredReason.PING)


def test_the_value_is_the_cards_trigger_output() -> None:
    assert orjson.loads(published(event()).value) == {
        "id": "evt_1",
        "type": "payment_intent.succeeded",
        "api_version": "2026-06-24.dahlia",
        "created": 1_790_000_000,
        "livemode": False,
        "data": OBJECTS["payment_intent"],
        "request": {"id": "req_1", "idempotency_key": "key"},
    }


def test_what_stripe_sends_besides_is_added() -> None:
    data = {"object": OBJECTS["payment_intent"], "previous_attributes": {"amount": 1}}
    value = orjson.loads(published(event(data=data, account="acct_1")).value)
    assert (value["previous_attributes"], value["account"]) == ({"amount": 1}, "acct_1")


@pytest.mark.parametrize(
    ("sent", "written"),
    [
        (None, None),
        (..., None),
        ("req_1", {"id": "req_1", "idempotency_key": None}),
        ({"id": None, "idempotency_key": None}, {"id": None, "idempotency_key": None}),
    ],
)
def test_request_is_an_object_or_null(sent: Any, written: Any) -> None:
    assert orjson.loads(published(event(request=sent)).value)["request"] == written


def test_what_may_be_absent() -> None:
    value = orjson.loads(published(event(api_version=None, livemode=..., account=None)).value)
    assert value["api_version"] is None
    assert not {"livemode", "account", "previous_attributes"} & set(value)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", EventReason.NOT_JSON),
        (b"not json", EventReason.NOT_JSON),
        (b'{"id": "evt_1"', EventReason.NOT_JSON),
        (b"\xff\xfe", EventReason.NOT_JSON),
        (b'{"id": NaN}', EventReason.NOT_JSON),
        (b'{"id": "\\ud800"}', EventReason.NOT_JSON),
        (b"[" * 5_000 + b"]" * 5_000, EventReason.NOT_JSON),
        (b"1" * 5_000, EventReason.NOT_JSON),
        (b"null", EventReason.NOT_AN_EVENT),
        (b"[]", EventReason.NOT_AN_EVENT),
        (b"1", EventReason.NOT_AN_EVENT),
        (b'"x"', EventReason.NOT_AN_EVENT),
        (b"{}", EventReason.NOT_AN_EVENT),
        (event(object="charge"), EventReason.NOT_AN_EVENT),
        (event(object=["event"]), EventReason.NOT_AN_EVENT),
        (event(id=...), EventReason.BAD_ID),
        (event(id=7), EventReason.BAD_ID),
        (event(id=""), EventReason.BAD_ID),
        (event(id="evt 1"), EventReason.BAD_ID),
        (event(id="evt_1\n"), EventReason.BAD_ID),
        (event(id="e" * 129), EventReason.BAD_ID),
        (event(id="é"), EventReason.BAD_ID),
        (event(type=...), EventReason.BAD_TYPE),
        (event(type=None), EventReason.BAD_TYPE),
        (event(type="Charge.x"), EventReason.BAD_TYPE),
        (event(type="charge.x\n"), EventReason.BAD_TYPE),
        (event(type="charge." + "x" * 194), EventReason.BAD_TYPE),
        (event(created=...), EventReason.BAD_CREATED),
        (event(created="1790000000"), EventReason.BAD_CREATED),
        (event(created=1.5), EventReason.BAD_CREATED),
        (event(created=True), EventReason.BAD_CREATED),
        (event(created=-1), EventReason.BAD_CREATED),
        (event(created=253_402_300_800), EventReason.BAD_CREATED),
        (event(livemode="false"), EventReason.BAD_LIVEMODE),
        (event(livemode=1), EventReason.BAD_LIVEMODE),
        (event(api_version=1), EventReason.BAD_API_VERSION),
        (event(request=[]), EventReason.BAD_REQUEST),
        (event(account={}), EventReason.BAD_ACCOUNT),
        (event(user_id=7), EventReason.BAD_ACCOUNT),
        (event(data=...), EventReason.BAD_DATA),
        (event(data=None), EventReason.BAD_DATA),
        (event(data={"object": None}), EventReason.BAD_DATA),
        (event(data={"object": []}), EventReason.BAD_DATA),
        (event(data={"object": {}, "previous_attributes": 1}), EventReason.BAD_DATA),
        (event(livemode=True), EventReason.WRONG_MODE),
    ],
)
def test_what_is_no_event_and_why(body: bytes | dict[str, Any], problem: EventReason) -> None:
    assert routed(body) == Rejected(reason=problem)


def test_what_can_be_read_but_not_written_is_refused() -> None:
    deep = b'{"a":' * 300 + b"1" + b"}" * 300
    body = orjson.dumps(event(data={"object": {"id": "pi_1"}})).replace(b'"pi_1"', deep)
    assert routed(body) == Rejected(reason=EventReason.TOO_DEEP)


def test_an_event_of_no_family_must_be_an_event_all_the_same() -> None:
    assert routed(event(type="invoice.paid", created="x")) == Rejected(reason=EventReason.BAD_CREATED)


@pytest.mark.parametrize(
    ("sent", "expected"), [(True, True), (False, False), (True, None), (False, None), (..., True), (None, False)]
)
def test_modes_that_go_together(sent: bool | None, expected: bool | None) -> None:
    assert isinstance(routed(event(livemode=sent), trigger(livemode=expected)), Publication)


@pytest.mark.parametrize("named", ["account", "user_id"])
def test_the_account_is_the_connected_one(named: str) -> None:
    assert orjson.loads(published(event(**{named: "acct_1Old03"})).value)["account"] == "acct_1Old03"


@pytest.mark.parametrize("named", ["account", "user_id"])
def test_a_test_event_at_a_live_connect_endpoint_is_taken(named: str) -> None:
    sent = event(livemode=False, **{named: "acct_1Conn01"})
    assert routed(sent, trigger(livemode=True)) == Ignored(reason=IgnoredReason.WRONG_MODE)


def test_a_live_event_at_a_test_endpoint_is_refused() -> None:
    sent = event(livemode=True, account="acct_1Conn01")
    assert routed(sent, trigger(livemode=False)) == Rejected(reason=EventReason.WRONG_MODE)


@pytest.mark.parametrize("sent", [True, False])
def test_the_other_mode_is_refused(sent: bool) -> None:
    assert routed(event(livemode=sent), trigger(livemode=not sent)) == Rejected(reason=EventReason.WRONG_MODE)


@pytest.mark.parametrize(
    ("kind", "event_type", "data", "key"),
    [
        (PAYMENT, "payment_intent.created", {}, b"evt_1"),
        (PAYMENT, "payment_intent.created", {"id": 5}, b"evt_1"),
        (CHARGE, "charge.refund.updated", {"id": "re_1", "object": "refund", "charge": None}, b"re_1"),
        (CUSTOMER, "customer.discount.created", {"object": "discount", "customer": None}, b"evt_1"),
    ],
)
def test_the_key_where_there_is_no_subject(kind: str, event_type: str, data: dict[str, Any], key: bytes) -> None:
    assert published(event(type=event_type, data={"object": data}), trigger(kind)).key == key


def test_the_headers() -> None:
    record = published(event())
    assert names.read(record.headers) == {
        "ce_specversion": b"1.0",
        "ce_id": b"evt_1",
        "ce_type": b"payment_intent.succeeded",
        "ce_source": b"/stripeline/triggers/acme-main",
        "ce_time": b"2026-09-21T14:13:20.000Z",
        "content-type": b"application/json",
        "traceparent": b"00-trace",
        "stripeline-trigger": b"acme-main",
        "stripeline-connection": b"acme",
    }
    assert record.timestamp_ms == 1_790_000_000_123


def test_a_refusal_shows_nothing_of_the_body() -> None:
    assert "hunter2" not in repr(routed(event(id="hunter2 hunter2")))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3),
)


@given(name=st.sampled_from(sorted(event())), value=json_values)
def test_no_field_can_make_it_raise(name: str, value: Any) -> None:
    found = routed(orjson.dumps(event(**{name: value})), trigger(livemode=None))
    if isinstance(found, Publication):
        Event.model_validate_json(found.value, strict=True)


@given(st.binary(max_size=100))
def test_no_bytes_can_make_it_raise(body: bytes) -> None:
    assert not isinstance(routed(body), Publication)


@given(st.sampled_from(EVERY_TYPE))
def test_the_output_is_the_published_model(typed: tuple[str, str]) -> None:
    made = event(type=typed[1], account="acct_1", context="acct_1", data={"object": {}, "previous_attributes": {}})
    assert problem_of(made) is None
    assert set(output(made)) == set(Event.model_fields)
