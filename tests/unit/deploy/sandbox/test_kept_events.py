"""Stripe's list of events, with what makes it hard to read: cursors, ties, late ones, accounts, 30 days."""

import tracemalloc
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripeline.deploy.sandbox.api.values import SandboxRequest, kept_json
from stripeline.deploy.sandbox.control_api import control
from stripeline.deploy.sandbox.events import kept_events
from stripeline.deploy.sandbox.events.kept_events import EventLog, Happened, KeptEvent, ListedSpan
from stripeline.deploy.sandbox.sandbox import Sandbox

NOW = 1_700_000_000_000
NOW_S, DAY_S = NOW // 1000, 24 * 3600
KEY, SHOP = "sk_test_events1111", "acct_1Shop"
CUSTOMERS = ["customer.created", "customer.updated"]


class Past:
    def __init__(self) -> None:
        self.sandbox, self.now_ms = Sandbox(seed=1), NOW
        self.control("POST", "/connected", key=KEY, account=SHOP)

    def control(self, method: str, path: str, **body: Any) -> Any:
        call = SandboxRequest(method=method, path="/_sandbox" + path, body=orjson.dumps(body))
        answer = control(self.sandbox, call, self.now_ms)
        assert answer.status == 200, answer.body
        return orjson.loads(answer.body)

    def make(self, *types: str, **more: Any) -> list[str]:
        made = self.control("POST", "/events", **{"types": types or CUSTOMERS, "key": KEY} | more)
        ids: list[str] = made["ids"]
        return ids

    def get(self, path: str = "", key: str = KEY, account: str | None = None, **query: Any) -> tuple[int, Any]:
        call = SandboxRequest(
            method="GET",
            path="/v1/events" + path,
            query=urlencode(query, doseq=True),
            authorization=f"Bearer {key}",
            stripe_account=account,
        )
        ticket = self.sandbox.arrive(call, self.now_ms)
        answer = self.sandbox.execute(ticket, self.now_ms).answer
        return answer.status, orjson.loads(answer.body)

    def ids(self, **query: Any) -> list[str]:
        status, page = self.get(**query)
        assert status == 200, page
        return [event["id"] for event in page["data"]]


@pytest.fixture
def past() -> Past:
    return Past()


def test_an_event_is_kept_where_no_endpoint_is(past: Past) -> None:
    call = SandboxRequest(
        method="POST",
        path="/v1/customers",
        body=b"name=Ada",
        content_type="application/x-www-form-urlencoded",
        authorization=f"Bearer {KEY}",
    )
    past.sandbox.execute(past.sandbox.arrive(call, NOW), NOW)
    (event,) = past.get()[1]["data"]
    assert (event["type"], event["data"]["object"]["name"], event["pending_webhooks"]) == ("customer.created", "Ada", 0)
    assert past.get("/" + event["id"]) == (200, event)


@pytest.mark.parametrize("limit", [1, 7, 100])
def test_paging_finds_each_once_newest_first(past: Past, limit: int) -> None:
    made = past.make(count=60, spread_s=20)
    found: list[str] = []
    for _ in range(len(made)):
        cursor = {"starting_after": found[-1]} if found else {}
        page = past.get(limit=limit, **cursor)[1]
        found += [event["id"] for event in page["data"]]
        if not page["has_more"]:
            break
    assert sorted(found) == sorted(made)
    created = [past.get("/" + event_id)[1]["created"] for event_id in found]
    assert created == sorted(created, reverse=True)


def test_events_of_one_second_are_in_no_order_of_time(past: Past) -> None:
    made = past.make(count=30, created=NOW_S - 1, spread_s=1)
    assert past.ids(limit=100) == sorted(made, reverse=True) != made[::-1]


def test_backwards_paging_finds_the_next_newer(past: Past) -> None:
    past.make(count=10, spread_s=100)
    newest_first = past.ids()
    status, page = past.get(ending_before=newest_first[8], limit=3)
    assert status == 200
    assert [event["id"] for event in page["data"]] == newest_first[5:8]
    assert page["has_more"]
    assert not past.get(ending_before=newest_first[3], limit=3)[1]["has_more"]


