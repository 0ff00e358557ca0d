"""The pages of events: the list, and one of them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import insert

from stripeline.contracts.topics import Topics
from stripeline.deploy.console.auth.identity import ConsoleRole
from stripeline.deploy.console.index import tables
from tests.support.console_pages import ConsolePages, console_pages
from tests.support.console_sample import CLIENT_SECRET, ago, event_rows

ONE = "/events/evt_1Sample002"
FILTERS = (
    ("type=charge.dispute.created", 20),
    ("type=payment_intent.*", 20),
    ("object=pi_007", 1),
    ("customer=cus_3", 7),
    (f"trigger=acme-customers&since={ago(60)}", 3),
    ("connection=acme&account=acct_1Connected", 10),
    ("event=evt_1Sample003", 1),
    (f"until={ago(400)}", 2),
    ("source=backfill", 3),
    ("source=delivery&type=charge.dispute.created", 17),
)


@pytest.fixture
async def console(tmp_path: Path) -> AsyncIterator[ConsolePages]:
    async with console_pages(tmp_path) as pages:
        yield pages


async def test_events_are_filtered_by_each_field(console: ConsolePages) -> None:
    for query, found in FILTERS:
        assert (await console.get(f"/events?{query}")).count("<tr>") == 1 + found, query


async def test_every_event_is_on_one_of_the_pages(console: ConsolePages) -> None:
    older = (await console.get("/events")).split('class="button" href="')[1].split('"')[0]
    assert (await console.get(f"/events{older}")).count("<tr>") == 1 + 10


async def test_an_event_shows_its_payload_masked(console: ConsolePages) -> None:
    text = await console.get(ONE)
    assert "&#34;receipt_email&#34;: &#34;…masked&#34;" in text
    assert CLIENT_SECRET not in text
    assert "@evil.example" not in text


async def test_an_event_shows_the_runs_that_it_started(console: ConsolePages) -> None:
    assert '<a href="/runs/evt_1Sample002%3Awelcome-deposit">' in await console.get(ONE)


async def test_a_viewer_sees_no_payload_of_an_event(console: ConsolePages) -> None:
    console.become(ConsoleRole.VIEWER)
    text = await console.get(ONE)
    assert "Payloads need the role reader." in text
    assert "receipt_email" not in text


async def test_an_event_that_was_found_later_says_so(console: ConsolePages) -> None:
    assert (await console.get("/events?source=backfill")).count('<span class="badge">late</span>') == 3
    text = await console.get("/events/evt_1Sample004")
    assert "Stripe's list of events, 30 h after it was created" in text
    assert "behind newer events of its object" in text
    assert "30 h after it was created" not in await console.get(ONE)


async def test_each_copy_of_an_event_can_be_seen(console: ConsolePages) -> None:
    copy = {**event_rows()[2], "topic": "stripe.charge-event", "offset": 900, "received_ms": 1}
    await console.index.change(lambda db: db.execute(insert(tables.event), [copy]) and None)
    text = await console.get(ONE)
    assert "It was published 2 times" in text
    assert "Kafka has this record no more" in text
    address = f"at={Topics().events[2]}%2F2%2F2"
    assert f'<a href="?{address}">' in text
    assert "&#34;receipt_email&#34;" in await console.get(f"{ONE}?{address}")


async def test_the_record_of_another_event_is_not_shown(console: ConsolePages) -> None:
    known = console.records.known
    place, other = (Topics().events[2], 2, 2), (Topics().events[0], 3, 3)
    known[place] = known[other]
    assert "Kafka has this record no more" in await console.get(ONE)


async def test_an_unknown_event_leads_to_the_search(console: ConsolePages) -> None:
    assert "Back to the search" in await console.get("/events/evt_none%2F%0A", status=404)
    assert "Show all events" in await console.get("/events?event=evt_none")


async def test_a_bad_filter_of_events_has_a_way_back(console: ConsolePages) -> None:
    assert 'href="/events">Back to Events' in await console.get("/events?since=soon", status=400)
