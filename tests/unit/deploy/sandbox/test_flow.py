"""The flow of a request, without a server and without a clock."""

from typing import Any
from urllib.parse import urlencode

import orjson
import pytest

from stripeline.deploy.sandbox.api.values import SandboxReply, SandboxRequest
from stripeline.deploy.sandbox.faults import FaultRule, InjectedFault, Match
from stripeline.deploy.sandbox.idempotency import KEPT_FOR_MS
from stripeline.deploy.sandbox.sandbox import Sandbox

NOW = 1_700_000_000_000
DAY_MS = KEPT_FOR_MS


class Client:
    def __init__(self, secret: str = "sk_test_flow1234") -> None:
        self.sandbox, self.secret, self.now_ms = Sandbox(seed=7), secret, NOW

    def send(self, call: SandboxRequest) -> SandboxReply:
        ticket = self.sandbox.arrive(call, self.now_ms)
        reply = self.sandbox.execute(ticket, self.now_ms)
        self.sandbox.leave(ticket, reply, self.now_ms)
        return reply

    def post(self, path: str = "/v1/payment_intents", *, key: str | None = None, **form: Any) -> SandboxReply:
        return self.send(self.call(path, key=key, **form))

    def call(self, path: str = "/v1/payment_intents", *, key: str | None = None, **form: Any) -> SandboxRequest:
        fields = form or {"amount": 2000, "currency": "usd"}
        return SandboxRequest(
            method="POST",
            path=path,
            body=urlencode(fields).encode(),
            content_type="application/x-www-form-urlencoded",
            authorization=f"Bearer {self.secret}",
            idempotency_key=key,
        )

    def get(self, path: str, **query: Any) -> SandboxReply:
        auth = f"Bearer {self.secret}"
        return self.send(SandboxRequest(method="GET", path=path, query=urlencode(query), authorization=auth))

    @property
    def effects(self) -> list[str]:
        return [effect.id for effect in self.sandbox.endpoints.ledger.effects]


def body(reply: SandboxReply) -> Any:
    return orjson.loads(reply.answer.body)


def error(reply: SandboxReply) -> Any:
    return body(reply)["error"]


@pytest.fixture
def client() -> Client:
    return Client()


def test_every_reply_has_a_request_id_and_echoes_the_version(client: Client) -> None:
    first, second = client.get("/v1/nothing"), client.get("/v1/charges/ch_sandbox_failed")
    assert first.headers["Request-Id"].startswith("req_")
    assert first.headers["Request-Id"] != second.headers["Request-Id"]
    call = SandboxRequest(
        method="GET", path="/v1/charges", stripe_version="2025-03-31.basil", authorization="Bearer sk_test_a"
    )
    assert client.send(call).headers["Stripe-Version"] == "2025-03-31.basil"


@pytest.mark.parametrize("key", ["k", "x" * 255])
def test_a_key_is_forgotten_after_24_hours(client: Client, key: str) -> None:
    client.post(key=key)
    client.now_ms += DAY_MS - 1
    assert client.post(key=key).replayed
    client.now_ms += 1
    assert not client.post(key=key).replayed
    assert len(client.effects) == 2


def test_a_key_belongs_to_an_account(client: Client) -> None:
    client.post(key="k")
    client.secret = "sk_test_other"
    assert not client.post(key="k").replayed
    client.sandbox.accounts.assign("rk_test_rolled", client.sandbox.accounts.account_of("sk_test_other"))
    client.secret = "rk_test_rolled"
    assert client.post(key="k").replayed
    assert len(client.effects) == 2


def test_the_order_of_parameters_is_no_difference(client: Client) -> None:
    client.post(key="k", amount=2000, currency="usd")
    assert client.post(key="k", currency="usd", amount=2000).replayed


def test_a_key_of_a_read_or_an_empty_one_is_no_key(client: Client) -> None:
    for _ in range(2):
        assert not client.post(key="").replayed
    assert len(client.effects) == 2


def test_a_key_that_is_too_long_is_refused(client: Client) -> None:
    assert client.post(key="x" * 256).answer.status == 400
    assert client.effects == []


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"amount": 0, "currency": "usd"}, "parameter_invalid_integer"),
        ({"amount": 2000, "currency": "usd", "colour": "red"}, "parameter_unknown"),
    ],
)
def test_a_refused_parameter_is_not_kept(client: Client, form: dict[str, Any], code: str) -> None:
    assert error(client.post(key="k", **form))["code"] == code
    reply = client.post(key="k")
    assert (reply.answer.status, reply.replayed) == (200, False)


def test_a_refused_key_is_not_kept(client: Client) -> None:
    client.sandbox.accounts.revoke(client.secret)
    assert client.post(key="k").answer.status == 401
    client.sandbox.accounts.restore(client.secret)
    assert not client.post(key="k").replayed


