"""Thin events: the twin of each snapshot, what is delivered and what is fetched, the list, whose they are."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import orjson
import pytest

from stripeline.deploy.sandbox.api.values import SandboxRequest
from stripeline.deploy.sandbox.control_api import control
from stripeline.deploy.sandbox.sandbox import Sandbox

NOW = 1_700_000_000_123
NOW_S, DAY_S = NOW // 1000, 24 * 3600
KEY, SHOP, VERSION = "sk_test_thin1111", "acct_1Shop", "2026-09-30.endive"
Body = dict[str, Any]


class Twins:
    def __init__(self) -> None:
        self.sandbox, self.now_ms = Sandbox(seed=1), NOW
        self.control("POST", "/connected", key=KEY, account=SHOP)

    def control(self, method: str, path: str, **body: Any) -> Any:
        call = SandboxRequest(method=method, path="/_sandbox" + path, body=orjson.dumps(body))
        answer = control(self.sandbox, call, self.now_ms)
        assert answer.status == 200, answer.body
        return orjson.loads(answer.body)

    def make(self, *types: str, **more: Any) -> Body:
        made: Body = self.control("POST", "/events", **{"types": types or ["customer.updated"], "key": KEY} | more)
        return made

    def send(self, path: str, query: str = "", version: str | None = VERSION, **headers: Any) -> tuple[int, Any]:
        call = SandboxRequest(
            method="GET", path=path, query=query, authorization=f"Bearer {KEY}", stripe_version=version, **headers
        )
        ticket = self.sandbox.arrive(call, self.now_ms)
        answer = self.sandbox.execute(ticket, self.now_ms).answer
        return answer.status, orjson.loads(answer.body)

    def get(self, event_id: str, **headers: Any) -> Body:
        status, event = self.send(f"/v2/core/events/{event_id}", **headers)
        assert status == 200, event
        found: Body = event
        return found

    def listed(self, url: str = "", **query: Any) -> list[str]:
        """All pages."""
        path, asked = "/v2/core/events", urlencode(query, doseq=True)
        ids: list[str] = []
        for _ in range(100):
            status, page = self.send(path, asked)
            assert status == 200, page
            ids += [event["id"] for event in page["data"]]
            if page["next_page_url"] is None:
                return ids
            path, asked = urlsplit(page["next_page_url"]).path, urlsplit(page["next_page_url"]).query
        raise AssertionError("the pages never end")

    def sent(self) -> list[Body]:
        return [orjson.loads(delivery.body) for delivery in self.sandbox.webhooks.take()]


@pytest.fixture
def twins() -> Twins:
    return Twins()


def at(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat()


def test_a_change_has_a_snapshot_and_a_thin_event(twins: Twins) -> None:
    made = twins.make(object_id="cus_1", data={"name": "Ada"}, previous_attributes={"name": "A."})
    (snapshot_id,), (thin_id,) = made["ids"], made["thin_ids"]
    thin = twins.get(thin_id)
    assert thin == {
        "id": thin_id,
        "object": "v2.core.event",
        "type": "v1.customer.updated",
        "created": "2023-11-14T22:13:20.123Z",
        "livemode": False,
        "related_object": {"id": "cus_1", "type": "customer", "url": "/v1/customers/cus_1"},
        "changes": {"before": {"name": "A."}, "after": {"name": "Ada"}},
        "context": None,
        "data": None,
        "reason": None,
        "snapshot_event": snapshot_id,
    }
    status, snapshot = twins.send(f"/v1/events/{snapshot_id}")
    assert (status, snapshot["type"], snapshot["created"]) == (200, "customer.updated", NOW_S)
    assert thin_id.startswith("evt_test_65")
    assert thin_id != snapshot_id


def test_each_id_is_of_one_api_alone(twins: Twins) -> None:
    made = twins.make()
    assert twins.send(f"/v1/events/{made['thin_ids'][0]}")[0] == 404
    status, body = twins.send(f"/v2/core/events/{made['ids'][0]}")
    assert (status, body["error"]["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("event_type", "snapshots", "thin"),
    [
        ("payment_intent.succeeded", 1, 1),
        ("customer.subscription.active", 0, 1),
        ("customer.discount.source_changed", 0, 1),
        ("customer.source.expiring", 1, 0),
    ],
)
def test_some_types_have_no_twin(twins: Twins, event_type: str, snapshots: int, thin: int) -> None:
    made = twins.make(event_type)
    assert (len(made["ids"]), len(made["thin_ids"])) == (snapshots, thin)
    for thin_id in made["thin_ids"]:
        event = twins.get(thin_id)
        assert (event["snapshot_event"] is None) is (snapshots == 0)
        assert (event["related_object"] is None) is (event_type == "customer.discount.source_changed")


@pytest.mark.parametrize(
    ("event_type", "url"),
    [
        ("payment_intent.succeeded", "/v1/payment_intents/pi_"),
        ("charge.dispute.created", "/v1/disputes/du_"),
        ("charge.refund.updated", "/v1/refunds/re_"),
        ("customer.subscription.past_due", "/v1/subscriptions/sub_"),
        ("customer.tax_id.updated", "/v1/customers/cus_sandbox/tax_ids/txi_"),
    ],
)
def test_the_related_object_is_read_at_its_url(twins: Twins, event_type: str, url: str) -> None:
    related = twins.get(twins.make(event_type)["thin_ids"][0])["related_object"]
    assert related["url"].startswith(url)
    status, found = twins.send(related["url"])
    assert (status, found["id"], found["object"]) == (200, related["id"], related["type"])


def test_a_discount_is_named_by_its_customer_without_id(twins: Twins) -> None:
    related = twins.get(twins.make("customer.discount.created")["thin_ids"][0])["related_object"]
    assert related == {"type": "discount", "url": "/v1/customers/cus_sandbox/discount"}
    assert twins.send(related["url"])[1]["object"] == "discount"


@pytest.mark.parametrize(
    ("event_type", "status", "deleted"),
    [("customer.deleted", 200, True), ("customer.tax_id.deleted", 404, None), ("charge.failed", 200, None)],
)
def test_what_was_deleted_says_so_or_is_gone(twins: Twins, event_type: str, status: int, deleted: bool | None) -> None:
    related = twins.get(twins.make(event_type)["thin_ids"][0])["related_object"]
    found_status, found = twins.send(related["url"])
    assert (found_status, found.get("deleted")) == (status, deleted)


def test_a_thin_endpoint_is_sent_notifications(twins: Twins) -> None:
    twins.control("POST", "/webhooks", url="http://127.0.0.1:1/", secret="whsec_1", thin=True)
    made = twins.make("customer.updated", "customer.source.created", idempotency_key="k1", count=2)
    (sent,) = twins.sent()
    assert sent == {
        "id": made["thin_ids"][0],
        "object": "v2.core.event",
        "type": "v1.customer.updated",
        "created": "2023-11-14T22:13:20.123Z",
        "livemode": False,
        "related_object": sent["related_object"],
    }


def test_both_kinds_of_endpoint_get_one_each(twins: Twins) -> None:
    for thin in (False, True):
        twins.control("POST", "/webhooks", url="http://127.0.0.1:1/", secret="whsec_1", thin=thin)
    made = twins.make("customer.updated", "customer.subscription.active", "customer.source.created", count=3)
    assert sorted(event["id"] for event in twins.sent()) == sorted(made["ids"] + made["thin_ids"])


def test_a_thin_endpoint_takes_types_by_their_thin_names(twins: Twins) -> None:
    types = ["v1.customer.created", "customer.updated"]
    twins.control("POST", "/webhooks", url="http://127.0.0.1:1/", secret="whsec_1", thin=True, types=types)
    twins.make("customer.created", "customer.updated", count=2)
    assert [event["type"] for event in twins.sent()] == ["v1.customer.created"]


def test_a_connected_account_is_the_context(twins: Twins) -> None:
    twins.control("POST", "/webhooks", url="http://127.0.0.1:1/", secret="whsec_1", thin=True, connect=True, key=KEY)
    made = twins.make(account=SHOP)
    (sent,) = twins.sent()
    assert (sent["id"], sent["context"]) == (made["thin_ids"][0], SHOP)
    assert twins.send(f"/v2/core/events/{sent['id']}")[0] == 404
    assert twins.get(sent["id"], stripe_context=SHOP)["id"] == sent["id"]
    assert twins.get(sent["id"], stripe_context=f"acct_1Platform/{SHOP}")["id"] == sent["id"]
    assert twins.send(sent["related_object"]["url"], stripe_context=SHOP)[0] == 200
    assert twins.send(f"/v1/events/{made['ids'][0]}", stripe_context=SHOP)[0] == 200
    status, body = twins.send(f"/v2/core/events/{sent['id']}", stripe_context="acct_1Else")
    assert (status, body["error"]["code"]) == (403, "account_invalid")
    assert twins.send(f"/v2/core/events/{sent['id']}", stripe_context=SHOP, stripe_account=SHOP)[0] == 400


def test_a_request_without_its_version_is_refused(twins: Twins) -> None:
    assert twins.send("/v2/core/events", version=None)[0] == 400
    assert twins.send("/v1/events", version=None)[0] == 200


@pytest.mark.parametrize("limit", [1, 7, 100])
def test_the_pages_have_each_once_newest_first(twins: Twins, limit: int) -> None:
    made = twins.make("customer.updated", "charge.failed", count=40, spread_s=4)
    found = twins.listed(limit=limit)
    assert sorted(found) == sorted(made["thin_ids"])
    created = [twins.get(event_id)["created"] for event_id in found]
    assert created == sorted(created, reverse=True)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, 6),
        ({"types[0]": "v1.customer.updated"}, 4),
        ({"types[0]": "customer.updated"}, 0),
        ({"types[]": ["v1.customer.updated", "v1.charge.failed"]}, 6),
        ({"object_id": "cus_1"}, 4),
        ({"created[gte]": at(NOW)}, 6),
        ({"created[gt]": at(NOW)}, 0),
        ({"created[lte]": at(NOW)}, 6),
        ({"created[lt]": at(NOW)}, 0),
        ({"created[gt]": at(NOW - 1), "created[lt]": at(NOW + 1)}, 6),
    ],
)
def test_the_thin_list_is_cut_by_type_object_time(twins: Twins, query: Body, expected: int) -> None:
    twins.make(count=4, object_id="cus_1")
    twins.make("charge.failed", count=2)
    assert len(twins.listed(**query)) == expected
    assert len(twins.listed(**query, limit=1)) == expected


@pytest.mark.parametrize(
    "query",
    [
        {"types[]": [f"v1.customer.{n}" for n in range(21)]},
        {"types[0]": "v1.customer.*"},
        {"types": "v1.customer.updated"},
        {"created[gte]": NOW_S},
        {"created[gte]": "2023-11-14T22:13:20"},
        {"created": at(NOW)},
        {"created[since]": at(NOW)},
        {"limit": 101},
        {"page": "page_evt_unknown"},
        {"starting_after": "evt_1"},
    ],
)
def test_a_wrong_question_for_thin_events_is_refused(twins: Twins, query: Body) -> None:
    status, body = twins.send("/v2/core/events", urlencode(query, doseq=True))
    assert (status, body["error"]["code"]) == (400, "invalid_fields")


def test_thin_events_older_than_30_days_are_gone(twins: Twins) -> None:
    old = twins.make(created=NOW_S - 30 * DAY_S + 1)["thin_ids"][0]
    twins.make()
    status, page = twins.send("/v2/core/events", "limit=1")
    assert status == 200
    twins.now_ms += 2000
    assert twins.send(f"/v2/core/events/{old}")[0] == 404
    assert old not in twins.listed()
    token = dict(parse_qsl(urlsplit(page["next_page_url"]).query))["page"]
    assert twins.send("/v2/core/events", f"page={token}")[0] == 200
    assert twins.send("/v2/core/events", f"page=page_{old}")[0] == 400


def test_the_request_is_the_reason(twins: Twins) -> None:
    call = SandboxRequest(
        method="POST",
        path="/v1/customers",
        body=b"name=Ada",
        content_type="application/x-www-form-urlencoded",
        authorization=f"Bearer {KEY}",
        idempotency_key="stripeline:i:c1",
    )
    twins.sandbox.execute(twins.sandbox.arrive(call, NOW), NOW)
    (event_id,) = twins.listed()
    reason = twins.get(event_id)["reason"]
    assert (reason["type"], reason["request"]["idempotency_key"]) == ("request", "stripeline:i:c1")
    assert reason["request"]["id"].startswith("req_")


def test_100_000_changes_have_200_000_events(twins: Twins) -> None:
    made = twins.make("customer.updated", "charge.failed", count=100_000, spread_s=3600, deliver=False)
    assert (len(set(made["ids"])), len(set(made["thin_ids"]))) == (100_000, 100_000)
    first = twins.get(made["thin_ids"][0])
    assert first["snapshot_event"] == made["ids"][0]
