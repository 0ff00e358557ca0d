"""Whose key a connection gets: one account and one mode for ever, and what is not known is said or refused."""

import orjson
import pytest

from stripeline.contracts.definitions import Connection, Definitions
from stripeline.contracts.operator.control_records import ConnectionAccount
from stripeline.contracts.vocabulary import Fault
from stripeline.deploy.definitions.key_accounts import (
    AccountError,
    KeyRefused,
    MayNotAsk,
    Named,
    NoAnswer,
    answer_of,
    judge,
    questions,
)
from stripeline.workers.executor.stripe_answer import StripeAnswer

A, B = "acct_1A", "acct_1B"
AWAY = NoAnswer("Stripe can't be reached")


def key(text="one", mode="test", account=None):
    return Connection(secret_key=f"sealed:{text}", mode=mode, hint="sk_…", account=account)


def stored(before=None, known=None, mode="test"):
    return Definitions(
        connections={} if before is None else {"acme": before},
        accounts={} if known is None else {"acme": ConnectionAccount(account=known, mode=mode)},
    )


OLD, NEW = key("one"), key("two")
RECORD = ConnectionAccount(account=A, mode="test")
GOOD = {
    "the first key": (stored(), NEW, Named(A), RECORD),
    "the first key, and the file says so too": (stored(), key("two", account=A), Named(A), RECORD),
    "a key that may not ask, and the file says": (stored(), key("two", account=A), MayNotAsk(), RECORD),
    "Stripe is away, and the file says": (stored(), key("two", account=A), AWAY, RECORD),
    "a rolled key": (stored(OLD, A), NEW, Named(A), None),
    "a rolled key that may not ask": (stored(OLD, A), key("two", account=A), MayNotAsk(), None),
    "learned later": (stored(OLD), OLD, Named(A), RECORD),
    "not to be learned yet": (stored(OLD), OLD, AWAY, None),
    "a refused key that stays": (stored(OLD, A), OLD, KeyRefused(), None),
    "a replaced key of an unknown account, declared": (stored(OLD), key("two", account=A), Named(A), RECORD),
}


@pytest.mark.parametrize(("there", "wanted", "answer", "found"), GOOD.values(), ids=GOOD)
def test_what_is_taken(there, wanted, answer, found):
    same_key = wanted.secret_key == OLD.secret_key
    assert judge(there, "acme", wanted, answer, same_key=same_key) == found


def test_a_first_key_that_may_not_ask_is_taken_with_a_warning():
    found = judge(stored(), "acme", NEW, MayNotAsk(), same_key=False)
    assert isinstance(found, str)
    assert "nobody knows its account" in found


ANOTHER = "Give the new account's connection a new name"
REFUSED = {
    "another account": (stored(OLD, A), NEW, Named(B), ANOTHER),
    "another mode": (stored(OLD, A), key("two", "live"), Named(A), ANOTHER),
    "another mode, of an account that was not known": (stored(OLD), key("two", "live"), Named(A), ANOTHER),
    "deleted and made again": (stored(None, A), NEW, Named(B), ANOTHER),
    "another account, declared": (stored(OLD, A), key("two", account=B), MayNotAsk(), ANOTHER),
    "declared is not what Stripe says": (stored(), key("two", account=A), Named(B), "Stripe says that the key is of"),
    "a replacement that may not ask": (stored(OLD), NEW, MayNotAsk(), "Declare it: write `account: acct_…`"),
    "made again, and may not ask": (stored(None, A), NEW, MayNotAsk(), "Declare it: write `account: acct_…`"),
    "Stripe is away": (stored(), NEW, AWAY, "Stripe can't be reached. Try again, or declare it"),
    "a new key that Stripe refuses": (stored(OLD, A), NEW, KeyRefused(), "Stripe does not accept this key"),
    "the former account is not known": (stored(OLD), NEW, Named(A), "write `account: acct_1A` beside the key"),
}


@pytest.mark.parametrize(("there", "wanted", "answer", "says"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_says_what_to_do(there, wanted, answer, says):
    with pytest.raises(AccountError) as caught:
        judge(there, "acme", wanted, answer, same_key=False)
    assert says in str(caught.value)


def test_stripe_is_asked_of_new_keys_and_unknown_accounts_only():
    assert questions(stored(OLD, A), {"acme": OLD}) == []
    for there, wanted in (
        (stored(OLD, A), NEW), (stored(), NEW), (stored(OLD), OLD), (stored(None, A), NEW),
        (stored(OLD, A), key("one", account=B)),
    ):  # fmt: skip
        assert questions(there, {"acme": wanted}) == ["acme"]


def reply(status, body):
    return StripeAnswer(status=status, headers={}, body=body if isinstance(body, bytes) else orjson.dumps(body))


def error(**fields):
    return {"error": {"type": "invalid_request_error", **fields}}


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (reply(200, {"id": A, "object": "account"}), Named(A)),
        (reply(401, error()), KeyRefused()),
        (reply(403, error(code="more_permissions_required")), MayNotAsk()),
        (reply(500, error()), NoAnswer("Stripe answered 500")),
        (Fault.REFUSED, NoAnswer("Stripe can't be reached")),
        (Fault.LOST, NoAnswer("Stripe's answer was lost")),
    ],
)
def test_what_an_answer_says_of_a_key(answer, found):
    assert answer_of(answer) == found


@pytest.mark.parametrize("answer", [reply(200, b"<html>"), reply(200, {"id": "nobody"}), reply(403, b"<html>proxy")])
def test_only_stripes_answer_says_anything(answer):
    assert isinstance(answer_of(answer), NoAnswer)
