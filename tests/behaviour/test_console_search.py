"""The search by any id."""

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import insert

from stripeline.deploy.console.index import tables
from tests.support.console_pages import ConsolePages, console_pages
from tests.support.console_sample import command_rows

LEADS = (
    ("evt_1Sample002", "/events/evt_1Sample002"),
    ("evt_1Sample002:welcome-deposit", "/runs/evt_1Sample002%3Awelcome-deposit"),
    ("evt_1Sample002:welcome-deposit:deposit", "/commands/2/evt_1Sample002%3Awelcome-deposit%3Adeposit"),
    ("stripeline:demo:order-4711", "/commands/1/order-4711"),
    ("  order-4711 ", "/commands/1/order-4711"),
    ("pi_9001", "/commands/1/evt_1Sample001%3Alook-at-disputes%3Adeposit"),
)
HOSTILE_IDS = (
    "<script>alert(1)</script>",
    "' OR 1=1 --",
    "%",
    "_",
    "a\nb",
    "a\u202eb",
    "../../etc",
    "sk_live_abcdefghijklmnop",
    "💥",
)


@pytest.fixture
async def console(tmp_path: Path) -> AsyncIterator[ConsolePages]:
    async with console_pages(tmp_path) as pages:
        yield pages


async def test_an_id_of_one_thing_leads_to_it(console: ConsolePages) -> None:
    for some_id, address in LEADS:
        path = f"/search?id={quote(some_id)}"
        async with console.client.get(path, allow_redirects=False) as response:
            assert (response.status, response.headers.get("Location")) == (303, address), some_id


async def test_an_id_of_several_things_lists_them(console: ConsolePages) -> None:
    text = await console.get("/search?id=cus_3")
    for words in ("Events of this customer", "Runs of this customer", "Commands of this customer"):
        assert f"<h2>{words}</h2>" in text
    assert '<a href="/commands/1/order-4711">' in text


async def test_a_payment_intent_lists_its_events_and_runs(console: ConsolePages) -> None:
    text = await console.get("/search?id=pi_002")
    assert '<a href="/events/evt_1Sample002">' in text
    assert '<a href="/runs/evt_1Sample002%3Awelcome-deposit">' in text


async def test_a_command_id_on_two_partitions_lists_both(console: ConsolePages) -> None:
    row = {**command_rows()[-1], "number": 3}
    await console.index.change(lambda db: db.execute(insert(tables.command), [row]) and None)
    text = await console.get("/search?id=order-4711")
    assert '<a href="/commands/1/order-4711">' in text
    assert '<a href="/commands/3/order-4711">' in text


async def test_many_rows_lead_to_their_list(console: ConsolePages) -> None:
    rows = [{**command_rows()[-1], "command_id": f"order-{number}", "key": "many"} for number in range(30)]
    await console.index.change(lambda db: db.execute(insert(tables.command), rows) and None)
    assert 'href="/commands?key=many">Show all' in await console.get("/search?id=many")


async def test_no_hit_says_what_was_searched(console: ConsolePages) -> None:
    text = await console.get("/search?id=pi_none%3Brm")
    assert "Nothing in the index has it." in text
    assert "of the last 7 d, since <time" in text
    assert "<code>stripeline events show &#39;pi_none;rm&#39;</code>" in text
    assert "Ids of Stripe&#39;s requests" in (await console.get("/search?id=req_1Sample")).replace("'", "&#39;")


async def test_a_blank_search_says_what_to_paste(console: ConsolePages) -> None:
    for path in ("/search", "/search?id=", "/search?id=%20%09"):
        assert "Paste an id into the field above" in await console.get(path)


async def test_a_huge_id_is_refused(console: ConsolePages) -> None:
    assert "no id has more than 500" in await console.get(f"/search?id={'x' * 5_000}", status=400)


async def test_hostile_ids_are_harmless(console: ConsolePages) -> None:
    for some_id in HOSTILE_IDS:
        text = await console.get(f"/search?id={quote(some_id, safe='')}")
        assert "Nothing in the index has it." in text, some_id
        assert "<script>alert" not in text
        assert "\u202e" not in text
        assert "sk_live_abcdefghijklmnop" not in text
