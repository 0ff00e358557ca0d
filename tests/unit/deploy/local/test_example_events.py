"""Example events are events of their family, and signed as Stripe signs."""

import orjson
import pytest
import stripe

from stripeline.contracts.families import family_of
from stripeline.deploy.local.example_events import example_event, sign

TYPES = [
    "payment_intent.succeeded",
    "payment_intent.payment_failed",
    "charge.failed",
    "charge.refunded",
    "charge.dispute.created",
    "customer.created",
    "customer.subscription.created",
]


@pytest.mark.parametrize("event_type", TYPES)
def test_an_example_is_an_event_with_a_subject(event_type: str) -> None:
    event = orjson.loads(example_event(event_type))
    family = family_of(event_type)
    assert event["type"] == event_type
    assert family is not None
    assert family.subject(event["data"]["object"])


def test_an_event_of_another_family_can_be_sent_too() -> None:
    event = orjson.loads(example_event("payout.paid"))
    assert family_of(event["type"]) is None


def test_overrides_lie_over_the_object_and_ids_differ() -> None:
    one, two = (orjson.loads(example_event("charge.failed", {"amount": 1}, created=5)) for _ in range(2))
    assert one["id"] != two["id"]
    assert (one["created"], one["data"]["object"]["amount"], one["data"]["object"]["paid"]) == (5, 1, False)


def test_stripes_own_library_accepts_the_signature() -> None:
    body = example_event("charge.failed", event_id="evt_1")
    header = sign(body, "whsec_abc", 1_000)
    assert stripe.WebhookSignature.verify_header(body.decode(), header, "whsec_abc", None)
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.WebhookSignature.verify_header(body.decode(), header, "whsec_other", None)
