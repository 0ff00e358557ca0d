"""Which endpoint is sent what was created, and how the event reads."""

from typing import Any

import orjson
import pytest

from stripeline.deploy.sandbox import webhooks
from stripeline.deploy.sandbox.api.values import SandboxRequest
from stripeline.deploy.sandbox.control_api import control
from stripeline.deploy.sandbox.sandbox import Sandbox

NOW = 1_700_000_000_000
KEY, LIVE, SHOP = "sk_test_hooks1111", "sk_live_hooks2222", "acct_1Shop"


class Hooks:
    def __init__(self) -> None:
        self.sandbox = Sandbox(seed=1)
        self.control("POST", "/keys", key=KEY, account="acct_1Own")
        self.control("POST", "/keys", key=LIVE, account="acct_1Own")
        self.control("POST", "/connected", key=KEY, account=SHOP)

    def control(self, method: str, path: str, **body: Any) -> Any:
        call = SandboxRequest(method=method, path="/_sandbox" + path, body=orjson.dumps(body))
        return orjson.loads(control(self.sandbox, call, NOW).body)

    def endpoint(self, **more: Any) -> Any:
        return self.control("POST", "/webhooks", **{"url": "http://127.0.0.1:1/", "secret": "whsec_hidden"} | more)

    def make(self, path: str = "customers", body: bytes = b"name=Ada", *, key: str = KEY, **more: Any) -> Any:
        """The events that are sent."""
        form = "application/x-www-form-urlencoded"
        auth = f"Bearer {key}"
        call = SandboxRequest(
            method="POST", path=f"/v1/{path}", body=body, content_type=form, authorization=auth, **more
        )
        ticket = self.sandbox.arrive(call, NOW)
        self.sandbox.leave(ticket, self.sandbox.execute(ticket, NOW), NOW)
        return [orjson.loads(one.body) for one in self.sandbox.webhooks.take()]


@pytest.fixture
def hooks() -> Hooks:
    return Hooks()


def test_without_an_endpoint_nothing_is_sent(hooks: Hooks) -> None:
    assert hooks.make() == []


def test_what_was_created_is_sent_with_its_request(hooks: Hooks) -> None:
    hooks.endpoint()
    (event,) = hooks.make(idempotency_key="stripeline:c1")
    assert (event["object"], event["type"], event["livemode"], event["created"]) == (
        "event",
        "customer.created",
        False,
        NOW // 1000,
    )
    assert event["id"].startswith("evt_")
    assert event["data"]["object"]["name"] == "Ada"
    assert event["request"]["idempotency_key"] == "stripeline:c1"
    assert event["request"]["id"].startswith("req_")
    assert "account" not in event
    assert hooks.make(idempotency_key="stripeline:c1") == []  # a replay makes nothing


def test_a_request_without_a_key_says_so(hooks: Hooks) -> None:
    hooks.endpoint()
    assert hooks.make()[0]["request"]["idempotency_key"] is None


def test_a_declined_payment_is_created_and_fails(hooks: Hooks) -> None:
    hooks.endpoint()
    events = hooks.make("payment_intents", b"amount=4002&currency=usd")
    assert [event["type"] for event in events] == ["payment_intent.created", "payment_intent.payment_failed"]


@pytest.mark.parametrize(
    ("endpoint", "call", "account"),
    [
        ({"connect": True}, {"stripe_account": SHOP}, SHOP),
        ({"connect": True, "key": KEY}, {"stripe_account": SHOP}, SHOP),
        ({"connect": True, "key": KEY}, {}, False),
        ({"connect": True, "key": "sk_test_else"}, {"stripe_account": SHOP}, False),
        ({"key": KEY}, {"stripe_account": SHOP}, False),
        ({"key": KEY}, {}, None),
        ({}, {"stripe_account": SHOP}, None),
        ({"livemode": True}, {}, False),
        ({"livemode": False}, {}, None),
        ({"livemode": False}, {"key": LIVE}, False),
        ({"livemode": True}, {"key": LIVE}, None),
        ({"connect": True, "livemode": True}, {"stripe_account": SHOP}, SHOP),
        ({"connect": True, "livemode": False}, {"stripe_account": SHOP, "key": LIVE}, False),
        ({"types": ["payment_intent.created"]}, {}, False),
        ({"types": ["customer.created"]}, {}, None),
    ],
)
def test_an_endpoint_is_sent_what_it_takes(
    hooks: Hooks, endpoint: dict[str, Any], call: dict[str, Any], account: str | bool | None
) -> None:
    """`account` as the event names it; False: nothing is sent."""
    hooks.endpoint(**endpoint)
    events = hooks.make(**call)
    assert [event.get("account") for event in events] == ([] if account is False else [account])


def test_an_event_has_one_id_at_all_endpoints(hooks: Hooks) -> None:
    hooks.endpoint()
    hooks.endpoint(connect=True)
    direct, connect = hooks.make(stripe_account=SHOP)
    assert direct["id"] == connect["id"] != hooks.make()[0]["id"]


def test_endpoints_are_listed_without_their_secret_and_cleared(hooks: Hooks) -> None:
    listed = hooks.endpoint(key=KEY)
    assert listed["endpoints"][0]["account"] == "acct_1Own"
    assert "hidden" not in str(listed) + repr(hooks.sandbox.webhooks.endpoints)
    assert hooks.control("DELETE", "/webhooks")["endpoints"] == []
    assert hooks.make() == []


def test_what_waits_is_bounded(hooks: Hooks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "MAX_WAITING", 1)
    hooks.endpoint()
    hooks.endpoint()
    assert len(hooks.make()) == 1
    assert hooks.control("GET", "/webhooks")["deliveries"]["dropped"] == 1
