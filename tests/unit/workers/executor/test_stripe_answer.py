"""Every answer of Stripe, and every way of having none, has one meaning."""

import orjson
import pytest

from stripeline.contracts.errors import meaning_of
from stripeline.contracts.vocabulary import Code, Fault
from stripeline.workers.actions import actions
from stripeline.workers.executor.stripe_answer import Failed, StripeAnswer, Succeeded, classify

CUSTOMER = {"id": "cus_1", "object": "customer", "email": None, "name": "Ada", "created": 5, "phone": "+1"}
CREATE = actions()["stripe/create-customer"]
RETRIEVE = actions()["stripe/retrieve-charge"]


def answer(status, body=None, **headers):
    raw = body if isinstance(body, bytes) else orjson.dumps(body or {})
    return StripeAnswer(status=status, headers={k.replace("_", "-"): v for k, v in headers.items()}, body=raw)


def fail(status, error=None, action=CREATE, **headers):
    body = {"error": {"type": "api_error", **(error or {})}}
    outcome = classify(action, answer(status, body, **headers))
    assert isinstance(outcome, Failed)
    return outcome


def test_a_success_is_cut_to_exactly_the_cards_fields():
    assert classify(CREATE, answer(200, CUSTOMER)) == Succeeded(
        output={"id": "cus_1", "object": "customer", "email": None, "name": "Ada", "created": 5}
    )


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b'{"id": "cus_1"}', b"\xff"])
def test_a_success_that_is_not_the_object_is_an_unknown_outcome(body):
    outcome = classify(CREATE, answer(200, body))
    assert isinstance(outcome, Failed)
    assert (outcome.retryable, outcome.unknown) == (True, True)
    assert outcome.error["http_status"] == 200


@pytest.mark.parametrize(
    ("status", "code", "retryable", "unknown"),
    [
        (400, "VALIDATION_ERROR", False, False),
        (401, "AUTH_EXPIRED", False, False),
        (402, "PAYMENT_REQUIRED", False, False),
        (403, "AUTH_EXPIRED", False, False),
        (404, "NOT_FOUND", False, False),
        (408, "PROVIDER_ERROR", True, True),
        (409, "CONFLICT", False, False),
        (418, "VALIDATION_ERROR", False, False),
        (424, "PROVIDER_ERROR", True, True),
        (425, "PROVIDER_ERROR", True, False),
        (429, "RATE_LIMITED", True, False),
        (500, "PROVIDER_ERROR", True, True),
        (502, "PROVIDER_ERROR", True, True),
        (503, "PROVIDER_ERROR", True, True),
        (504, "PROVIDER_ERROR", True, True),
        (599, "PROVIDER_ERROR", True, True),
        (301, "PROVIDER_ERROR", True, True),
        (700, "PROVIDER_ERROR", True, True),
    ],
)
def test_every_status_has_one_code(status, code, retryable, unknown):
    outcome = fail(status)
    assert (outcome.error["code"], outcome.retryable, outcome.unknown) == (code, retryable, unknown)
    assert outcome.error["http_status"] == status


@pytest.mark.parametrize("fault", list(Fault))
def test_a_read_never_has_an_unknown_effect(fault):
    outcome = classify(RETRIEVE, fault)
    assert isinstance(outcome, Failed)
    assert (outcome.retryable, outcome.unknown) == (True, False)


@pytest.mark.parametrize(("fault", "unknown"), [(Fault.REFUSED, False), (Fault.LOST, True), (Fault.UNREADABLE, True)])
def test_a_lost_answer_of_a_post_may_have_had_its_effect(fault, unknown):
    outcome = classify(CREATE, fault)
    assert isinstance(outcome, Failed)
    assert outcome.unknown is unknown


def test_stripe_should_retry_overrules_the_table_both_ways():
    assert fail(400, stripe_should_retry="true").retryable
    assert not fail(500, stripe_should_retry="false").retryable
    assert fail(500, stripe_should_retry="false").unknown


def test_an_earlier_attempt_that_still_runs_is_asked_again():
    assert fail(409, {"code": "idempotency_key_in_use"}).retryable
    assert not fail(409, {"code": "something_else"}).retryable


def test_the_old_rate_limit_code_is_a_429():
    assert fail(400, {"code": "rate_limit"}).error["code"] == Code.RATE_LIMITED


def test_a_stored_decline_will_not_change():
    assert not fail(402, idempotent_replayed="true").retryable
    assert fail(500, idempotent_replayed="true").retryable


