"""Stripe's older and odder shapes, each with the outcome that `docs/for-other-teams.md` documents."""

import re
from typing import Any

import orjson
import pytest

from stripeline.contracts.deliveries.delivery_vocabulary import EventReason, IgnoredReason
from stripeline.ingest.routing import Ignored, Publication, Rejected
from tests.support.schemas import CONTRACTS, header_problems, problems
from tests.support.stripe_events import EVENT_TYPES, delivery, routed

DOCUMENT = CONTRACTS.parent / "docs" / "for-other-teams.md"
SUCCEEDED = "payment_intent.succeeded"
THIN: dict[str, Any] = {
    "id": "evt_test_1",
    "object": "v2.core.event",
    "type": "v1.payment_intent.succeeded",
    "created": "2026-09-21T14:13:20.000Z",
    "livemode": False,
    "related_object": {"id": "pi_1", "type": "payment_intent", "url": "/v1/payment_intents/pi_1"},
}


def value_of(**changes: Any) -> dict[str, Any]:
    """The published value of a delivery, which must be of the contract."""
    made = routed("payment-event", delivery(SUCCEEDED, **changes))
    assert isinstance(made, Publication)
    assert problems("payment-event", made.value) == []
    assert header_problems("event-headers", made.headers) == []
    found: dict[str, Any] = orjson.loads(made.value)
    return found


@pytest.mark.parametrize(
    ("sent", "written"),
    [
        ("req_old", {"id": "req_old", "idempotency_key": None}),
        ({"id": "req_1", "idempotency_key": "key"}, {"id": "req_1", "idempotency_key": "key"}),
        ({"id": None, "idempotency_key": None}, {"id": None, "idempotency_key": None}),
        (None, None),
        (..., None),
    ],
)
def test_request_is_an_object_or_null_whatever_its_age(sent, written):
    assert value_of(request=sent)["request"] == written


@pytest.mark.parametrize(
    ("sent", "written"), [("2011-01-01", "2011-01-01"), ("2026-06-24.dahlia",) * 2, (None, None), (..., None)]
)
def test_api_version_is_stripes_own_or_null(sent, written):
    assert value_of(api_version=sent)["api_version"] == written


def test_several_api_versions_at_once_each_keep_their_own_shape():
    shapes = {
        "2017-05-25": {"id": "pi_1", "object": "payment_intent", "charges": {"object": "list", "data": []}},
        "2022-11-15": {"id": "pi_1", "object": "payment_intent", "latest_charge": "ch_1"},
        None: {"id": "pi_1"},
    }
    found = [value_of(api_version=version, data={"object": shape}) for version, shape in shapes.items()]
    assert {one["api_version"]: one["data"] for one in found} == shapes
    assert {one["id"] for one in found} == {"evt_1"}


@pytest.mark.parametrize("named", ["account", "user_id"])
def test_the_account_of_an_old_version_is_in_account(named):
    assert value_of(**{named: "acct_1Old03"})["account"] == "acct_1Old03"


def test_the_context_of_an_organisation_is_kept():
    assert value_of(context="acct_1Org02")["context"] == "acct_1Org02"


@pytest.mark.parametrize("field", ["livemode", "account", "context", "previous_attributes"])
def test_what_stripe_does_not_send_is_left_out_and_never_null(field):
    assert field not in value_of(livemode=..., account=None, context=None)


def test_envelope_fields_outside_the_contract_are_dropped():
    found = value_of(pending_webhooks=3, reason={"type": "request"}, brand_new=1)
    assert set(found) == {"id", "type", "api_version", "created", "livemode", "data", "request"}


def test_a_type_that_is_new_in_a_family_is_published():
    made = routed("payment-event", delivery("payment_intent.brand_new"))
    assert isinstance(made, Publication)
    assert problems("payment-event", made.value) == []


@pytest.mark.parametrize("topic", EVENT_TYPES)
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"type": "v2.core.account.updated"},
        {"type": SUCCEEDED},
        {"type": "charge.failed"},
        {"type": "customer.created"},
        {"type": SUCCEEDED, "created": 1_790_000_000, "data": {"object": {"id": "pi_1"}}},
        {"type": None},
    ],
)
def test_a_thin_event_is_never_on_a_familys_topic(topic, changes):
    assert routed(topic, THIN | changes) == Rejected(reason=EventReason.THIN_EVENT)


@pytest.mark.parametrize("topic", EVENT_TYPES)
@pytest.mark.parametrize(
    "event_type",
    [
        "v1.payment_intent.succeeded",
        "v1.charge.failed",
        "v1.customer.created",
        "v2.core.account.updated",
        "invoice.paid",
        "customer_cash_balance_transaction.created",
    ],
)
def test_a_familys_topic_has_no_event_of_another_type(topic, event_type):
    body = delivery(SUCCEEDED, type=event_type)
    assert routed(topic, body) == Ignored(reason=IgnoredReason.OTHER_FAMILY)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"object": "v2.core.events"}, EventReason.NOT_AN_EVENT),
        ({"object": "event_notification"}, EventReason.NOT_AN_EVENT),
        ({"request": 7}, EventReason.BAD_REQUEST),
        ({"api_version": 20110101}, EventReason.BAD_API_VERSION),
        ({"created": "2026-09-21T14:13:20.000Z"}, EventReason.BAD_CREATED),
        ({"data": ...}, EventReason.BAD_DATA),
        ({"livemode": True}, EventReason.WRONG_MODE),
    ],
)
def test_what_is_no_event_is_refused_with_a_reason(changes, problem):
    assert routed("payment-event", delivery(SUCCEEDED, **changes)) == Rejected(reason=problem)


def test_the_document_names_every_outcome():
    section = DOCUMENT.read_text(encoding="utf-8").partition("## What may arrive")[2].partition("\n## ")[0]
    named = set(re.findall(r"`([a-z_]+)`", section))
    assert {reason.value for reason in IgnoredReason} <= named
    assert {"request", "api_version", "livemode", "account", "previous_attributes"} <= named
