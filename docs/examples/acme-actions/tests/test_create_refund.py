"""The action's request and answer, without Stripe or Kafka: copy this for an action of your own."""

import pytest
from acme_actions.create_refund import ACTION

from stripeline.contracts.action import RefusedInput, Request
from stripeline.workers.actions import actions


def test_stripeline_finds_the_action():
    assert actions()["acme/create-refund"] is ACTION


def test_an_input_becomes_stripes_request():
    made = ACTION.request({"payment_intent": "pi_1", "amount": 500})
    assert made == Request(method="POST", path="/v1/refunds", params={"payment_intent": "pi_1", "amount": 500})


@pytest.mark.parametrize("given", [{}, {"payment_intent": "ch_1"}, {"payment_intent": "pi_1", "amount": 0}])
def test_a_wrong_input_is_refused_before_any_call(given):
    assert isinstance(ACTION.request(given), RefusedInput)


def test_an_answer_is_cut_to_the_output():
    answer = {"id": "re_1", "object": "refund", "amount": 500, "currency": "usd", "status": "pending"}
    found = ACTION.output.model_validate(
        {**answer, "payment_intent": "pi_1", "created": 1_790_000_000, "charge": "ch_1"}
    )
    assert found.model_dump() == {**answer, "payment_intent": "pi_1", "created": 1_790_000_000}