def test_a_refusal_before_stripe_reads_the_key_decides_nothing():
    assert [fail(status).decisive for status in (401, 403, 429)] == [False] * 3
    assert [fail(status).decisive for status in (400, 402, 404, 409)] == [True] * 4


def test_an_idempotency_error_says_that_it_may_be_done():  # case G10
    found = fail(400, {"type": "idempotency_error"})
    assert (found.decisive, found.unknown, found.retryable) == (False, True, False)


NOT_STRIPES = {
    "nothing": b"",
    "html": b"<html><body>Log in</body></html>",
    "a list": b"[]",
    "an object": b"{}",
    "jwt": b'{"message": "Jwt is missing"}',
    "text": b'{"error": "text"}',
    "a gateway's error": b'{"error": {"code": 401, "message": "no", "status": "UNAUTHENTICATED"}}',
}


@pytest.mark.parametrize("action", [CREATE, RETRIEVE])
@pytest.mark.parametrize("body", NOT_STRIPES.values(), ids=NOT_STRIPES)
@pytest.mark.parametrize("status", [300, 302, 400, 401, 402, 403, 404, 405, 407, 409, 418, 429, 500, 502, 511, 999])
def test_an_answer_that_is_not_stripes_judges_nothing(status, body, action):
    outcome = classify(action, answer(status, body, stripe_should_retry="false", idempotent_replayed="true"))
    assert isinstance(outcome, Failed)
    assert (outcome.error["code"], outcome.error["http_status"]) == ("PROVIDER_ERROR", status)
    assert (outcome.retryable, outcome.unknown) == (True, action is CREATE)
    assert (outcome.decisive, outcome.stored) == (False, False)
    assert f"the answer, {status} (no server named), was not Stripe's" in outcome.error["message"]


@pytest.mark.parametrize(
    ("headers", "named"),
    [
        ({"server": "squid/5.7"}, "server squid/5.7"),
        ({"via": "1.1 proxy.corp:3128 (squid/5.7)"}, "via proxy.corp:3128"),
        ({"server": "nginx", "via": "HTTP/1.1 gw"}, "server nginx, via gw"),
        ({"server": f"sk_live_{'x' * 40}", "via": f"1.1 sk_live_{'x' * 40}"}, "server sk, via sk"),
        ({"server": "<b>", "via": "?"}, "no server named"),
    ],
)
def test_the_message_names_who_answered_and_no_secret(headers, named):
    outcome = classify(CREATE, answer(403, b"<html>", **headers))
    assert isinstance(outcome, Failed)
    assert f"403 ({named})" in outcome.error["message"]


def test_a_hops_retry_after_is_honoured():
    assert classify(CREATE, answer(503, b"", retry_after="3")).retry_after_ms == 3_000


@pytest.mark.parametrize(
    ("body", "whose"), [(b"<html>", "was not Stripe's"), (b'{"object":"charge"}', "Stripe's answer")]
)
def test_a_success_says_whose_it_is(body, whose):
    outcome = classify(CREATE, answer(200, body))
    assert isinstance(outcome, Failed)
    assert whose in outcome.error["message"]


@pytest.mark.parametrize(
    ("text", "wait_ms"), [("0", 0), ("3", 3_000), ("1000000000", 86_400_000), ("abc", 0), ("-1", 0), ("٣", 0), ("", 0)]
)
def test_retry_after_is_capped_and_garbage_is_ignored(text, wait_ms):
    assert fail(429, retry_after=text).retry_after_ms == wait_ms


def test_stripes_codes_are_kept_and_embedded_objects_are_not():
    outcome = fail(
        402,
        {
            "code": "card_declined",
            "decline_code": "insufficient_funds",
            "message": "Your card has insufficient funds.",
            "payment_intent": {"client_secret": "pi_1_secret_x"},
        },
        request_id="req_1",
    )
    assert outcome.error == {
        "code": "PAYMENT_REQUIRED",
        "message": "Your card has insufficient funds.",
        "retryable": False,
        "http_status": 402,
        "stripe_code": "card_declined",
        "decline_code": "insufficient_funds",
        "request_id": "req_1",
    }


def test_an_error_body_of_another_shape_is_no_fault():
    assert fail(400).error["message"] == "Stripe answered 400"
    assert fail(400, {"message": 5, "code": 7}).error == {
        "code": "VALIDATION_ERROR", "message": "Stripe answered 400", "retryable": False, "http_status": 400,
    }  # fmt: skip


def test_every_status_at_all_has_a_meaning():
    assert all(meaning_of(status).code in Code for status in range(1000))
