"""Every page in a browser: nothing that it complains about, accessible in both themes, readable without JavaScript."""

import re
from collections import deque
from urllib.parse import urljoin, urlsplit

import aiohttp
import pytest
from axe_playwright_python.async_playwright import Axe

from stripeline.deploy.console.page_table import all_pages
from tests.support.browser_pages import Pages
from tests.support.console_stack import HOSTILE, READERS, VIEWERS, ConsoleStack, addresses

PAGES = [page for page in all_pages() if page.method == "GET"]
MOST_PAGES = 400


def pattern(path: str) -> re.Pattern[str]:
    """What a page's address looks like."""
    return re.compile(re.sub(r"\\\{[^/:}]+(:\\\.\\\+|:\.\+)?\\\}", ".+", re.escape(path)))


async def crawled(stack: ConsoleStack, group: str) -> dict[str, str]:
    """All that can be reached by links, from the first page on, with the text of each."""
    found: dict[str, str] = {}
    waiting = deque(["/", *(page.path for page in PAGES if "{" not in page.path)])
    async with aiohttp.ClientSession(headers=stack.proxy_headers(group)) as session:
        while waiting and len(found) < MOST_PAGES:
            address = waiting.popleft()
            if address in found:
                continue
            async with session.get(f"{stack.url}{address}") as answer:
                if answer.content_type == "text/event-stream":
                    found[address] = ""
                    continue
                text = found[address] = await answer.text(errors="replace")
                assert answer.status < 400, (address, answer.status, text[:2_000])
            if answer.content_type == "text/html":
                links = (urlsplit(urljoin(f"{stack.url}{address}", link)) for link in addresses(text))
                own = [link for link in links if f"{link.scheme}://{link.netloc}" == stack.url]
                waiting.extend(link._replace(scheme="", netloc="", fragment="").geturl() for link in own)
    return found


def one_of_each(reached: dict[str, str]) -> dict[str, str]:
    """An address of each page, by its name; the first that was reached."""
    found: dict[str, str] = {}
    for address in reached:
        path = urlsplit(address).path
        for page in sorted(PAGES, key=lambda page: "{" in page.path):
            if pattern(page.path).fullmatch(path):
                found.setdefault(page.name, address)
                break
    return found


@pytest.fixture(scope="session")
def reached() -> dict[str, dict[str, str]]:
    return {}


async def test_no_link_leads_nowhere(stack: ConsoleStack) -> None:
    found = await crawled(stack, "ops")
    assert len(found) >= len([page for page in PAGES if "{" not in page.path])
    hostile = [address for address, text in found.items() if HOSTILE in text]
    assert hostile == []  # as markup; escaped it is on some of them


async def test_each_page_is_accessible_in_both_themes(stack: ConsoleStack, pages: Pages) -> None:
    addresses_ = one_of_each(await crawled(stack, "ops"))
    problems = []
    for theme in ("light", "dark"):
        context = await pages.context(theme=theme)
        for name, address in addresses_.items():
            page = await pages.open_in(context, address)
            found = await Axe().run(page)
            problems += [(name, theme, one["id"], one["nodes"][0]["html"]) for one in found.response["violations"]]
            await pages.shot(page, f"{name}-{theme}")
            await page.close()
    assert problems == []


@pytest.mark.parametrize("group", [VIEWERS, READERS])
async def test_without_javascript_all_can_be_read(stack: ConsoleStack, pages: Pages, group: str) -> None:
    context = await pages.context(group=group, java_script_enabled=False)
    page = await pages.open_in(context, "/runs")
    assert await page.locator("table.list tbody tr").count() >= 7
    await page.locator("table.list tbody tr a").first.click()
    assert await page.locator("h1").count() == 1


async def test_nothing_is_wider_than_a_small_phone(stack: ConsoleStack, pages: Pages) -> None:
    context = await pages.context(width=320)
    wide = []
    for name, address in one_of_each(await crawled(stack, "ops")).items():
        page = await pages.open_in(context, address)
        if await page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
            wide.append(name)
        await pages.shot(page, f"{name}-320")
        await page.close()
    assert wide == []


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