def test_ids_are_not_in_the_order_of_creation(past: Past) -> None:
    made = past.make(count=50, spread_s=500)
    assert made != sorted(made)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, 6),
        ({"type": "customer.created"}, 2),
        ({"type": "customer.*"}, 4),
        ({"type": "*"}, 6),
        ({"types[]": ["customer.created", "charge.failed"]}, 4),
        ({"types[0]": "customer.created"}, 2),
        ({"created[gt]": NOW_S - 10}, 0),
        ({"created[gte]": NOW_S - 10}, 6),
        ({"created[lt]": NOW_S - 10}, 0),
        ({"created": NOW_S - 10}, 6),
        ({"delivery_success": "false"}, 0),
        ({"delivery_success": "true"}, 6),
    ],
)
def test_the_list_is_cut_by_type_and_time(past: Past, query: dict[str, Any], expected: int) -> None:
    past.make(count=4, created=NOW_S - 10)
    past.make("charge.failed", count=2, created=NOW_S - 10)
    assert len(past.ids(**query)) == expected


@pytest.mark.parametrize(
    "query",
    [
        {"types[]": [f"customer.{n}" for n in range(21)]},
        {"types[]": ["customer.*"]},
        {"types": "customer.created"},
        {"type": "customer.created", "types[]": ["customer.created"]},
        {"starting_after": "evt_unknown"},
        {"ending_before": "evt_unknown"},
        {"starting_after": "evt_a", "ending_before": "evt_b"},
        {"limit": 101},
        {"limit": 0},
        {"created[gte]": "yesterday"},
        {"created[since]": "1"},
        {"delivery_success": "maybe"},
        {"object_id": "cus_1"},
    ],
)
def test_a_wrong_question_is_refused(past: Past, query: dict[str, Any]) -> None:
    status, body = past.get(**query)
    assert status == 400
    assert body["error"]["type"] == "invalid_request_error"


def test_a_cursor_older_than_30_days_is_an_error(past: Past) -> None:
    (old,) = past.make("customer.created", created=NOW_S - 30 * DAY_S)
    past.make("customer.created")
    assert past.get(ending_before=old)[0] == 200
    past.now_ms += 1000
    for cursor in ("ending_before", "starting_after"):
        status, body = past.get(**{cursor: old})
        assert (status, body["error"]["code"], body["error"]["param"]) == (400, "resource_missing", cursor)
    assert past.get("/" + old)[0] == 404
    assert old not in past.ids()


def test_a_cursor_holds_its_place_whatever_its_type(past: Past) -> None:
    (charge,) = past.make("charge.failed", created=NOW_S - 5)
    newer, older = past.make("customer.created", created=NOW_S), past.make("customer.created", created=NOW_S - 9)
    assert past.ids(type="customer.created", starting_after=charge) == older
    assert past.ids(type="customer.created", ending_before=charge) == newer


def test_a_late_event_appears_behind_the_cursor(past: Past) -> None:
    (first,) = past.make("customer.created", created=NOW_S - 60)
    (late,) = past.make("customer.created", created=NOW_S - 90, listed_after_s=600)
    assert past.ids() == [first]
    assert past.get("/" + late)[0] == 200
    past.now_ms += 600_000
    assert past.ids() == [first, late]
    past.control("POST", "/settings", events_listed_after_s=60)


def test_an_account_lists_its_own_events_alone(past: Past) -> None:
    own, theirs = past.make(), past.make(account=SHOP)
    assert set(past.ids()) == set(own)
    assert set(past.ids(account=SHOP)) == set(theirs)
    assert "account" not in past.get(account=SHOP)[1]["data"][0]
    assert past.get("/" + theirs[0])[0] == 404
    assert past.get("/" + theirs[0], account=SHOP)[0] == 200
    assert past.get(account="acct_1Else")[0] == 403
    assert past.ids(key=KEY.replace("test", "live")) == []


