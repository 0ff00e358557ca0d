"""Webhook endpoints and event destinations through Stripe's two APIs: their limits, secrets, and what is delivered."""

from typing import Any
from urllib.parse import urlsplit

import orjson
import pytest

from stripeline.deploy.sandbox.api.values import SandboxReply, SandboxRequest
from stripeline.deploy.sandbox.control_api import control
from stripeline.deploy.sandbox.faults import FaultRule, InjectedFault, Match
from stripeline.deploy.sandbox.idempotency import KEPT_FOR_MS, V2_KEPT_FOR_MS
from stripeline.deploy.sandbox.sandbox import Sandbox

NOW = 1_700_000_000_000
KEY, LIVE, RESTRICTED, SHOP, VERSION = (
    "sk_test_dest1111",
    "sk_live_dest1111",
    "rk_test_dest2222",
    "acct_1Shop",
    "2026-09-30.endive",
)
V1, V2 = "/v1/webhook_endpoints", "/v2/core/event_destinations"
URL = "https://hooks.example.com/webhooks/acme"
FORM = f"url={URL}&enabled_events[]=customer.created&enabled_events[]=charge.failed"
THIN = {
    "name": "acme",
    "type": "webhook_endpoint",
    "event_payload": "thin",
    "enabled_events": ["v1.customer.created"],
    "webhook_endpoint": {"url": URL},
}
SNAPSHOT = THIN | {"event_payload": "snapshot", "enabled_events": ["customer.created"]}
INCLUDE = {"include": ["webhook_endpoint.signing_secret", "webhook_endpoint.url"]}
Body = dict[str, Any]


class Stripe:
    def __init__(self) -> None:
        self.sandbox, self.now_ms, self.status = Sandbox(seed=1), NOW, 0
        for key in (KEY, LIVE, RESTRICTED):
            self.control("POST", "/keys", key=key, account="acct_1Own")
        self.control("POST", "/connected", key=KEY, account=SHOP)

    def control(self, method: str, path: str, **body: Any) -> Any:
        call = SandboxRequest(method=method, path="/_sandbox" + path, body=orjson.dumps(body))
        answer = control(self.sandbox, call, self.now_ms)
        assert answer.status == 200, answer.body
        return orjson.loads(answer.body)

    def reply(self, method: str, path: str, body: bytes = b"", *, key: str = KEY, **more: Any) -> SandboxReply:
        v2 = path.startswith("/v2/")
        parts = urlsplit(path)
        call = SandboxRequest(
            method=method,
            path=parts.path,
            query=parts.query,
            body=body,
            content_type="application/json" if v2 else "application/x-www-form-urlencoded",
            authorization=f"Bearer {key}",
            stripe_version=VERSION if v2 else None,
            **more,
        )
        ticket = self.sandbox.arrive(call, self.now_ms)
        reply = self.sandbox.execute(ticket, self.now_ms)
        self.sandbox.leave(ticket, reply, self.now_ms)
        return reply

    def send(self, method: str, path: str, body: str | Body = "", **more: Any) -> Any:
        raw = body.encode() if isinstance(body, str) else orjson.dumps(body)
        answer = self.reply(method, path, raw, **more).answer
        self.status = answer.status
        return orjson.loads(answer.body)

    def events(self, *types: str, **more: Any) -> Body:
        made: Body = self.control("POST", "/events", **{"types": types or ["customer.created"], "key": KEY} | more)
        return made

    def sent(self) -> list[Body]:
        waiting = self.sandbox.webhooks.take()
        return [orjson.loads(one.body) for one in waiting if self.sandbox.webhooks.may_go(one)]


@pytest.fixture
def at_stripe() -> Stripe:
    return Stripe()


