"""What a person sees: the promised shapes, times in RFC 3339, and no secret."""

from typing import Any

import orjson
import pytest
from msgspec.structs import replace

from stripeline.contracts import headers
from stripeline.contracts.masking import mask, mask_text
from stripeline.deploy.operations.reading.topic_reader import Read
from stripeline.deploy.operations.reading.views import (
    Filters,
    dead_letter_details,
    dead_letter_of,
    dead_letter_view,
    run_of,
    run_view,
)

ERROR = {"code": "RATE_LIMITED", "message": "slow", "retryable": True}
STEP = {
    "id": "pay",
    "action": "stripe/create-payment-intent",
    "command_id": "evt_1:flow:pay",
    "revision": 0,
    "status": "succeeded",
    "output": {"id": "pi_1", "client_secret": "pi_1_secret_hidden"},
    "error": None,
    "started_at": 1_000,
    "finished_at": None,
}
RUN = {
    "run": "evt_1:flow",
    "workflow": "flow",
    "trigger": "pay",
    "event": "evt_1",
    "event_type": "payment_intent.succeeded",
    "status": "stopped",
    "step": "pay",
    "error": ERROR,
    "steps": [STEP],
    "started_at": 1_000,
    "finished_at": 2_500,
    "definition": [],
    "context": {"data": {"client_secret": "pi_1_secret_hidden"}},
}
COMMAND = {"command_id": "c1", "action": "stripe/create-customer", "connection": "acme", "input": {"name": "Ada"}}


def read(value: bytes | None, **given: bytes) -> Read:
    named = {name.replace("_", "-"): held for name, held in given.items()}
    return Read(
        topic="stripe.action-dead-letter", partition=1, offset=7, at_ms=2_500, key=b"k", value=value, headers=named
    )


def test_a_run_has_the_promised_shape() -> None:
    run = run_of(read(orjson.dumps(RUN)))
    assert run is not None
    view = run_view(run)
    names = (
        "run workflow trigger event event_type account connection note status step error steps started_at finished_at"
        " erased_at"
    )
    assert sorted(view) == sorted(names.split())
    assert (view["started_at"], view["finished_at"]) == ("1970-01-01T00:00:01.000Z", "1970-01-01T00:00:02.500Z")
    assert view["steps"][0]["finished_at"] is None
    assert view["account"] is None
    effect = run_view(replace(run, account="acct_1", chain=("k3v9x2/thanks",), hops=1))
    assert (sorted(effect), effect["account"]) == (sorted(names.split()), "acct_1")
    assert view["error"]["code"] == "RATE_LIMITED"
    assert "hidden" not in str(view)


def test_a_record_that_is_no_run_is_none() -> None:
    assert run_of(read(b"{}")) is None
    assert run_of(read(None)) is None


def test_a_dead_letter_has_the_promised_shape() -> None:
    given = {
        headers.REASON: b"exhausted",
        headers.CODE: b"RATE_LIMITED",
        headers.ATTEMPTS: b"6",
        headers.FIRST_APPENDED_AT: b"1000",
    }
    letter = dead_letter_of(
        read(
            orjson.dumps(COMMAND | {"account": "acct_1"}),
            **{name.replace("-", "_"): held for name, held in given.items()},
        )
    )
    assert dead_letter_view(letter) == {
        "topic": "stripe.action-dead-letter",
        "partition": 1,
        "offset": 7,
        "key": "k",
        "command_id": "c1",
        "action": "stripe/create-customer",
        "connection": "acme",
        "account": "acct_1",
        "reason": "exhausted",
        "code": "RATE_LIMITED",
        "attempts": 6,
        "state": "open",
        "first_attempt_at": "1970-01-01T00:00:01.000Z",
        "failed_at": "1970-01-01T00:00:02.500Z",
    }


def test_an_unreadable_dead_letter_shows_its_masked_bytes() -> None:
    letter = dead_letter_of(
        read(b"sk_live_abcdef \xff", stripeline_last_error=b"whsec_abc", stripeline_connection=b"a")
    )
    details = dead_letter_details(letter)
    assert (details["command_id"], details["connection"], details["first_attempt_at"]) == (None, "a", None)
    assert "abcdef" not in str(details)
    assert details["last_error"] == "whsec_…masked"
    assert details["origin"] == {"topic": None, "partition": None, "offset": None, "last_offset": None}


def test_a_readable_dead_letter_shows_its_command() -> None:
    assert dead_letter_details(dead_letter_of(read(orjson.dumps(COMMAND))))["value"] == COMMAND


@pytest.mark.parametrize(
    ("given", "passes"),
    [
        ({}, True),
        ({"action": "stripe/create-customer", "id": "c1", "key": "k", "connection": "acme"}, True),
        ({"id": "c2"}, False),
        ({"code": "CONFLICT"}, False),
        ({"account": "acct_1"}, False),
        ({"customer": "cus_1"}, False),
        ({"reason": "exhausted"}, False),
        ({"since_ms": 2_500, "until_ms": 2_500}, True),
        ({"since_ms": 2_501}, False),
        ({"until_ms": 2_499}, False),
    ],
)
def test_a_filter_passes_what_has_all_that_it_names(given: dict[str, Any], passes: bool) -> None:
    assert Filters(**given).match(dead_letter_of(read(orjson.dumps(COMMAND)))) is passes


def test_a_dead_letter_is_found_by_the_customer_of_its_command() -> None:
    command = COMMAND | {"input": {"customer": "cus_1"}, "account": "acct_1"}
    assert Filters(customer="cus_1", account="acct_1").match(dead_letter_of(read(orjson.dumps(command))))
    assert not Filters(customer="cus_1").match(dead_letter_of(read(b"not JSON")))


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("key sk_live_abc123 end", "key sk_live_…masked end"),
        ("rk_test_abc", "rk_test_…masked"),
        ("whsec_a+b/c=", "whsec_…masked"),
        ("pi_3Abc_secret_xyz", "pi_3Abc_secret_…masked"),
        ("seti_1_secret_xyz", "seti_1_secret_…masked"),
        ("my_secret_plan is fine", "my_secret_plan is fine"),
        ("sk_test_…1234", "sk_test_…1234"),
    ],
)
def test_secrets_in_a_text_are_masked(text: str, masked: str) -> None:
    assert mask_text(text) == masked


def test_client_secrets_are_masked_at_any_depth() -> None:
    value = {"a": [{"client_secret": "anything"}], "client_secret": None, "n": 1, 5: ("sk_test_abcd",)}
    assert mask(value) == {
        "a": [{"client_secret": "…masked"}],
        "client_secret": None,
        "n": 1,
        5: ["sk_test_…masked"],
    }
