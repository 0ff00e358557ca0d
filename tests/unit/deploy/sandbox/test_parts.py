"""Tables for the small pure parts: keys, forms, parameters, lists, searches, faults, the ledger."""

import base64
import random
from typing import Any

import orjson
import pytest

from stripeline.deploy.sandbox.accounts import Accounts, Caller
from stripeline.deploy.sandbox.api import params
from stripeline.deploy.sandbox.api.execution import Endpoints
from stripeline.deploy.sandbox.api.form import nested, pairs_of
from stripeline.deploy.sandbox.api.listing import list_answer
from stripeline.deploy.sandbox.api.resources import RESOURCES
from stripeline.deploy.sandbox.api.search import parse, search_answer
from stripeline.deploy.sandbox.api.values import Params, SandboxAnswer
from stripeline.deploy.sandbox.delivery_rules import DeliveryRules
from stripeline.deploy.sandbox.effects import REQUESTS_KEPT, Effect, LoggedRequest, SandboxLedger
from stripeline.deploy.sandbox.faults import FaultBook, FaultRule, InjectedFault, Match, Subject
from stripeline.deploy.sandbox.webhooks import SandboxWebhooks

INTENTS, CUSTOMERS = RESOURCES["payment_intents"], RESOURCES["customers"]


def basic(user: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:".encode()).decode()


@pytest.mark.parametrize(
    ("authorization", "mode"),
    [
        ("Bearer sk_test_abc", False),
        ("bearer  rk_live_abc", True),
        (basic("sk_live_abc"), True),
        (None, None),
        ("", None),
        ("Bearer", None),
        ("Bearer pk_test_abc", None),
        ("Bearer whsec_abc", None),
        ("Digest sk_test_abc", None),
        ("Basic ***", None),
        (basic(""), None),
    ],
)
def test_who_may_call(authorization: str | None, mode: bool | None) -> None:
    caller = Accounts().caller(authorization)
    if isinstance(caller, Caller):
        assert caller.livemode is mode
    else:
        assert mode is None
        assert caller.status == 401


def test_a_key_is_shown_by_its_last_four() -> None:
    accounts = Accounts()
    accounts.assign("sk_test_secret1234", "acct_1")
    accounts.revoke("sk_test_secret1234")
    assert accounts.listing() == [{"key": "sk_test_…1234", "account": "acct_1", "revoked": True}]
    refused = accounts.caller("Bearer sk_test_secret1234")
    assert isinstance(refused, SandboxAnswer)
    assert b"secret" not in refused.body.replace(b"secret_key", b"")
    hinted = accounts.caller("Bearer whsec_mistaken")
    assert isinstance(hinted, SandboxAnswer)
    assert b"webhook signing secret" in hinted.body
    assert b"mistaken" not in hinted.body


@pytest.mark.parametrize(
    ("encoded", "expected"),
    [
        ("a=1&b=", {"a": "1", "b": ""}),
        ("a[b]=1&a[c][d]=2", {"a": {"b": "1", "c": {"d": "2"}}}),
        ("a[0]=x&a[1]=y", {"a": {"0": "x", "1": "y"}}),
        ("a[]=x&a[]=y", {"a": {"0": "x", "1": "y"}}),
        ("a[][b]=x", {"a": {"0": {"b": "x"}}}),
        ("a%5Bb%5D=%C3%A9+x", {"a": {"b": "é x"}}),
    ],
)
def test_forms(encoded: str, expected: Params) -> None:
    assert nested(pairs_of(encoded)) == expected


OK: Params = {"amount": "2000", "currency": "usd"}


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({}, None),
        ({"metadata": ""}, None),
        ({"metadata": {"k": "v"}, "automatic_payment_methods": {"enabled": "false"}}, None),
        ({"amount": "50", "currency": "XYZ"}, None),
        ({"amount": "1", "currency": "xyz"}, None),
        ({"amount": "49"}, "amount"),
        ({"amount": "-1"}, "amount"),
        ({"amount": "1.5"}, "amount"),
        ({"amount": {"a": "1"}}, "amount"),
        ({"amount": "100000000"}, "amount"),
        ({"currency": "dollars"}, "currency"),
        ({"description": ""}, "description"),
        ({"description": {"a": "b"}}, "description"),
        ({"receipt_email": ""}, "receipt_email"),
        ({"receipt_email": "a@"}, "receipt_email"),
        ({"receipt_email": "a@b.c"}, None),
        ({"metadata": "text"}, "metadata"),
        ({"metadata": {"k": {"deep": "v"}}}, "metadata"),
        ({"metadata": {str(n): "v" for n in range(51)}}, "metadata"),
        ({"metadata": {"k" * 41: "v"}}, f"metadata[{'k' * 41}]"),
        ({"metadata": {"k": "v" * 501}}, "metadata[k]"),
        ({"automatic_payment_methods": "true"}, "automatic_payment_methods"),
        ({"automatic_payment_methods": {}}, "automatic_payment_methods[enabled]"),
        ({"automatic_payment_methods": {"enabled": "True"}}, "automatic_payment_methods[enabled]"),
        ({"automatic_payment_methods": {"colour": "red"}}, "automatic_payment_methods[colour]"),
        ({"expand": {"0": "customer"}}, None),
    ],
)
def test_parameters(change: Params, param: str | None) -> None:
    refused = params.judge(OK | change, params.PAYMENT_INTENT, ("amount", "currency"))
    assert (orjson.loads(refused.body)["error"]["param"] if refused else None) == param