def test_a_webhook_endpoint_lives(at_stripe: Stripe) -> None:
    made = at_stripe.send("POST", V1, FORM + f"&metadata[stripeline]=acme&api_version={VERSION}&description=hello")
    assert made == {
        "id": made["id"],
        "object": "webhook_endpoint",
        "api_version": VERSION,
        "application": None,
        "created": NOW // 1000,
        "description": "hello",
        "enabled_events": ["customer.created", "charge.failed"],
        "livemode": False,
        "metadata": {"stripeline": "acme"},
        "secret": made["secret"],
        "status": "enabled",
        "url": URL,
    }
    assert made["id"].startswith("we_")
    assert made["secret"].startswith("whsec_")
    there = {name: value for name, value in made.items() if name != "secret"}
    assert at_stripe.send("GET", f"{V1}/{made['id']}") == there
    assert at_stripe.send("GET", V1)["data"] == [there]
    changed = at_stripe.send(
        "POST", f"{V1}/{made['id']}", "disabled=true&metadata[stripeline]=&metadata[a]=b&url=" + URL
    )
    assert changed == there | {"status": "disabled", "metadata": {"a": "b"}}
    assert at_stripe.send("POST", f"{V1}/{made['id']}", "disabled=false&enabled_events[0]=*") == there | {
        "metadata": {"a": "b"},
        "enabled_events": ["*"],
    }
    assert at_stripe.send("DELETE", f"{V1}/{made['id']}")["deleted"] is True
    assert at_stripe.send("GET", f"{V1}/{made['id']}")["error"]["code"] == "resource_missing"
    assert at_stripe.status == 404


def test_an_event_destination_lives(at_stripe: Stripe) -> None:
    made = at_stripe.send("POST", V2, THIN | INCLUDE | {"metadata": {"stripeline": "acme"}})
    secret = made["webhook_endpoint"]["signing_secret"]
    assert secret.startswith("whsec_")
    assert made == {
        "id": made["id"],
        "object": "v2.core.event_destination",
        "amazon_eventbridge": None,
        "azure_event_grid": None,
        "created": "2023-11-14T22:13:20.000Z",
        "description": "",
        "enabled_events": ["v1.customer.created"],
        "event_payload": "thin",
        "events_from": ["@self"],
        "livemode": False,
        "metadata": {"stripeline": "acme"},
        "name": "acme",
        "snapshot_api_version": None,
        "status": "enabled",
        "status_details": None,
        "type": "webhook_endpoint",
        "updated": "2023-11-14T22:13:20.000Z",
        "webhook_endpoint": {"signing_secret": secret, "url": URL},
    }
    path = f"{V2}/{made['id']}"
    hidden = made | {"webhook_endpoint": {"signing_secret": None, "url": None}}
    assert at_stripe.send("GET", path) == hidden
    assert at_stripe.send("GET", f"{path}?include[0]=webhook_endpoint.url")["webhook_endpoint"]["url"] == URL
    disabled = at_stripe.send("POST", f"{path}/disable")
    assert (disabled["status"], disabled["status_details"]) == ("disabled", {"disabled": {"reason": "user"}})
    assert at_stripe.send("POST", f"{path}/enable") == hidden
    changed = at_stripe.send("POST", path, {"name": "new", "metadata": {"stripeline": None}, "description": "hello"})
    assert changed == hidden | {"name": "new", "metadata": {}, "description": "hello"}
    assert at_stripe.send("DELETE", path) == {"id": made["id"], "object": "v2.core.event_destination"}
    assert at_stripe.send("GET", path)["error"]["code"] == "not_found"
    assert at_stripe.status == 404


def test_a_secret_is_in_the_creation_alone_and_asked_for(at_stripe: Stripe) -> None:
    silent = at_stripe.send("POST", V2, THIN)
    assert silent["webhook_endpoint"] == {"signing_secret": None, "url": None}
    at_stripe.send("POST", V1, FORM)
    listings = [at_stripe.reply("GET", path).answer.body for path in (V1, V2, f"{V2}?include[0]=webhook_endpoint.url")]
    seen = repr(list(at_stripe.sandbox.webhooks.destinations)) + str(at_stripe.control("GET", "/destinations"))
    assert b"whsec_" not in b"".join(listings) + seen.encode()


@pytest.mark.parametrize("first", [0, 7, 16])
def test_an_account_has_16_destinations_together(at_stripe: Stripe, first: int) -> None:
    for _ in range(first):
        at_stripe.send("POST", V1, FORM)
    for _ in range(16 - first):
        at_stripe.send("POST", V2, THIN)
    assert at_stripe.status == 200
    assert "maximum of 16 test webhook endpoints" in at_stripe.send("POST", V1, FORM)["error"]["message"]
    assert at_stripe.status == 400
    at_stripe.send("POST", V2, THIN)
    assert at_stripe.status == 400
    at_stripe.send("POST", V1, FORM, key=LIVE)
    assert at_stripe.status == 200
    api, rows = (V1, at_stripe.send("GET", V1)["data"]) if first else (V2, at_stripe.send("GET", V2)["data"])
    at_stripe.send("DELETE", f"{api}/{rows[0]['id']}")
    at_stripe.send("POST", V2, THIN)
    assert at_stripe.status == 200