def test_an_outcome_found_while_executing_is_kept(client: Client) -> None:
    form = {"amount": 2000, "currency": "usd", "customer": "cus_none"}
    assert error(client.post(key="k", **form))["code"] == "resource_missing"
    assert client.post(key="k", **form).replayed


def test_a_key_in_flight_is_a_conflict(client: Client) -> None:
    ticket = client.sandbox.arrive(client.call(key="k"), NOW)
    assert error(client.post(key="k"))["code"] == "idempotency_key_in_use"
    client.sandbox.leave(ticket, client.sandbox.execute(ticket, NOW), NOW)
    assert client.post(key="k").replayed


def test_a_request_that_outlives_its_key_answers_for_no_other(client: Client) -> None:
    old = client.sandbox.arrive(client.call(key="k"), NOW)
    client.now_ms += DAY_MS
    young = body(client.post(key="k"))
    client.sandbox.leave(old, client.sandbox.execute(old, client.now_ms), client.now_ms)
    assert body(client.post(key="k")) == young


def test_an_abandoned_request_keeps_its_effect_and_only_that(client: Client) -> None:
    before = client.sandbox.arrive(client.call(key="before"), NOW)
    client.sandbox.abandon(before)
    assert not client.post(key="before").replayed
    after = client.sandbox.arrive(client.call(key="after"), NOW)
    client.sandbox.execute(after, NOW)
    client.sandbox.abandon(after)
    assert client.post(key="after").replayed
    client.sandbox.abandon(client.sandbox.arrive(client.call(), NOW))
    assert len(client.effects) == 2


@pytest.mark.parametrize(
    ("number", "statuses", "effects"),
    [
        (4002, [402, 402, 402], 0),
        (4003, [403, 403, 403], 0),
        (4009, [409, 200, 200], 1),
        (4029, [429, 200, 200], 1),
        (5001, [500, 200, 200], 1),
        (5002, [500, 500, 500], 1),
        (5003, [200, 200, 200], 1),
        (5004, [500, 500, 500], 1),
        (5020, [502, 200, 200], 1),
        (5100, [200, 200, 200], 1),
    ],
)
def test_magic_amounts(client: Client, number: int, statuses: list[int], effects: int) -> None:
    replies = [client.post(key="k", amount=number, currency="usd") for _ in statuses]
    assert [reply.answer.status for reply in replies] == statuses
    assert [reply.drop for reply in replies] == [number == 5003, False, False]
    assert len(client.effects) == effects


def test_a_magic_number_without_a_key_strikes_a_request_once(client: Client) -> None:
    assert [client.post(amount=4029, currency="usd").answer.status for _ in range(2)] == [429, 200]


def test_a_stored_magic_fault_spares_a_refused_request(client: Client) -> None:
    assert error(client.post(amount=5002, currency="usd", colour="red"))["code"] == "parameter_unknown"
    assert client.effects == []


def test_a_key_reused_for_another_request_is_refused(client: Client) -> None:
    client.post(key="k")
    for reply in (client.post("/v1/customers", key="k", name="x"), client.post(key="k", amount=1999, currency="usd")):
        assert (reply.answer.status, error(reply)["type"], reply.replayed) == (400, "idempotency_error", False)


def test_a_required_parameter_is_missed(client: Client) -> None:
    assert error(client.post(amount=2000))["code"] == "parameter_missing"


def test_an_intent_for_a_customer_with_its_payment_methods(client: Client) -> None:
    form = {"amount": 2000, "currency": "USD", "customer": "cus_sandbox", "automatic_payment_methods[enabled]": "true"}
    intent = body(client.post(**form))
    assert (intent["customer"], intent["currency"]) == ("cus_sandbox", "usd")
    assert intent["automatic_payment_methods"] == {"allow_redirects": "always", "enabled": True}


def test_lists_and_searches_go_through_the_flow(client: Client) -> None:
    intent = body(client.post(**{"amount": 2000, "currency": "usd", "metadata[k]": "v"}))
    assert [row["id"] for row in body(client.get("/v1/payment_intents"))["data"]] == [intent["id"]]
    query = {"query": "metadata['k']:'v'"}
    assert [row["id"] for row in body(client.get("/v1/payment_intents/search", **query))["data"]] == [intent["id"]]
    client.sandbox.endpoints.search_delay_ms = 1000
    assert body(client.get("/v1/payment_intents/search", **query))["data"] == []
    client.now_ms += 1000
    assert len(body(client.get("/v1/payment_intents/search", **query))["data"]) == 1