@pytest.fixture
def endpoints() -> Endpoints:
    """Five customers, a second apart; the even ones are called Ada."""
    webhooks = SandboxWebhooks(lambda _: frozenset(), "", DeliveryRules(lambda: 0.0))
    endpoints = Endpoints(random.Random(1), webhooks, Accounts())
    for n in range(5):
        values = {"name": "Ada" if n % 2 == 0 else "Bob", "email": f"{n}@example.com", "metadata": {"n": str(n)}}
        endpoints.seed(CUSTOMERS, f"cus_{n}", values, "acct", 1000 * (n + 1))
    return endpoints


@pytest.mark.parametrize(
    ("query", "ids", "more"),
    [
        ({}, "43210", False),
        ({"limit": "2"}, "43", True),
        ({"limit": "2", "starting_after": "cus_3"}, "21", True),
        ({"limit": "2", "starting_after": "cus_1"}, "0", False),
        ({"limit": "2", "ending_before": "cus_1"}, "32", True),
        ({"limit": "2", "ending_before": "cus_3"}, "4", False),
        ({"created": {"gte": "2", "lt": "5"}}, "321", False),
        ({"created": {"gt": "2", "lte": "5"}}, "432", False),
        ({"created": "3"}, "2", False),
        ({"created": {"gte": "3"}, "starting_after": "cus_3"}, "2", False),
        ({"email": "1@example.com"}, "1", False),
        ({"email": "nobody@example.com"}, "", False),
    ],
)
def test_lists(endpoints: Endpoints, query: Params, ids: str, more: bool) -> None:
    answer = orjson.loads(list_answer(CUSTOMERS, endpoints.store.rows("acct", "customer"), query).body)
    assert answer["object"] == "list"
    assert "".join(row["id"][-1] for row in answer["data"]) == ids
    assert answer["has_more"] is more


@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"},
        {"limit": "101"},
        {"limit": "x"},
        {"limit": {"a": "1"}},
        {"colour": "red"},
        {"created": "today"},
        {"created": {"gte": "today"}},
        {"created": {"about": "1"}},
        {"starting_after": "cus_none"},
    ],
)
def test_lists_refuse(endpoints: Endpoints, query: Params) -> None:
    assert list_answer(CUSTOMERS, endpoints.store.rows("acct", "customer"), query).status == 400


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("metadata['n']:'3'", "3"),
        ('metadata["n"]:"3"', "3"),
        ("name:'Ada'", "420"),
        ("-name:'Ada'", "31"),
        ("name:'Ada' AND metadata['n']:'2'", "2"),
        ("metadata['n']:'2' and name:'Bob'", ""),
        ("created>3", "43"),
        ("created>=3 AND created<5", "32"),
        ("created<=1", "0"),
        ("metadata['none']:null", "43210"),
        ("name:'O\\'Hara'", ""),
        ("name>3", ""),
        ("-phone>3", "43210"),
        ("-metadata['n']:'3'", "4210"),
    ],
)
def test_searches(endpoints: Endpoints, query: str, ids: str) -> None:
    answer = orjson.loads(search_answer(CUSTOMERS, endpoints.store, "acct", {"query": query}, 10**9).body)
    assert (answer["object"], answer["next_page"]) == ("search_result", None)
    assert "".join(row["id"][-1] for row in answer["data"]) == ids


@pytest.mark.parametrize("query", ["", "x", "name", "colour:'red'", "metadata:'n'", "name['a']:'b'", "name:'a' OR x:1"])
def test_searches_refuse(query: str) -> None:
    assert isinstance(parse(query, CUSTOMERS.search), str)


def test_search_pages_and_trails_behind(endpoints: Endpoints) -> None:
    def search(indexed_until_ms: int = 10**9, **query: str) -> Any:
        query = {"query": "created>0", "limit": "2", **query}
        return orjson.loads(search_answer(CUSTOMERS, endpoints.store, "acct", query, indexed_until_ms).body)

    first = search()
    assert (first["has_more"], first["next_page"]) == (True, "2")
    assert [row["id"] for row in search(page="2")["data"]] == ["cus_2", "cus_1"]
    assert [row["id"] for row in search(2500)["data"]] == ["cus_1", "cus_0"]
    assert "error" in search(limit="0")
    assert "error" in search(query="x")
    assert "error" in search(colour="red")