@pytest.mark.parametrize(
    ("form", "code", "param"),
    [
        ("enabled_events[]=customer.created", "parameter_missing", "url"),
        (f"url={URL}", "parameter_missing", "enabled_events"),
        (f"url={URL}&enabled_events=customer.created", None, "enabled_events"),
        (f"url={URL}&enabled_events[]=*&enabled_events[]=customer.misspelt", None, "enabled_events[1]"),
        (f"url={URL}&enabled_events[]=customer.*", None, "enabled_events[0]"),
        (f"url={URL}&enabled_events[]=v1.customer.created", None, "enabled_events[0]"),
        (f"url={URL}&enabled_events[]=customer.subscription.active", None, "enabled_events[0]"),
        ("url=hooks.example.com&enabled_events[]=*", "url_invalid", "url"),
        ("url=ftp://hooks.example.com&enabled_events[]=*", "url_invalid", "url"),
        (f"url={URL}&enabled_events[]=*&connect=yes", None, "connect"),
        (f"url={URL}&enabled_events[]=*&api_version=newest", None, "api_version"),
        (f"url={URL}&enabled_events[]=*&disabled=true", "parameter_unknown", "disabled"),
        (f"url={URL}&enabled_events[]=*&metadata=x", None, "metadata"),
    ],
)
def test_a_wrong_endpoint_is_refused(at_stripe: Stripe, form: str, code: str | None, param: str) -> None:
    error = at_stripe.send("POST", V1, form)["error"]
    assert (at_stripe.status, error.get("code"), error["param"]) == (400, code, param)
    assert at_stripe.send("GET", V1)["data"] == []


@pytest.mark.parametrize("change", ["api_version=2026-09-30.endive", "connect=true", "enabled_events[]=nothing"])
def test_what_an_endpoint_is_made_with_stays(at_stripe: Stripe, change: str) -> None:
    made = at_stripe.send("POST", V1, FORM)
    at_stripe.send("POST", f"{V1}/{made['id']}", change)
    assert at_stripe.status == 400


@pytest.mark.parametrize(
    "change",
    [
        {"name": ...},
        {"name": 5},
        {"enabled_events": []},
        {"enabled_events": "v1.customer.created"},
        {"enabled_events": ["customer.created"]},
        {"enabled_events": ["v1.customer.source.created"]},
        {"enabled_events": ["v1.customer.misspelt"]},
        {"event_payload": "fat"},
        {"event_payload": "snapshot"},
        {"type": "amazon_eventbridge"},
        {"webhook_endpoint": ...},
        {"webhook_endpoint": {"url": "hooks"}},
        {"webhook_endpoint": {"uri": URL}},
        {"snapshot_api_version": VERSION},
        {"events_from": ["self"]},
        {"include": ["webhook_endpoint.secret"]},
        {"metadata": {"a": 1}},
        {"connect": True},
    ],
)
def test_a_wrong_destination_is_refused(at_stripe: Stripe, change: Body) -> None:
    body = {name: value for name, value in (THIN | change).items() if value is not ...}
    error = at_stripe.send("POST", V2, body)["error"]
    assert (at_stripe.status, error["code"]) == (400, "invalid_fields")
    assert at_stripe.send("GET", V2)["data"] == []


def test_api_v2_takes_json_and_api_v1_a_form(at_stripe: Stripe) -> None:
    wrong = SandboxRequest(
        method="POST",
        path=V2,
        body=b"name=acme",
        content_type="application/x-www-form-urlencoded",
        authorization=f"Bearer {KEY}",
        stripe_version=VERSION,
    )
    sandbox = at_stripe.sandbox
    assert sandbox.execute(sandbox.arrive(wrong, NOW), NOW).answer.status == 400
    assert at_stripe.reply("POST", V2, b"{").answer.status == 400
    assert at_stripe.reply("POST", V2, b"[]").answer.status == 400


@pytest.mark.parametrize("live", [True, False])
def test_live_mode_wants_https(at_stripe: Stripe, live: bool) -> None:
    key = LIVE if live else KEY
    at_stripe.send("POST", V1, FORM.replace("https", "http"), key=key)
    assert at_stripe.status == (400 if live else 200)
    at_stripe.send("POST", V1, "url=http://127.0.0.1:8080/&enabled_events[]=*", key=key)
    assert at_stripe.status == 200