def test_an_event_keeps_the_version_of_its_creation(past: Past) -> None:
    (old,) = past.make("customer.created", api_version="2020-08-27")
    past.control("POST", "/settings", api_version="2026-09-30.endive")
    (new,) = past.make("customer.created")
    assert [past.get("/" + one)[1]["api_version"] for one in (old, new)] == ["2020-08-27", "2026-09-30.endive"]


def test_the_object_can_be_read_as_it_is_now(past: Past) -> None:
    (event_id,) = past.make("payment_intent.succeeded", data={"amount": 5000}, object_id="pi_now")
    event = past.get(f"/{event_id}")[1]
    assert (event["data"]["object"]["status"], event["data"]["object"]["amount"]) == ("succeeded", 5000)
    assert past.sandbox.endpoints.store.get(past.sandbox.accounts.account_of(KEY), "pi_now") is not None
    past.make("payment_intent.canceled", object_id="pi_now", gone=True)
    assert past.sandbox.endpoints.store.get(past.sandbox.accounts.account_of(KEY), "pi_now") is None


@pytest.mark.parametrize("metadata", [None, [], "x", {"a": None, "b": ["c"]}])
def test_a_test_gives_objects_any_fields(past: Past, metadata: Any) -> None:
    for _ in range(2):
        past.make(*CUSTOMERS, count=2, object_id="cus_1", data={"metadata": metadata})
    assert past.get()[1]["data"][0]["data"]["object"]["metadata"] == metadata


def test_what_is_kept_is_bounded_and_what_is_not_is_counted() -> None:
    log = EventLog(keep=3)
    happened = Happened(
        type="customer.created", object=b"{}", account="a", livemode=False, request={}, at_ms=NOW, api_version=""
    )
    events = [KeptEvent(id=f"evt_{n * 7 % 5}", type="customer.created", happened=happened) for n in range(5)]
    for event in events:
        log.add(event)
    assert (len(log), log.forgotten) == (3, 2)
    assert [log.get(event.id) for event in events] == [None, None, *events[2:]]
    everything = ListedSpan(first_ms=0, last_ms=NOW)
    assert set(log.walk("a", livemode=False, span=everything, now_ms=NOW)) == set(events[2:])
    assert kept_events.EVENTS_KEPT >= 100_000


@given(
    created=st.lists(st.integers(0, 8), max_size=25),
    bounds=st.tuples(st.integers(0, 8), st.integers(0, 8)),
    cursor=st.none() | st.tuples(st.booleans(), st.integers(0, 24)),
)
def test_a_walk_is_the_sorted_list_cut(
    created: list[int], bounds: tuple[int, int], cursor: tuple[bool, int] | None
) -> None:
    """Whatever the order of arrival, and wherever the cursor is: also outside of the bounds."""
    log, events = EventLog(), []
    for number, second in enumerate(created):
        happened = Happened(
            type="x.y", object=b"", account="a", livemode=True, request={}, at_ms=NOW - second * 700, api_version=""
        )
        events.append(KeptEvent(id=f"evt_{number * 7 % 26:02}", type="x.y", happened=happened))
        log.add(events[-1])
    first, last = sorted(NOW - bound * 1000 for bound in bounds)
    backwards, anchor = (False, None) if cursor is None or not events else (cursor[0], events[cursor[1] % len(events)])
    expected = sorted(
        (event for event in events if first <= event.place[0] <= last), key=lambda event: event.place, reverse=True
    )
    if anchor is not None:
        expected = [
            event for event in expected if (event.place > anchor.place if backwards else event.place < anchor.place)
        ]
    if backwards:
        expected.reverse()
    span = ListedSpan(first_ms=first, last_ms=last, cursor=anchor, backwards=backwards)
    assert list(log.walk("a", livemode=True, span=span, now_ms=NOW)) == expected


def test_what_is_kept_takes_its_own_size() -> None:
    value = {"name": "x" * 40, "values": ["y" * 10] * 100}
    tracemalloc.start()
    try:
        kept = [kept_json(value) for _ in range(200)]
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken < 2 * sum(map(len, kept))


