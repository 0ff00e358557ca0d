"""The page of the audit trail: each act with who, why and what, its filters, and a way to what it is about."""

import json
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert

from stripeline.contracts.internal_records import AuditRecord, OffsetRange, encode
from stripeline.contracts.topics import Topics
from stripeline.deploy.console.definitions.audit_links import about_link, main_link, record_links
from stripeline.deploy.console.index import tables
from tests.support.console_pages import ConsolePages, console_pages
from tests.support.console_sample import HOSTILE, NOW_MS

LETTERS = Topics().dead_letter


@pytest.fixture
async def console(tmp_path: Path) -> AsyncIterator[ConsolePages]:
    async with console_pages(tmp_path) as pages:
        yield pages


async def add(console: ConsolePages, *records: AuditRecord, body: str | None = None) -> None:
    rows = [
        {"number": 2, "offset": offset, "act": one.act, "by": one.by, "why": one.why, "about": one.about,
         "body": body or encode(one).decode(), "at_ms": one.at_ms}
        for offset, one in enumerate(records)
    ]  # fmt: skip

    def change(db: Connection) -> None:
        db.execute(insert(tables.audit), rows)

    await console.index.change(change)


def act(**changed: object) -> AuditRecord:
    fields = {"act": "retry_run", "by": "ada", "why": "w", "at_ms": NOW_MS, "records": (), **changed}
    return AuditRecord(**fields)  # type: ignore[arg-type]


async def test_each_act_leads_to_what_it_is_about(console: ConsolePages) -> None:
    text = await console.get("/audit")
    assert 'href="/runs/evt_1Sample007%3Alook-at-disputes"' in text
    assert 'href="/connections/globex"' in text
    assert 'href="/dead-letters/3/902"' in text
    assert 'href="/workflows/thank-big-spenders"' in text


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("act=pause_connection", 1), ("by=ada%40example.com", 3), ("about=workflow+thank-big-spenders", 2),
        ("since=2h", 2), ("until=30h", 1), ("act=apply&by=grace%40example.com", 1), ("by=nobody", 0),
    ],
)  # fmt: skip
async def test_a_filter_shows_the_acts_that_match(console: ConsolePages, query: str, found: int) -> None:
    assert (await console.get(f"/audit?{query}")).count('href="/audit/') == found


async def test_a_filter_that_is_none_is_explained(console: ConsolePages) -> None:
    assert "is none of" in await console.get("/audit?act=stolen", 400)
    assert "is no moment" in await console.get("/audit?since=soon", 400)


async def test_every_act_is_on_one_of_the_pages(console: ConsolePages) -> None:
    await add(console, *(act(why=f"why {number}.") for number in range(120)))  # all of one millisecond
    seen: list[str] = []
    path = "/audit?act=retry_run"
    while path:
        text = await console.get(path)
        seen += [one.split("<")[0] for one in text.split('<td class="wrap">')[1:]]
        more = text.partition('<p class="more"><a class="button" href="')[2].partition('"')[0]
        path = f"/audit{unescape(more)}" if more else ""
    assert len(seen) == len(set(seen)) == 121


async def test_an_act_shows_its_reason_and_definition(console: ConsolePages) -> None:
    text = await console.get("/audit/0/4")
    assert "only big spenders" in text
    assert "<ins>data.amount &gt;= 5000</ins>" in text
    assert text.count("<pre") == 2
    assert "no such act" in await console.get("/audit/0/999", 404)


async def test_hostile_acts_are_text(console: ConsolePages) -> None:
    deep: dict[str, object] = {}
    for _ in range(200):
        deep = {"a": deep}
    wrong = act(
        by=HOSTILE, why=f"{HOSTILE}\x1b[31m sk_live_{'a1' * 12}", about=f"run {HOSTILE}/../x", act=HOSTILE,
        definition={"steps": [{"id": HOSTILE, "input": {"a": HOSTILE}}], HOSTILE: 1}, former={"steps": "none"},
    )  # fmt: skip
    other = act(definition={"steps": [HOSTILE, {"id": 1}]}, former={"where": deep}, about="workflow w")
    await add(console, wrong, other)
    for path in ("/audit", "/audit/2/0", "/audit/2/1"):
        text = await console.get(path)
        assert HOSTILE not in text
        assert "\x1b" not in text
        assert "a1a1a1" not in text


async def test_an_act_of_a_later_version_is_shown(console: ConsolePages) -> None:
    await add(console, act(), body=json.dumps({"act": "retry_run", "records": "another shape"}))
    assert "retry_run" in await console.get("/audit/2/0")
    assert "retry_run" in await console.get("/audit")


def test_what_an_act_is_about_has_an_address() -> None:
    addresses = {
        "connection acme": "/connections/acme", "workflow thank": "/workflows/thank",
        "trigger acme-pay": "/events?trigger=acme-pay", "run evt_1:thank": "/runs/evt_1%3Athank",
        "command order/7": "/search?id=order%2F7", "master key 3f9a1c2b": None, "connection ": None, "": None,
    }  # fmt: skip
    for about, address in addresses.items():
        found = about_link(about)
        assert (found.address if found else None) == address


def test_records_lead_to_their_dead_letters() -> None:
    ranges = (
        OffsetRange(topic=LETTERS, partition=1, first=7, last=9),
        OffsetRange(topic="other", partition=0, first=1, last=1),
    )
    first, second = record_links(act(records=ranges), Topics())
    assert (first.text, first.address) == (f"{LETTERS}, partition 1, offsets 7 to 9", "/dead-letters/1/7")
    assert (second.text, second.address) == ("other, partition 0, offset 1", None)
    found = main_link(act(records=ranges), Topics())
    assert found is not None
    assert found.text.endswith("and 1 more")
