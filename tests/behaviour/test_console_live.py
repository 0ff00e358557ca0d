"""Live streams of the console: what is new on a list, bounds, and who may read."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import insert

from stripeline.deploy.console.auth.identity import ConsoleRole
from stripeline.deploy.console.console_page import ConsolePage, News
from stripeline.deploy.console.index.tables import letter, run
from stripeline.deploy.console.live import live_schedule
from stripeline.deploy.console.live.live_places import MOST_OF_USER
from stripeline.deploy.console.page_table import all_pages
from tests.support.console_pages import ConsolePages, console_pages
from tests.support.console_sample import NOW_MS, letter_rows, run_rows
from tests.support.live_streams import next_event, stream
from tests.support.scripted_workers import until


@pytest.fixture
async def console(tmp_path: Path) -> AsyncIterator[ConsolePages]:
    async with console_pages(tmp_path) as pages:
        yield pages


async def add_runs(console: ConsolePages, *names: str, **changed: object) -> None:
    sample = {**run_rows()[1], **changed}
    rows = [{**sample, "run_id": name, "started_ms": NOW_MS + 1 + place} for place, name in enumerate(names)]
    await console.index.change(lambda db: db.execute(insert(run), rows))
    await console.index.grow()


async def address_of(console: ConsolePages, page: str) -> str:
    """The stream that a page names."""
    return (await console.get(page)).split('sse-connect="')[1].split('"')[0].replace("&amp;", "&")


async def test_a_row_that_is_added_is_one_new(console: ConsolePages):
    async with stream(console, await address_of(console, "/runs?status=succeeded")) as events:
        await add_runs(console, "evt_1:thanks", status="succeeded")
        name, html = await next_event(events)
    assert name == "news"
    assert ">1 new run</a>" in html
    assert 'href="/runs?status=succeeded"' in html


async def test_only_what_matches_the_filters_is_new(console: ConsolePages):
    async with stream(console, await address_of(console, "/runs?status=stopped")) as events:
        await add_runs(console, "evt_1:thanks", status="succeeded")
        await add_runs(console, "evt_2:thanks", "evt_3:thanks", status="stopped")
        assert ">2 new runs</a>" in (await next_event(events))[1]


async def test_changes_side_by_side_are_one_message(console: ConsolePages):
    async with stream(console, await address_of(console, "/runs")) as events:
        for number in range(5):
            await add_runs(console, f"evt_{number}:thanks")
        assert ">5 new runs</a>" in (await next_event(events))[1]


async def test_a_screen_reader_hears_of_news_once(console: ConsolePages):
    async with stream(console, await address_of(console, "/runs")) as events:
        await add_runs(console, "evt_1:thanks")
        assert [(await next_event(events))[0] for _ in range(2)] == ["news", "said"]
        await add_runs(console, "evt_2:thanks")
        assert ">2 new runs</a>" in (await next_event(events))[1]
        await add_runs(console, "evt_3:thanks")
        assert ">3 new runs</a>" in (await next_event(events))[1]


async def test_what_came_meanwhile_is_new_at_once(console: ConsolePages):
    address = await address_of(console, "/runs")
    await add_runs(console, "evt_1:thanks")
    async with stream(console, address) as events:
        assert ">1 new run</a>" in (await next_event(events))[1]


async def test_an_older_page_of_a_list_has_no_stream(console: ConsolePages):
    older = (await console.get("/runs")).split('href="?after=')[1].split('"')[0]
    assert "sse-connect" not in await console.get(f"/runs?after={older}")


async def test_a_stream_is_not_cached_and_has_the_headers(console: ConsolePages):
    async with stream(console, "/live/runs") as events:
        assert events.headers["Content-Type"].startswith("text/event-stream")
        assert events.headers["Cache-Control"] == "no-store"
        assert events.headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'self'" in events.headers["Content-Security-Policy"]


async def test_the_next_stream_of_a_person_is_refused(console: ConsolePages):
    opened = [await console.client.get("/live/runs") for _ in range(MOST_OF_USER)]
    async with console.client.get("/live/runs") as refused:
        assert refused.status == 503
        assert int(refused.headers["Retry-After"]) > 0
    opened.pop().close()  # its reader goes, and its place is free

    async def admitted() -> bool:
        async with console.client.get("/live/runs") as response:
            return response.status == 200

    await until(admitted, "a place is free")
    for one in opened:
        one.close()


async def test_a_stream_ends_with_the_session(console: ConsolePages, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(live_schedule, "IDENTIFY_S", 0.1)
    async with stream(console, "/live/runs") as events:
        assert (await next_event(events))[0] == "news"
        await next_event(events)
        console.sign_in.identity = None
        assert (await next_event(events))[0] == "end"
        assert await events.content.read() == b""


async def test_a_silent_stream_has_a_heartbeat(console: ConsolePages, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(live_schedule, "HEARTBEAT_S", 0.1)
    async with stream(console, await address_of(console, "/runs")) as events, asyncio.timeout(10):
        assert [await events.content.readline() for _ in range(4)] == [b":\n", b"\n"] * 2


async def test_streams_end_at_shutdown(tmp_path: Path):
    async with console_pages(tmp_path) as console:
        opened = await console.client.get("/live/runs")
        async with asyncio.timeout(5):
            await console.client.server.close()
            await opened.content.read()


async def test_nobody_reads_without_a_session(console: ConsolePages):
    console.sign_in.identity = None
    await console.get("/live/runs", status=401)


async def test_a_stream_needs_the_role_of_its_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    runs = next(page for page in all_pages() if page.name == "runs")
    pages = [replace(runs, needs=ConsoleRole.OPERATOR)]
    monkeypatch.setattr("stripeline.deploy.console.console_app.all_pages", lambda: pages)
    async with console_pages(tmp_path) as console:
        console.become(ConsoleRole.READER)
        await console.get("/live/runs", status=403)


async def test_a_page_that_is_not_live_has_no_stream(console: ConsolePages):
    await console.get("/live/nothing", status=404)


async def test_a_filter_that_is_none_is_refused(console: ConsolePages):
    console.become(ConsoleRole.VIEWER)
    assert "is no moment" in await console.get("/live/runs?since=soon", status=400)


@pytest.mark.parametrize("newest", ["x", "1~", "99999999999999999999~a", "9223372036854775808~a", "٣~a", "--1~a"])
async def test_a_key_that_is_none_counts_from_the_start(console: ConsolePages, newest: str):
    async with stream(console, f"/live/runs?newest={newest}") as events:
        assert " new runs</a>" in (await next_event(events))[1]
    await console.get(f"/runs?after={newest}")


@pytest.mark.parametrize("page", [page for page in all_pages() if page.live is not None], ids=lambda page: page.name)
async def test_each_live_page_names_its_stream(console: ConsolePages, page: ConsolePage):
    address = await address_of(console, page.path)
    assert address.startswith(f"/live/{page.name}?")
    async with stream(console, address) as events:
        if isinstance(page.live, News):
            assert await events.content.readline() == b":\n"  # nothing is new
    async with stream(console, f"/live/{page.name}") as events:
        assert (await next_event(events))[0] in {"news", *(() if isinstance(page.live, News) else page.live.templates)}


@pytest.mark.parametrize(("query", "count"), [("", 0), ("?state=", 1), ("?state=dismissed", 1), ("?state=open", 0)])
async def test_a_blank_filter_is_one(console: ConsolePages, query: str, count: int):
    address = await address_of(console, f"/dead-letters{query}")
    row = {**letter_rows()[-1], "offset": 2_000, "at_ms": NOW_MS + 1}
    assert row["state"] == "dismissed"
    await console.index.change(lambda db: db.execute(insert(letter), [row]))
    async with stream(console, address) as events:
        expected = "1 new dead letter</a>" if count else ":"
        assert expected in ((await next_event(events))[1] if count else (await events.content.readline()).decode())
