"""The card's error table, and the nearest code for everything that the card does not name."""

import pytest

from stripeline.contracts.errors import BESIDE_THE_CARD, CARD, FAULTS, KEY_IN_USE, meaning_of
from stripeline.contracts.vocabulary import Code, Fault
from stripeline.workers.actions import actions

CREATE_INTENT, RETRIEVE, CREATE_CUSTOMER = (
    "stripe/create-payment-intent",
    "stripe/retrieve-charge",
    "stripe/create-customer",
)
THE_CARD = [
    (400, "VALIDATION_ERROR", False, {CREATE_INTENT, CREATE_CUSTOMER}),
    (401, "AUTH_EXPIRED", False, {CREATE_INTENT, RETRIEVE, CREATE_CUSTOMER}),
    (402, "PAYMENT_REQUIRED", False, {CREATE_INTENT}),
    (404, "NOT_FOUND", False, {CREATE_INTENT, RETRIEVE}),
    (409, "CONFLICT", False, {CREATE_INTENT, CREATE_CUSTOMER}),
    (429, "RATE_LIMITED", True, {CREATE_INTENT, RETRIEVE, CREATE_CUSTOMER}),
    (500, "PROVIDER_ERROR", True, {CREATE_INTENT, RETRIEVE, CREATE_CUSTOMER}),
]


@pytest.mark.parametrize(("status", "code", "retryable", "listed_for"), THE_CARD)
def test_a_row_of_the_card(status, code, retryable, listed_for):
    meaning = meaning_of(status)
    assert (meaning.code, meaning.retryable) == (code, retryable)
    assert {key for key, action in actions().items() if action.errors.get(status) == code} == listed_for


def test_the_card_names_these_statuses_and_no_other():
    assert list(CARD) == [status for status, *_ in THE_CARD]
    assert {status for action in actions().values() for status in action.errors} == set(CARD)
    assert not CARD.keys() & BESIDE_THE_CARD.keys()


def test_there_are_seven_codes_of_the_card_and_five_of_our_own():
    seven = [code for _, code, *_ in THE_CARD]
    ours = ["EXPIRED", "INDETERMINATE", "ACCOUNT_CHANGED", "CANCELLED", "RETRY_REFUSED"]
    assert [code.value for code in Code] == [*seven, *ours]
    assert all(code.value == code.name for code in Code)


@pytest.mark.parametrize(
    ("status", "code", "retryable"),
    [
        (403, "AUTH_EXPIRED", False), (408, "PROVIDER_ERROR", True), (424, "PROVIDER_ERROR", True),
        (425, "PROVIDER_ERROR", True), (502, "PROVIDER_ERROR", True), (503, "PROVIDER_ERROR", True),
        (504, "PROVIDER_ERROR", True), (405, "VALIDATION_ERROR", False), (499, "VALIDATION_ERROR", False),
        (501, "PROVIDER_ERROR", True), (599, "PROVIDER_ERROR", True), (600, "PROVIDER_ERROR", True),
        (100, "PROVIDER_ERROR", True), (302, "PROVIDER_ERROR", True), (0, "PROVIDER_ERROR", True),
    ],
)  # fmt: skip
def test_a_status_beside_the_card_gets_the_nearest_code(status, code, retryable):
    meaning = meaning_of(status)
    assert (meaning.code, meaning.retryable) == (code, retryable)


def test_every_status_has_one_of_the_cards_codes():
    seven = {meaning.code for meaning in CARD.values()}
    assert {meaning_of(status).code for status in range(1_000) if not 200 <= status < 300} == seven


def test_a_call_without_an_answer_is_a_retryable_provider_error():
    assert list(FAULTS) == list(Fault)
    assert {(meaning.code, meaning.retryable) for meaning in FAULTS.values()} == {("PROVIDER_ERROR", True)}
    assert [fault for fault in Fault if not FAULTS[fault].effect_possible] == [Fault.REFUSED]


def test_a_possible_effect_is_retried_with_its_key_or_by_people():
    """A failure that is final by itself never leaves a doubt."""
    everything = [*CARD.values(), *BESIDE_THE_CARD.values(), *FAULTS.values(), KEY_IN_USE]
    assert [meaning for meaning in everything if meaning.effect_possible and not meaning.retryable] == []


def test_an_answer_given_before_the_key_is_read_is_not_decisive():
    undecided = {status for status in range(300, 600) if not meaning_of(status).decisive}
    assert undecided == {401, 403, 425, 429}
