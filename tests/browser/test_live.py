"""Live pages in a browser: nothing moves under the cursor, and nobody is streamed to who does not look.

The rows come from an index in memory, so that each change happens when a test says so.
"""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web
from playwright.async_api import Browser, BrowserContext, Page, expect
from sqlalchemy import insert, update

from stripeline.deploy.console.console_app import console_app
from stripeline.deploy.console.index import tables
from tests.support.console_pages import ConsolePages, console_pages
from tests.support.console_sample import NOW_MS, run_rows
from tests.support.scripted_workers import until

HIDE = """(hidden) => {
  Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
BLUR = "document.activeElement.blur()"


@dataclass
class LivePages:
    """A console, a browser that looks at it, and what the browser complained about."""

    console: ConsolePages
    url: str
    context: BrowserContext
    complaints: list[str] = field(default_factory=list)
    added: int = 0

    async def open(self, path: str) -> Page:
        page = await self.context.new_page()
        page.on("console", lambda said: self.complaints.append(said.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        await page.goto(f"{self.url}{path}")
        return page

    async def streams(self, count: int) -> None:
        live = self.console.sources.counters.live
        await until(lambda: live.open == count, f"{count} streams are open")

    async def add_run(self) -> None:
        self.added += 1
        row = {**run_rows()[1], "run_id": f"evt_new{self.added}:thanks", "started_ms": NOW_MS + self.added}
        await self.console.index.change(lambda db: db.execute(insert(tables.run), [row]))
        await self.console.index.grow()

    async def stop_all(self, code: str) -> None:
        stopped = update(tables.run).values(status="stopped", code=code)
        await self.console.index.change(lambda db: db.execute(stopped))


@asynccontextmanager
async def live_pages(folder: Path, chromium: Browser) -> AsyncIterator[LivePages]:
    async with console_pages(folder) as console:
        runner = web.AppRunner(console_app(console.sources, console.sign_in), shutdown_timeout=1.0)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        context = await chromium.new_context()
        context.set_default_timeout(20_000)
        try:
            pages = LivePages(console, f"http://127.0.0.1:{runner.addresses[0][1]}", context)
            yield pages
            assert pages.complaints == []
        finally:
            await context.close()
            await runner.cleanup()


async def test_new_rows_wait_and_a_key_shows_them(tmp_path: Path, chromium: Browser) -> None:
    async with live_pages(tmp_path, chromium) as pages:
        page = await pages.open("/runs?workflow=look-at-disputes")
        first = page.locator("#rows tr").first
        await pages.streams(1)
        before = await first.bounding_box(), await first.inner_text()
        await pages.add_run()
        await expect(page.locator("[data-news]")).to_have_text("1 new run")
        assert (await first.bounding_box(), await first.inner_text()) == before
        await page.keyboard.press("n")
        await expect(first).to_contain_text("evt_new1:thanks")
        await expect(page.locator("#list")).to_be_focused()  # where j and k go on
        await expect(page.locator("[data-news]")).to_have_count(0)
        await pages.streams(1)
        assert page.url.endswith("/runs?workflow=look-at-disputes")


async def test_a_hidden_tab_has_no_connection(tmp_path: Path, chromium: Browser) -> None:
    async with live_pages(tmp_path, chromium) as pages:
        page = await pages.open("/runs")
        await pages.streams(1)
        await page.evaluate(f"({HIDE})(true)")
        await pages.streams(0)
        await pages.add_run()
        await page.evaluate(f"({HIDE})(false)")
        await pages.streams(1)
        await expect(page.locator("[data-news]")).to_have_text("1 new run")


@pytest.mark.parametrize(
    ("begin", "end"),
    [
        ("document.getElementById('filter-workflow').focus()", BLUR),
        ("document.getElementById('keys').showModal()", "document.getElementById('keys').close()"),
        ("document.querySelector('#rows input').click()", "document.querySelector('#rows input').click()"),
    ],
    ids=["field", "dialog", "selection"],
)
async def test_a_form_in_use_is_left_alone(tmp_path: Path, chromium: Browser, begin: str, end: str) -> None:
    async with live_pages(tmp_path, chromium) as pages:
        page = await pages.open("/runs")
        await pages.streams(1)
        await page.evaluate(f"() => {{ {begin} }}")
        await pages.streams(0)
        await pages.add_run()
        await page.evaluate(f"() => {{ {end} }}")
        await pages.streams(1)
        await expect(page.locator("[data-news]")).to_have_text("1 new run")


async def test_numbers_change_in_place_and_rows_do_not_move(tmp_path: Path, chromium: Browser) -> None:
    async with live_pages(tmp_path, chromium) as pages:
        page = await pages.open("/")
        await pages.streams(1)
        await pages.stop_all("PAYMENT_REQUIRED")
        await expect(page.get_by_text("60 runs stopped: PAYMENT_REQUIRED")).to_be_visible()
        await expect(page.locator(".looked time")).not_to_have_text(re.compile("UTC"))  # in the reader's time here too
        await pages.stop_all("CONFLICT")
        await expect(page.locator("[data-news]")).to_have_text("Show what has changed")
        await expect(page.get_by_text("60 runs stopped: PAYMENT_REQUIRED")).to_be_visible()
        await page.keyboard.press("n")
        await expect(page.get_by_text("60 runs stopped: CONFLICT")).to_be_visible()


async def test_what_has_the_focus_is_not_replaced(tmp_path: Path, chromium: Browser) -> None:
    async with live_pages(tmp_path, chromium) as pages:
        page = await pages.open("/")
        await pages.streams(1)
        await page.focus(".findings a.button")
        sent = pages.console.sources.counters.live.messages
        await pages.stop_all("PAYMENT_REQUIRED")
        await until(lambda: pages.console.sources.counters.live.messages > sent + 1, "two messages were sent")
        assert await page.evaluate("document.activeElement.textContent") == "Look at the endpoints"
        await page.evaluate(BLUR)
        await expect(page.get_by_text("60 runs stopped: PAYMENT_REQUIRED")).to_be_visible()


async def test_one_stream_is_open_after_many_pages(tmp_path: Path, chromium: Browser) -> None:
    async with live_pages(tmp_path, chromium) as pages:
        page = await pages.open("/runs")
        for path in ("/", "/workers", "/runs?status=stopped", "/commands"):
            await page.goto(f"{pages.url}{path}")
            await pages.streams(1)
        await page.close()
        await pages.streams(0)