def sent(past: Past) -> list[str]:
    return [delivery.event.id for delivery in past.sandbox.webhooks.take()]


@pytest.fixture
def hooked(past: Past) -> Past:
    past.control("POST", "/webhooks", url="http://127.0.0.1:1/", secret="whsec_1")
    return past


def test_the_next_deliveries_are_lost_and_listed(hooked: Past) -> None:
    hooked.control("POST", "/deliveries", do="lose", times=2)
    made = hooked.make("customer.created", count=5, spread_s=5)
    assert sent(hooked) == made[2:]
    assert set(hooked.ids()) == set(made)
    assert set(hooked.ids(delivery_success="false")) == set(made[2:])  # those that wait: the list finds no loss
    assert hooked.control("GET", "/deliveries")["deliveries"]["lost"] == 2


def test_a_share_of_one_type_is_lost(hooked: Past) -> None:
    hooked.control("POST", "/deliveries", do="lose", times=None, probability=0.1, types=["customer.created"])
    hooked.make("customer.created", "charge.failed", count=2000)
    lost = hooked.control("GET", "/deliveries")["deliveries"]["lost"]
    assert 60 < lost < 140
    assert len(sent(hooked)) == 2000 - lost
    assert hooked.control("DELETE", "/deliveries")["rules"] == []


def test_held_deliveries_are_released_in_any_order_and_twice(hooked: Past) -> None:
    hooked.control("POST", "/deliveries", do="hold", times=None)
    made = hooked.make("customer.created", count=50)
    assert sent(hooked) == []
    assert hooked.control("POST", "/deliveries/release", shuffle=True) == {"released": 50}
    released = sent(hooked)
    assert released != made
    assert sorted(released) == sorted(made)
    hooked.control("DELETE", "/deliveries")
    hooked.control("POST", "/deliveries", do="repeat")
    assert hooked.make("customer.created") * 2 == sent(hooked)
    hooked.control("POST", "/events/again", ids=made[:3])
    assert sent(hooked) == made[:3]


def test_what_failed_in_an_outage_is_sent_again(hooked: Past) -> None:
    made = hooked.make("customer.created", count=3, spread_s=3)
    for delivery in hooked.sandbox.webhooks.take():
        hooked.sandbox.webhooks.ended(delivery, "delivered" if delivery.event.id == made[1] else "failed")
    assert set(hooked.ids(delivery_success="false")) == {made[0], made[2]}
    hooked.control("POST", "/events/again", failed=True)
    again = hooked.sandbox.webhooks.take()
    assert [delivery.event.id for delivery in again] == [made[0], made[2]]
    for delivery in again:
        hooked.sandbox.webhooks.ended(delivery, "delivered")
    assert hooked.ids(delivery_success="false") == []


def test_events_are_made_without_being_sent(hooked: Past) -> None:
    made = hooked.make(count=2, deliver=False)
    assert sent(hooked) == []
    listed = hooked.control("GET", "/events")
    assert [row["id"] for row in listed["events"]] == made
    assert (listed["kept"], listed["forgotten"]) == (2, 0)


@pytest.mark.parametrize(
    "body",
    [
        {"types": [], "key": KEY},
        {"types": ["customer created"], "key": KEY},
        {"types": ["customer.created"]},
        {"types": ["customer.created"], "key": KEY, "count": 100_001},
        {"types": ["customer.created"], "key": KEY, "created": NOW_S + 1},
        {"types": ["customer.created"], "key": KEY, "id": "evt_1", "count": 2},
        {"types": ["customer.created"], "key": KEY, "count": 60_000},
    ],
)
def test_events_that_make_no_sense_are_refused(past: Past, body: dict[str, Any]) -> None:
    call = SandboxRequest(method="POST", path="/_sandbox/events", body=orjson.dumps(body))
    assert control(past.sandbox, call, NOW).status == 400


def test_100_000_events_are_made_and_listed(past: Past) -> None:
    past.make(*CUSTOMERS, count=100_000, spread_s=DAY_S, deliver=False)
    assert len(past.ids(limit=100, **{"created[gte]": NOW_S - 3600})) == 100