@pytest.mark.parametrize("path", [V1, V2])
def test_a_key_without_the_right_is_403(at_stripe: Stripe, path: str) -> None:
    right = "webhook" if path == V1 else "event_destination"
    body: str | Body = FORM if path == V1 else THIN
    for permissions, reads, writes in (([], 403, 403), ([f"{right}_read"], 200, 403), ([f"{right}_write"], 403, 200)):
        at_stripe.control("POST", "/keys", key=RESTRICTED, permissions=permissions)
        at_stripe.send("GET", path, key=RESTRICTED)
        assert at_stripe.status == reads
        found = at_stripe.send("POST", path, body, key=RESTRICTED)
        assert at_stripe.status == writes
        if writes == 403:
            assert f"rak_{right}_write" in found["error"]["message"]


def test_another_account_or_mode_sees_none_of_it(at_stripe: Stripe) -> None:
    made = at_stripe.send("POST", V1, FORM)
    for more in ({"key": "sk_test_else"}, {"key": LIVE}, {"stripe_account": SHOP}):
        assert at_stripe.send("GET", V1, **more)["data"] == []
        at_stripe.send("DELETE", f"{V1}/{made['id']}", **more)
        assert at_stripe.status == 404
    at_stripe.send("GET", f"{V2}/{made['id']}")
    assert at_stripe.status == 404


def test_an_endpoint_gets_what_it_enabled_in_its_version(at_stripe: Stripe) -> None:
    at_stripe.send("POST", V1, FORM + "&api_version=2020-08-27")
    made = at_stripe.events("customer.created", "customer.updated", count=2)
    (event,) = at_stripe.sent()
    assert (event["id"], event["api_version"]) == (made["ids"][0], "2020-08-27")


def test_a_connect_endpoint_gets_connected_accounts_events(at_stripe: Stripe) -> None:
    at_stripe.send("POST", V1, FORM + "&connect=true")
    at_stripe.events()
    assert at_stripe.sent() == []
    at_stripe.events(account=SHOP)
    assert [event["account"] for event in at_stripe.sent()] == [SHOP]


def test_a_destination_may_take_own_and_connected_events(at_stripe: Stripe) -> None:
    at_stripe.send("POST", V2, THIN | {"events_from": ["@self", "@accounts"]})
    at_stripe.events()
    at_stripe.events(account=SHOP)
    assert [event.get("context") for event in at_stripe.sent()] == [None, SHOP]


@pytest.mark.parametrize("path", [V1, V2])
def test_a_disabled_destination_gets_nothing_ever(at_stripe: Stripe, path: str) -> None:
    made = at_stripe.send("POST", path, FORM if path == V1 else SNAPSHOT)
    one = f"{path}/{made['id']}"
    disable, enable = (
        ((one, "disabled=true"), (one, "disabled=false"))
        if path == V1
        else ((one + "/disable", ""), (one + "/enable", ""))
    )
    at_stripe.control("POST", "/deliveries", do="hold", times=1)
    at_stripe.events()  # on its way when it is disabled
    at_stripe.send("POST", *disable)
    at_stripe.control("POST", "/deliveries/release")
    assert at_stripe.sent() == []
    at_stripe.events()
    at_stripe.send("POST", *enable)
    assert at_stripe.sent() == []
    at_stripe.events()
    assert len(at_stripe.sent()) == 1
    at_stripe.send("DELETE", one)
    at_stripe.events()
    assert at_stripe.sent() == []


def test_stripe_disables_a_destination_and_says_why(at_stripe: Stripe) -> None:
    made = at_stripe.send("POST", V2, THIN)
    at_stripe.control("POST", "/destinations", id=made["id"], disabled_for="webhook_failing")
    found = at_stripe.send("GET", f"{V2}/{made['id']}")
    assert found["status_details"] == {"disabled": {"reason": "webhook_failing"}}
    at_stripe.control("POST", "/destinations", id=made["id"], disabled_for=None)
    assert at_stripe.send("GET", f"{V2}/{made['id']}")["status"] == "enabled"


@pytest.mark.parametrize("body", [THIN, SNAPSHOT])
def test_a_ping_reaches_its_destination_alone(at_stripe: Stripe, body: Body) -> None:
    made = at_stripe.send("POST", V2, body)
    at_stripe.send("POST", V2, THIN)
    event = at_stripe.send("POST", f"{V2}/{made['id']}/ping")
    assert at_stripe.status == 200
    (sent,) = at_stripe.sent()
    assert (sent["id"], sent["type"]) == (event["id"], "v2.core.event_destination.ping")
    assert event["related_object"] == {
        "id": made["id"],
        "type": "event_destination",
        "url": f"{V2}/{made['id']}",
    }
    assert at_stripe.send("GET", f"/v2/core/events/{event['id']}") == event
    at_stripe.send("POST", f"{V2}/{made['id']}/disable")
    at_stripe.send("POST", f"{V2}/{made['id']}/ping")
    assert at_stripe.status == 400


