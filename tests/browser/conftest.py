"""One product with its consoles, and one Chromium, for all tests of this folder."""

import shutil
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect

from tests.support.broker import Broker
from tests.support.browser_pages import Pages, shots_folder
from tests.support.console_crawl import Crawl, Reached, crawled
from tests.support.console_stack import ConsoleStack, console_stack

WITHIN_MS = 20_000
expect.set_options(timeout=WITHIN_MS)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests share one event loop, as they share the browser."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stack(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ConsoleStack]:
    folder = tmp_path_factory.mktemp("console")
    async with console_stack(broker.bootstrap_servers, "browser.", folder) as started:
        yield started


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    path = shutil.which("chromium")
    assert path is not None, "Chromium was not found. Install Debian's: apt-get install chromium"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def crawl(stack: ConsoleStack) -> Crawl:
    """All pages by their links. The tests of acts come first and leave something on every page."""
    known: dict[str, Mapping[str, Reached]] = {}

    async def reached(group: str) -> Mapping[str, Reached]:
        if group not in known:
            known[group] = await crawled(stack, group)
        return known[group]

    return reached


@pytest_asyncio.fixture(loop_scope="session")
async def pages(stack: ConsoleStack, chromium: Browser) -> AsyncIterator[Pages]:
    """Pages in the browser. Whatever one of them complained about fails the test."""
    found = Pages(stack, chromium, shots_folder())
    yield found
    await found.close()
    assert found.complaints == []