def test_magic_works_in_descriptions_and_for_charges(client: Client) -> None:
    assert client.post("/v1/customers", description="please [sandbox:4029]").answer.status == 429
    assert client.post("/v1/customers", description="please [sandbox:4029]").answer.status == 200
    assert client.post("/v1/customers", description="[sandbox:4002]", key="k").answer.status == 402
    assert [client.get("/v1/charges/ch_sandbox_5001").answer.status for _ in range(2)] == [500, 200]
    assert client.get("/v1/charges/ch_sandbox_9999").answer.status == 404


def test_a_slow_magic_amount_waits_before_the_effect(client: Client) -> None:
    call = client.call(key="k", amount=5100, currency="usd")
    assert [client.sandbox.arrive(call, NOW).delay_s for _ in range(2)] == [2.0, 0.0]


def test_a_declined_intent_exists_and_has_no_effect(client: Client) -> None:
    declined = error(client.post(amount=4002, currency="usd"))["payment_intent"]
    assert body(client.get(f"/v1/payment_intents/{declined['id']}")) == declined
    assert client.effects == []


def test_a_stored_failure_without_an_effect_is_replayed(client: Client) -> None:
    client.sandbox.faults.add(FaultRule(match=Match(), fault=InjectedFault(status=500, stored=True), times=None))
    replies = [client.post(key="k") for _ in range(2)]
    assert [(reply.answer.status, reply.replayed) for reply in replies] == [(500, False), (500, True)]
    assert client.effects == []


def test_a_lost_answer_also_loses_a_replay_but_not_what_is_kept(client: Client) -> None:
    client.sandbox.faults.add(
        FaultRule(match=Match(), fault=InjectedFault(status=504, when="after", delay_s=1), times=2)
    )
    replies = [client.post(key="k") for _ in range(3)]
    assert [(reply.answer.status, reply.delay_s) for reply in replies] == [(504, 1), (504, 1), (200, 0)]
    assert len(client.effects) == 1


def test_limits_answer_429_with_their_reason_and_fill_again(client: Client) -> None:
    client.sandbox.limiter.account_per_s, client.sandbox.limiter.endpoint_per_s = 3, 2
    replies = [client.post(key="k"), client.post(), client.post(), client.get("/v1/charges"), client.post()]
    assert [reply.answer.status for reply in replies] == [200, 200, 429, 429, 429]
    reasons = [reply.answer.headers.get("Stripe-Rate-Limited-Reason") for reply in replies]
    assert reasons == [None, None, "endpoint-rate", "global-rate", "global-rate"]
    client.now_ms += 1000
    assert client.post(key="k").replayed


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/charges"),
        ("POST", "/v1/customers/cus_1"),
        ("GET", "/v1/charges/search"),
        ("GET", "/v1/charges/a/b"),
        ("GET", "/v3/customers"),
        ("POST", "/v1/events"),
        ("DELETE", "/v1/events/evt_1"),
        ("POST", "/v1/webhook_endpoints/we_1/ping"),
        ("GET", "/v1/webhook_endpoints/we_1/ping"),
        ("DELETE", "/v1/customers/cus_1"),
    ],
)
def test_what_the_sandbox_does_not_have(client: Client, method: str, path: str) -> None:
    reply = client.send(SandboxRequest(method=method, path=path, authorization="Bearer sk_test_a"))
    assert reply.answer.status == 404
    assert "Unrecognized request URL" in error(reply)["message"]


@pytest.mark.parametrize(
    "change",
    [
        {"content_type": "application/json"},
        {"stripe_version": "yesterday"},
        {"body": b"a[=1"},
        {"body": b"a=1&a[b]=2"},
        {"body": b"a[b]=1&a=2"},
        {"body": b"a[b]=1&a[b][c]=2"},
        {"body": b"\xff"},
        {"body": b"a=%ff"},
    ],
)
def test_what_cannot_be_read_is_refused(client: Client, change: dict[str, Any]) -> None:
    whole: dict[str, Any] = {
        "method": "POST",
        "path": "/v1/customers",
        "body": b"name=x",
        "content_type": "application/x-www-form-urlencoded",
        "authorization": "Bearer sk_test_a",
    }
    assert client.send(SandboxRequest(**whole)).answer.status == 200
    assert client.send(SandboxRequest(**whole | change)).answer.status == 400


def test_an_order_that_never_was_is_refused(client: Client) -> None:
    ticket = client.sandbox.arrive(client.call(), NOW)
    ticket.order = None
    assert client.sandbox.execute(ticket, NOW).answer.status == 400


def test_a_call_shows_no_secret() -> None:
    assert "sk_test" not in repr(Client().call(key="k"))


def test_the_clock_never_goes_back() -> None:
    sandbox = Sandbox()
    sandbox.clock_offset_ms = 5
    assert [sandbox.now_ms(host_ms) for host_ms in (10, 8, 11)] == [15, 15, 16]
