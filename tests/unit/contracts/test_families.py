"""Which topic an event type goes to, and what its record is about."""

import pytest

from stripeline.contracts.families import families, family_of, text

STRIPE_SAYS = {
    "stripe/charge-event": (
        "charge.captured", "charge.dispute.closed", "charge.dispute.created", "charge.dispute.funds_reinstated",
        "charge.dispute.funds_withdrawn", "charge.dispute.updated", "charge.expired", "charge.failed",
        "charge.pending", "charge.refund.updated", "charge.refunded", "charge.succeeded", "charge.updated",
    ),
    "stripe/customer-event": (
        "customer.created", "customer.deleted", "customer.discount.created", "customer.discount.deleted",
        "customer.discount.updated", "customer.source.created", "customer.source.deleted",
        "customer.source.expiring", "customer.source.updated", "customer.subscription.created",
        "customer.subscription.deleted", "customer.subscription.paused",
        "customer.subscription.pending_update_applied", "customer.subscription.pending_update_expired",
        "customer.subscription.resumed", "customer.subscription.trial_will_end", "customer.subscription.updated",
        "customer.tax_id.created", "customer.tax_id.deleted", "customer.tax_id.updated", "customer.updated",
    ),
    "stripe/payment-event": (
        "payment_intent.amount_capturable_updated", "payment_intent.canceled", "payment_intent.created",
        "payment_intent.partially_funded", "payment_intent.payment_failed", "payment_intent.processing",
        "payment_intent.requires_action", "payment_intent.succeeded",
    ),
}  # fmt: skip
"""All of https://docs.stripe.com/api/events/types that are of the three families."""

EVERY_TYPE = [(event_type, kind) for kind, types in STRIPE_SAYS.items() for event_type in types]


def kind_of(event_type):
    family = family_of(event_type)
    return None if family is None else family.kind


def test_there_are_forty_two_types_in_three_families():
    assert len(dict(EVERY_TYPE)) == 42
    assert list(families()) == ["stripe/charge-event", "stripe/customer-event", "stripe/payment-event"]


@pytest.mark.parametrize(("event_type", "kind"), EVERY_TYPE)
def test_every_type_that_stripe_lists_has_its_family(event_type, kind):
    assert kind_of(event_type) == kind


@pytest.mark.parametrize(
    ("event_type", "kind"),
    [
        ("payment_intent.invented_in_2031", "stripe/payment-event"),
        ("charge.a.b.c", "stripe/charge-event"),
        ("customer.", "stripe/customer-event"),
    ],
)
def test_a_subtype_that_stripe_adds_later_goes_to_its_family(event_type, kind):
    assert kind_of(event_type) == kind


@pytest.mark.parametrize(
    "event_type",
    [
        # The trap: the family's word, and something else than a dot.
        "customer_cash_balance_transaction.created", "charged.succeeded", "charges.succeeded",
        "payment_intents.created", "customer", "charge", "payment_intent", "payment_method.attached",
        "setup_intent.succeeded", "invoice.paid", "Charge.succeeded", " charge.succeeded", "a.charge.succeeded", "",
    ],
)  # fmt: skip
def test_another_familys_event_has_no_family(event_type):
    assert kind_of(event_type) is None


@pytest.mark.parametrize("kind", STRIPE_SAYS)
def test_the_topic_is_the_triggers_key_without_its_first_word(kind):
    assert f"stripe/{families()[kind].topic}" == kind


@pytest.mark.parametrize(
    ("kind", "data", "subject"),
    [
        ("stripe/payment-event", {"id": "pi_1", "object": "payment_intent", "customer": "cus_1"}, "pi_1"),
        ("stripe/payment-event", {"object": "payment_intent"}, None),
        ("stripe/charge-event", {"id": "ch_1", "object": "charge", "customer": "cus_1"}, "ch_1"),
        ("stripe/charge-event", {"id": "ch_1", "object": "charge", "charge": "ch_other"}, "ch_1"),
        ("stripe/charge-event", {"id": "dp_1", "object": "dispute", "charge": "ch_1"}, "ch_1"),
        ("stripe/charge-event", {"id": "re_1", "object": "refund", "charge": "ch_1"}, "ch_1"),
        ("stripe/charge-event", {"id": "re_1", "object": "refund", "charge": {"id": "ch_1", "paid": True}}, "ch_1"),
        ("stripe/charge-event", {"id": "re_1", "object": "refund", "charge": None}, "re_1"),
        ("stripe/charge-event", {"id": "re_1", "object": "refund"}, "re_1"),
        ("stripe/customer-event", {"id": "cus_1", "object": "customer"}, "cus_1"),
        ("stripe/customer-event", {"id": "cus_1", "object": "customer", "customer": "cus_other"}, "cus_1"),
        ("stripe/customer-event", {"id": "sub_1", "object": "subscription", "customer": "cus_1"}, "cus_1"),
        ("stripe/customer-event", {"id": "card_1", "object": "card", "customer": "cus_1"}, "cus_1"),
        ("stripe/customer-event", {"id": "txi_1", "object": "tax_id", "customer": {"id": "cus_1"}}, "cus_1"),
        ("stripe/customer-event", {"id": "src_1", "object": "source"}, "src_1"),
        ("stripe/customer-event", {"id": "src_1", "object": "source", "customer": {"name": "no id"}}, "src_1"),
        ("stripe/customer-event", {"object": "discount"}, None),
        ("stripe/customer-event", {}, None),
    ],
)
def test_the_subject_is_the_familys_object_or_the_objects_own_id(kind, data, subject):
    assert families()[kind].subject(data) == subject


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("ch_1", "ch_1"), ({"id": "ch_1"}, "ch_1"), ("", None), (None, None), (5, None), ([], None), ({}, None),
        ({"id": 5}, None), ({"id": ""}, None), ({"id": {"id": "ch_1"}}, None), (True, None),
    ],
)  # fmt: skip
def test_an_id_is_a_text_or_the_expanded_object_that_carries_it(value, expected):
    assert text(value) == expected
