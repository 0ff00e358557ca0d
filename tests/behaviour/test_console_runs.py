"""The page of runs."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.console_pages import ConsolePages, console_pages


@pytest.fixture
async def console(tmp_path: Path) -> AsyncIterator[ConsolePages]:
    async with console_pages(tmp_path) as pages:
        yield pages


async def test_a_filter_shows_only_what_matches(console: ConsolePages) -> None:
    text = await console.get("/runs?status=stopped&code=PAYMENT_REQUIRED")
    assert text.count("<tr>") == 1 + 11
    assert "succeeded</span>" not in text


async def test_every_run_is_on_one_of_the_pages(console: ConsolePages) -> None:
    text = await console.get("/runs")
    assert text.count("<tr>") == 1 + 50
    older = text.split('href="?after=')[1].split('"')[0]
    assert (await console.get(f"/runs?after={older}")).count("<tr>") == 1 + 10


async def test_a_time_that_is_none_is_explained(console: ConsolePages) -> None:
    assert "since: &#39;soon&#39; is no moment: write 2026-01-31" in await console.get("/runs?since=soon", status=400)
