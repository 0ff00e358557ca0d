"""Every page in a browser: nothing that it complains about, accessible in both themes, readable without JavaScript."""

import re
from collections import deque
from urllib.parse import urljoin, urlsplit

import aiohttp
import pytest
from axe_playwright_python.async_playwright import Axe

from stripeline.deploy.console.page_table import all_pages
from tests.support.browser_pages import Pages
from tests.support.console_stack import HOSTILE, OPERATORS, READERS, VIEWERS, ConsoleStack, addresses

PAGES = [page for page in all_pages() if page.method == "GET"]
MOST_PAGES = 400
PLACE = re.compile(r"\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}")
BY_SPECIFICITY = sorted(PAGES, key=lambda page: -len(PLACE.sub("", page.path)))
DOWNLOADS = {"contract_asyncapi", "contract_schema"}
WITHOUT_LINK = {"act", "command_by_query", "ask_workflow_resume", *DOWNLOADS}
"""An act has a page once there was one, the second answers a form, the third is of a paused workflow, and a file is no
page."""


def pattern(path: str) -> re.Pattern[str]:
    """What a page's address looks like."""
    return re.compile(".+".join(re.escape(part) for part in PLACE.split(path)))


async def crawled(stack: ConsoleStack, group: str = OPERATORS) -> dict[str, tuple[int, str]]:
    """All that can be reached by links, from the first page on, with the status and the text of each."""
    found: dict[str, tuple[int, str]] = {}
    waiting = deque(["/", *(page.path for page in PAGES if "{" not in page.path)])
    async with aiohttp.ClientSession(headers=stack.proxy_headers(group)) as session:
        while waiting and len(found) < MOST_PAGES:
            address = waiting.popleft()
            if address in found:
                continue
            async with session.get(f"{stack.url}{address}") as answer:
                if answer.content_type == "text/event-stream":
                    found[address] = answer.status, ""
                    continue
                text = await answer.text(errors="replace")
                found[address] = answer.status, text
            if answer.content_type == "text/html":
                links = (urlsplit(urljoin(f"{stack.url}{address}", link)) for link in addresses(text))
                own = [link for link in links if f"{link.scheme}://{link.netloc}" == stack.url]
                waiting.extend(link._replace(scheme="", netloc="", fragment="").geturl() for link in own)
    return found


def one_of_each(reached: dict[str, tuple[int, str]]) -> dict[str, str]:
    """An address of each page, by its name; the first that was reached."""
    found: dict[str, str] = {}
    for address in (address for address, (status, _) in reached.items() if status == 200):
        path = urlsplit(address).path
        for page in BY_SPECIFICITY:
            if pattern(page.path).fullmatch(path):
                found.setdefault(page.name, address)
                break
    return {name: address for name, address in found.items() if name not in DOWNLOADS}


async def test_no_link_leads_nowhere(stack: ConsoleStack) -> None:
    found = await crawled(stack)
    assert len(found) >= len([page for page in PAGES if "{" not in page.path])
    assert {address: status for address, (status, _) in found.items() if status >= 400} == {}
    assert [address for address, (_, text) in found.items() if HOSTILE in text] == []  # as markup


async def test_every_page_is_reached_by_links(stack: ConsoleStack) -> None:
    assert {page.name for page in PAGES} - WITHOUT_LINK <= set(one_of_each(await crawled(stack)))


async def test_each_page_is_accessible_in_both_themes(stack: ConsoleStack, pages: Pages) -> None:
    addresses_ = one_of_each(await crawled(stack))
    problems = []
    for theme in ("light", "dark"):
        context = await pages.context(theme=theme)
        for name, address in addresses_.items():
            page = await pages.open_in(context, address)
            found = await Axe().run(page)
            problems += [
                f"{name} {theme}: {one['id']}: {node['html']}"
                for one in found.response["violations"]
                for node in one["nodes"][:3]
            ]
            await pages.shot(page, f"{name}-{theme}")
            await page.close()
    assert problems == [], "\n".join(problems)


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
    for name, address in one_of_each(await crawled(stack)).items():
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