SUBJECT = Subject(method="POST", path="/v1/customers", key_last4="1234", idempotency_key="k", texts=("cmd-17",))


@pytest.mark.parametrize(
    ("match", "fits"),
    [
        (Match(), True),
        (Match(method="POST", path="/v1/cust", key_last4="1234", idempotency_key="k", contains="d-1"), True),
        (Match(method="GET"), False),
        (Match(path="/v1/charges"), False),
        (Match(key_last4="9999"), False),
        (Match(idempotency_key="other"), False),
        (Match(contains="cmd-18"), False),
    ],
)
def test_rules_match(match: Match, fits: bool) -> None:
    assert match.fits(SUBJECT) is fits


def test_rules_strike_so_many_times_in_order() -> None:
    book = FaultBook(random.Random(1))
    book.add(FaultRule(match=Match(), fault=InjectedFault(status=500), times=2))
    book.add(FaultRule(match=Match(), fault=InjectedFault(status=503), times=None))
    struck = [book.choose(SUBJECT, fresh=True) for _ in range(4)]
    assert [fault.status for fault in struck if fault] == [500, 500, 503, 503]
    assert [rule.struck for rule in book.rules] == [2, 2]
    book.clear()
    assert book.choose(SUBJECT, fresh=True) is None


def test_a_stored_fault_waits_for_a_request_that_executes() -> None:
    book = FaultBook(random.Random(1))
    book.add(FaultRule(match=Match(), fault=InjectedFault(status=500, stored=True)))
    assert book.choose(SUBJECT, fresh=False) is None
    assert book.choose(SUBJECT, fresh=True) is not None


def test_probability_is_repeatable() -> None:
    def strikes() -> list[bool]:
        book = FaultBook(random.Random(3))
        book.add(FaultRule(match=Match(probability=0.5), fault=InjectedFault(drop=True), times=None))
        return [book.choose(SUBJECT, fresh=True) is not None for _ in range(200)]

    assert strikes() == strikes()
    assert 70 < sum(strikes()) < 130


@pytest.mark.parametrize(
    ("fault", "status", "kind", "code"),
    [
        (InjectedFault(status=402), 402, "card_error", "card_declined"),
        (InjectedFault(status=429), 429, "invalid_request_error", "rate_limit"),
        (InjectedFault(status=429, code="lock_timeout"), 429, "invalid_request_error", "lock_timeout"),
        (InjectedFault(status=424), 424, "invalid_request_error", None),
        (InjectedFault(status=503), 503, "api_error", None),
    ],
)
def test_answers_of_faults(fault: InjectedFault, status: int, kind: str, code: str | None) -> None:
    answer = fault.answer()
    error = orjson.loads(answer.body)["error"]
    assert (answer.status, error["type"], error.get("code")) == (status, kind, code)


def effect(seq: int, command: str | None) -> Effect:
    return Effect(
        seq=seq,
        account="acct",
        livemode=False,
        object="customer" if seq % 2 else "payment_intent",
        id=f"x{seq}",
        idempotency_key=None,
        command=command,
        amount=None,
        created=1,
        request_id="req",
        received_at_ms=1,
    )


def test_the_ledger_filters_and_finds_duplicates() -> None:
    ledger = SandboxLedger()
    for seq, command in enumerate(["a", "b", "a", None, None], 1):
        ledger.effect(effect(seq, command))
    view = ledger.view({"object": "customer"}, after=1, limit=1)
    assert [row["seq"] for row in view["effects"]] == [3]
    assert view["has_more"]
    assert view["total_effects"] == 5
    assert view["duplicate_commands"] == ["a"]
    assert not ledger.view({})["has_more"]


def test_the_request_log_is_bounded_and_counts_everything() -> None:
    ledger = SandboxLedger()
    for n in range(REQUESTS_KEPT + 1):
        key = f"k{n % 10}" if n < 20 else None
        status = None if n == 0 else 200
        ledger.request(
            LoggedRequest("POST", "/v1/customers", "sk_test_…1234", "acct", key, status, n == 1, f"req_{n}", n)
        )
    view = ledger.view({})
    assert view["requests"] == {
        "total": REQUESTS_KEPT + 1,
        "replayed": 1,
        "by_status": {"200": REQUESTS_KEPT, "dropped": 1},
        "refused_keys": 0,
    }
    assert view["attempts"] == {"total": 20, "keys": 10, "repeated": 10, "most_for_one_key": 2}
    assert len(ledger.recent(10**6)) == REQUESTS_KEPT
    assert ledger.recent(1)[0]["request_id"] == f"req_{REQUESTS_KEPT}"
