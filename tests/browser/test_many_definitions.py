"""A thousand tenants in a browser: the next page of a list, and what a filter leaves of it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.support.browser_pages import Pages
from tests.support.console_pages import console_pages
from tests.support.console_sample import NOW_MS
from tests.support.many_definitions import many_definitions


@pytest_asyncio.fixture(loop_scope="session")
async def many(tmp_path: Path) -> AsyncIterator[str]:
    """Where a console serves them: without Kafka, since it shows them from memory."""
    async with console_pages(tmp_path) as console:
        console.pausing.definitions = many_definitions(1_000, NOW_MS)
        yield str(console.client.make_url("")).rstrip("/")


@pytest.mark.parametrize("kind", ["connections", "workflows"])
async def test_a_list_goes_on_and_is_filtered(many: str, pages: Pages, kind: str) -> None:  # it outlives its pages
    page = await pages.open(f"/{kind}", base=many)
    rows = page.locator("#rows tr")
    await expect(rows).to_have_count(50)
    await page.get_by_role("link", name="Next", exact=True).click()
    await expect(rows.first).to_contain_text("tenant-00050")
    await pages.shot(page, f"{kind}-page-2")
    await page.get_by_label("Name", exact=True).fill("0042")
    await page.get_by_role("button", name="Show", exact=True).click()
    await expect(rows).to_have_count(11)
    await expect(page.locator(".tabs")).to_contain_text("all 11")
    await pages.shot(page, f"{kind}-filtered")
