"""Stripe's list is paged through to its end, newest first, whatever its pages do."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from stripeline.deploy.stripe_side.sweeps.event_listing import EventListing, ListingError
from stripeline.deploy.stripe_side.sweeps.listed_event import ListedEvent, listed_event
from stripeline.deploy.stripe_side.sweeps.sweep_plan import TypesQuestion

TYPE = "payment_intent.succeeded"
QUESTION = TypesQuestion("snapshot", (TYPE,))
THIN = TypesQuestion("thin", (f"v1.{TYPE}",))


def event(name: str, created: Any = 100, **others: Any) -> dict[str, Any]:
    data = {"object": {"id": "pi_1", "object": "payment_intent"}}
    return {"id": name, "object": "event", "type": TYPE, "created": created, "livemode": True, "data": data} | others


def page(*events: Any, more: bool = False) -> Mapping[str, Any]:
    return {"object": "list", "data": list(events), "has_more": more}


def asked(listing: EventListing) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(listing.path()).query))


def ids(found: Any) -> list[str]:
    return [one.id for one in found]


def test_a_page_asks_for_exact_types_and_whole_seconds():
    listing = EventListing(TypesQuestion("snapshot", ("charge.failed", "charge.pending")), 100, 160)
    assert urlsplit(listing.path()).path == "/v1/events"
    assert asked(listing) == {
        "created[gte]": "100", "created[lte]": "160", "limit": "100", "types[0]": "charge.failed",
        "types[1]": "charge.pending",
    }  # fmt: skip


def test_the_last_event_of_a_page_is_the_next_anchor():
    listing = EventListing(QUESTION, 0, 200)
    assert ids(listing.take(page(event("evt_9"), event("evt_1"), more=True))) == ["evt_9", "evt_1"]
    assert not listing.done
    assert asked(listing)["starting_after"] == "evt_1"
    assert ids(listing.take(page(event("evt_5")))) == ["evt_5"]
    assert listing.done


def test_an_event_on_two_pages_is_taken_once():
    listing = EventListing(QUESTION, 0, 200)
    listing.take(page(event("evt_1"), event("evt_2"), more=True))
    assert ids(listing.take(page(event("evt_2"), event("evt_3")))) == ["evt_3"]


def test_an_unknown_anchor_goes_on_by_created():
    listing = EventListing(QUESTION, 0, 200)
    listing.take(page(event("evt_1", 150), event("evt_2", 120), more=True))
    listing.restart()
    assert not listing.anchored
    assert asked(listing)["created[lte]"] == "120"
    assert ids(listing.take(page(event("evt_2", 120), event("evt_3", 120)))) == ["evt_3"]


def test_anchors_that_are_always_refused_end_it():
    listing = EventListing(QUESTION, 0, 200)
    for _ in range(3):
        listing.restart()
    with pytest.raises(ListingError, match="anchors"):
        listing.restart()


def again() -> EventListing:
    listing = EventListing(QUESTION, 0, 200)
    listing.take(page(event("evt_1"), more=True))
    return listing


@pytest.mark.parametrize(
    "bad",
    [
        page(event("evt_1"), more=True),  # the same anchor again
        page(more=True),
        page({"object": "event"}, more=True),
        {"object": "list", "has_more": False},
        {"data": "x"},
    ],
)
def test_a_list_that_leads_nowhere_is_an_error(bad: Mapping[str, Any]):
    with pytest.raises(ListingError):
        again().take(bad)


def test_a_list_without_an_end_is_an_error(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("stripeline.deploy.stripe_side.sweeps.event_listing.MAX_PAGES", 5)
    listing = EventListing(QUESTION, 0, 200)
    for number in range(4):
        listing.take(page(event(f"evt_{number}"), more=True))
    with pytest.raises(ListingError, match="does not end"):
        listing.take(page(event("evt_4"), more=True))


def test_what_was_not_asked_for_is_left_out():
    listing = EventListing(QUESTION, 100, 200)
    others = [event("evt_1", 99), event("evt_2", 201), event("evt_3", type="charge.failed"), "x", None, {"id": 3}]
    assert ids(listing.take(page(*others, event("evt_4", 100), event("evt_5", 200)))) == ["evt_4", "evt_5"]


def test_a_body_that_is_too_large_shortens_the_pages():
    listing = EventListing(QUESTION, 0, 200)
    for limit in ("100", "20", "4"):
        assert asked(listing)["limit"] == limit
        listing.shorten()
    assert asked(listing)["limit"] == "1"
    with pytest.raises(ListingError, match="too large"):
        listing.shorten()


def thin(name: str, created: Any = "1970-01-01T00:01:40.500Z", **others: Any) -> dict[str, Any]:
    return {"id": name, "object": "v2.core.event", "type": f"v1.{TYPE}", "created": created, "livemode": True} | others


def test_thin_events_are_paged_by_the_address_of_the_next_page():
    listing = EventListing(THIN, 100, 160)
    assert urlsplit(listing.path()).path == "/v2/core/events"
    assert asked(listing)["created[gte]"] == "1970-01-01T00:01:40.000Z"
    found = listing.take({"data": [thin("evt_1")], "next_page_url": "/v2/core/events?page=abc"})
    assert [(one.id, one.created_s) for one in found] == [("evt_1", 100)]
    assert listing.path() == "/v2/core/events?page=abc"
    listing.take({"data": [thin("evt_2")], "next_page_url": None})
    assert listing.done


@pytest.mark.parametrize("url", ["https://evil.example/v1/account", "/v1/customers?x=1", "//evil.example/", 5, ""])
def test_a_next_page_elsewhere_is_an_error(url: Any):
    with pytest.raises(ListingError, match="next page"):
        EventListing(THIN, 100, 160).take({"data": [thin("evt_1")], "next_page_url": url})


def test_only_the_path_of_a_next_page_is_used():
    listing = EventListing(THIN, 100, 160)
    listing.take({"data": [thin("evt_1")], "next_page_url": "https://evil.example/v2/core/events?page=a"})
    assert listing.path() == "/v2/core/events?page=a"


def test_a_listing_for_an_account_names_it_in_each_event():
    found = listed_event(event("evt_1"), "snapshot", "acct_1")
    assert found is not None
    assert b'"account":"acct_1"' in found.body
    named = listed_event(event("evt_1", account="acct_2"), "snapshot", "acct_1")
    assert named is not None
    assert b'"account":"acct_2"' in named.body
    context = listed_event(thin("evt_1"), "thin", "acct_1")
    assert context is not None
    assert b'"context":"acct_1"' in context.body


@pytest.mark.parametrize("account", [None, "acct_1"])
def test_a_test_event_of_the_dashboard_is_left_out(account: str | None):
    assert listed_event(event("evt_00000000000000", livemode=False), "snapshot", account) is None
    assert listed_event(event("evt_00000000000000", livemode=True), "snapshot", account) is not None


def deep() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for _ in range(300):
        found = {"a": found}
    return found


@pytest.mark.parametrize(
    "spoil",
    [
        lambda one: one | {"id": "e" * 200},
        lambda one: one | {"id": "evt 1"},
        lambda one: one | {"created": True},
        lambda one: one | {"created": "now"},
        lambda one: one | {"created": None},
        lambda one: one | {"type": None},
        lambda one: one | {"data": deep()},
    ],
)
def test_what_is_no_event_is_left_out(spoil: Callable[[dict[str, Any]], Any]):
    assert listed_event(spoil(event("evt_1")), "snapshot", None) is None
    assert isinstance(listed_event(event("evt_1"), "snapshot", None), ListedEvent)
