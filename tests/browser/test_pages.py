"""Every page in a browser: nothing that it complains about, accessible in both themes, readable without JavaScript."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, Page

from tests.support.browser_pages import Pages, shots_folder
from tests.support.console_crawl import DOWNLOADS, PAGES, Crawl, Reached, fullest_of_each
from tests.support.console_stack import HOSTILE, OPERATORS, READERS, VIEWERS, ConsoleStack

WITHOUT_LINK = {"act", "command_by_query", "ask_workflow_resume", *DOWNLOADS}
"""An act has a page once there was one, the second answers a form, the third is of a paused workflow, and a file is no
page."""
AT_ONCE = 3


@dataclass
class Looked:
    """What was found when each page was opened, light on a desk and dark on a small phone."""

    inaccessible: list[str] = field(default_factory=list)
    wide: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def reached(crawl: Crawl) -> Mapping[str, Reached]:
    """What an operator reaches."""
    return await crawl(OPERATORS)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def looked(stack: ConsoleStack, chromium: Browser, reached: Mapping[str, Reached]) -> AsyncIterator[Looked]:
    found, pages = Looked(), Pages(stack, chromium, shots_folder())
    context, few = await pages.context(), asyncio.Semaphore(AT_ONCE)

    async def look_at(name: str, address: str) -> None:
        async with few:
            await _look(pages, context, found, name, address)

    async with asyncio.TaskGroup() as group:
        for name, address in fullest_of_each(reached).items():
            group.create_task(look_at(name, address))
    found.complaints = pages.complaints
    yield found
    await pages.close()


async def _look(pages: Pages, context: BrowserContext, found: Looked, name: str, address: str) -> None:
    page = await pages.open_in(context, address)
    found.inaccessible += await _inaccessible(page, f"{name}, light")
    await pages.shot(page, f"{name}-light")
    await page.emulate_media(color_scheme="dark")
    await page.set_viewport_size({"width": 320, "height": 700})
    if await page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
        found.wide.append(f"{name} {address}")
    found.inaccessible += await _inaccessible(page, f"{name}, dark on a phone")
    await pages.shot(page, f"{name}-dark-320")
    await page.close()


async def _inaccessible(page: Page, name: str) -> list[str]:
    said = await Axe().run(page)
    found = said.response["violations"]
    return [f"{name}: {one['id']}: {node['html']}" for one in found for node in one["nodes"][:3]]


async def test_every_link_leads_to_a_page(reached: Mapping[str, Reached]) -> None:
    assert {address: one.status for address, one in reached.items() if one.status != 200} == {}
    lost = [
        f"{at}: {url}#{id_}" for at, one in reached.items() for url, id_ in one.fragments if id_ not in reached[url].ids
    ]
    assert lost == []


async def test_every_page_is_reached_by_links(reached: Mapping[str, Reached]) -> None:
    assert {page.name for page in PAGES} - WITHOUT_LINK <= set(fullest_of_each(reached))


async def test_what_others_wrote_is_no_markup(reached: Mapping[str, Reached]) -> None:
    assert [address for address, one in reached.items() if HOSTILE in one.text] == []


async def test_each_page_is_accessible_in_both_themes(looked: Looked) -> None:
    assert looked.inaccessible == [], "\n".join(looked.inaccessible)


async def test_nothing_is_wider_than_a_small_phone(looked: Looked) -> None:
    assert looked.wide == []


async def test_no_page_breaks_the_content_policy(looked: Looked) -> None:
    assert looked.complaints == []


@pytest.mark.parametrize("group", [VIEWERS, READERS])
async def test_without_javascript_all_can_be_read(pages: Pages, group: str) -> None:
    context = await pages.context(group=group, java_script_enabled=False)
    page = await pages.open_in(context, "/runs")
    assert await page.locator("table.list tbody tr").count() >= 7
    await page.locator("table.list tbody tr a").first.click()
    assert await page.locator("h1").count() == 1


async def test_keys_lead_through_a_list(pages: Pages) -> None:
    page = await pages.open("/runs")
    await page.keyboard.press("/")
    assert await page.evaluate("document.activeElement.id") == "search"
    await page.evaluate("document.activeElement.blur()")
    await page.keyboard.press("j")
    first = await page.evaluate("document.activeElement.textContent")
    await page.keyboard.press("j")
    assert await page.evaluate("document.activeElement.textContent") != first
    await page.keyboard.press("k")
    assert await page.evaluate("document.activeElement.textContent") == first
    await page.keyboard.press("?")
    assert await page.locator("dialog#keys").is_visible()