def test_a_lost_answer_leaves_an_endpoint_and_its_key(at_stripe: Stripe) -> None:
    lost = InjectedFault(when="after", drop=True)
    at_stripe.sandbox.faults.add(FaultRule(match=Match(path="/v1/webhook_endpoints"), fault=lost))
    assert at_stripe.reply("POST", V1, FORM.encode(), idempotency_key="k").drop
    (there,) = at_stripe.send("GET", V1)["data"]
    again = at_stripe.send("POST", V1, FORM, idempotency_key="k")
    assert again["id"] == there["id"]
    assert again["secret"].startswith("whsec_")
    at_stripe.send("POST", V1, FORM + "&description=other", idempotency_key="k")
    assert at_stripe.status == 400


def test_api_v2_keeps_a_success_30_days_and_no_failure(at_stripe: Stripe) -> None:
    for _ in range(2):
        at_stripe.send("POST", V2, THIN | {"name": 5}, idempotency_key="k")
        assert at_stripe.status == 400
    made = at_stripe.send("POST", V2, THIN | INCLUDE, idempotency_key="k")
    at_stripe.now_ms += KEPT_FOR_MS + 1
    assert at_stripe.send("POST", V2, THIN | INCLUDE, idempotency_key="k") == made
    at_stripe.now_ms += V2_KEPT_FOR_MS
    assert at_stripe.send("POST", V2, THIN | INCLUDE, idempotency_key="k")["id"] != made["id"]
    for _ in range(2):  # a deletion has a key too
        assert at_stripe.send("DELETE", f"{V2}/{made['id']}", idempotency_key="d")["id"] == made["id"]


@pytest.mark.parametrize("path", [V1, V2])
def test_destinations_are_paged(at_stripe: Stripe, path: str) -> None:
    made = [at_stripe.send("POST", path, FORM if path == V1 else THIN)["id"] for _ in range(7)]
    found: list[str] = []
    url = f"{path}?limit=3"
    while url:
        page = at_stripe.send("GET", url)
        found += [row["id"] for row in page["data"]]
        after = f"{path}?limit=3&starting_after={found[-1]}"
        url = page["next_page_url"] if path == V2 else after if page["has_more"] else None
    assert found == made[::-1]
    if path == V1:
        page = at_stripe.send("GET", f"{path}?limit=2&ending_before={made[0]}")
        assert [row["id"] for row in page["data"]] == [made[2], made[1]]


@pytest.mark.parametrize("in_both", [False, True])
def test_a_destination_is_in_one_api_or_in_both(at_stripe: Stripe, in_both: bool) -> None:
    at_stripe.control("POST", "/settings", destinations_in_both_apis=in_both)
    old = at_stripe.send("POST", V1, FORM)["id"]
    thin, snapshot = (at_stripe.send("POST", V2, body)["id"] for body in (THIN, SNAPSHOT))
    listed = {path: {row["id"] for row in at_stripe.send("GET", path)["data"]} for path in (V1, V2)}
    assert listed == (
        {V1: {old, snapshot}, V2: {old, thin, snapshot}} if in_both else {V1: {old}, V2: {thin, snapshot}}
    )
    at_stripe.send("POST", f"{V2}/{old}/disable")
    assert at_stripe.send("GET", f"{V1}/{old}")["status"] == ("disabled" if in_both else "enabled")


def test_stripe_says_that_an_event_was_never_made(at_stripe: Stripe) -> None:
    health = "v2.core.health.event_generation_failure.resolved"
    at_stripe.send("POST", V2, THIN | {"enabled_events": [health]})
    made = at_stripe.control("POST", "/health", key=KEY, type="payment_intent.succeeded", object_id="pi_lost")
    (sent,) = at_stripe.sent()
    assert (sent["id"], sent["type"], sent["related_object"]) == (made["id"], health, None)
    impact = at_stripe.send("GET", f"/v2/core/events/{sent['id']}")["data"]["impact"]
    assert (impact["event_type"], impact["related_object"]["id"]) == ("payment_intent.succeeded", "pi_lost")
    assert at_stripe.send("GET", "/v1/payment_intents/pi_lost")["status"] == "succeeded"
    assert at_stripe.send("GET", "/v1/events")["data"] == []
