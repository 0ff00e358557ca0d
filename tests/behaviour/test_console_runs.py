"""The page of runs."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from stripeline.deploy.console.auth.identity import ConsoleRole
from tests.support.console_pages import ConsolePages, console_pages
from tests.support.console_sample import ago


@pytest.fixture
async def console(tmp_path: Path) -> AsyncIterator[ConsolePages]:
    async with console_pages(tmp_path) as pages:
        yield pages


async def test_a_filter_shows_only_what_matches(console: ConsolePages) -> None:
    text = await console.get("/runs?status=stopped&code=PAYMENT_REQUIRED")
    assert text.count("<tr>") == 1 + 11
    assert "succeeded</span>" not in text


FILTERS = (
    ("type=charge.dispute.created", 20),
    ("trigger=acme-payments", 20),
    ("account=acct_1Connected&connection=acme", 10),
    ("customer=cus_3", 7),
    ("event=evt_1Sample003", 1),
    ("workflow=welcome-deposit&status=stopped", 4),
    (f"since={ago(30)}", 5),
    (f"since={ago(60)}&until={ago(30)}", 4),
)


async def test_runs_are_filtered_by_each_field(console: ConsolePages) -> None:
    for query, found in FILTERS:
        assert (await console.get(f"/runs?{query}")).count("<tr>") == 1 + found, query


async def test_every_run_is_on_one_of_the_pages(console: ConsolePages) -> None:
    text = await console.get("/runs")
    assert text.count("<tr>") == 1 + 50
    older = text.split('href="?after=')[1].split('"')[0]
    assert (await console.get(f"/runs?after={older}")).count("<tr>") == 1 + 10


async def test_the_statuses_keep_the_other_filters(console: ConsolePages) -> None:
    text = await console.get("/runs?status=stopped&workflow=welcome-deposit")
    assert (
        '<a href="?status=succeeded&amp;workflow=welcome-deposit">succeeded <span class="count">16</span></a>' in text
    )
    assert '<a href="?workflow=welcome-deposit">all <span class="count">20</span></a>' in text
    assert 'aria-current="page">stopped <span class="count">4</span></a>' in text


async def test_more_filters_are_open_when_one_is_set(console: ConsolePages) -> None:
    assert "<details>" in await console.get("/runs?workflow=welcome-deposit")
    assert "<details open>" in await console.get("/runs?account=acct_1Connected")


async def test_the_form_suggests_what_is_defined(console: ConsolePages) -> None:
    text = await console.get("/runs")
    assert '<option value="welcome-deposit"></option>' in text
    assert '<option value="acme-charges"></option>' in text


async def test_only_an_operator_selects_runs(console: ConsolePages) -> None:
    assert 'name="id" value="evt_1Sample000:thank-big-spenders"' in await console.get("/runs")
    console.become(ConsoleRole.READER)
    assert 'type="checkbox"' not in await console.get("/runs")


async def test_a_time_that_is_none_is_explained(console: ConsolePages) -> None:
    text = await console.get("/runs?since=soon", status=400)
    assert "since: &#39;soon&#39; is no moment: write 2026-01-31" in text
    assert 'href="/runs">Back to Runs' in text


@pytest.mark.parametrize("query", ["status=stoped", f"customer={'x' * 501}"])
async def test_a_filter_no_run_can_match_is_refused(console: ConsolePages, query: str) -> None:
    assert "This filter can&#39;t be used" in await console.get(f"/runs?{query}", status=400)


HOSTILE_FILTERS = (
    "customer=%3Cscript%3E",
    "event=%27%20OR%201=1--",
    "after=9999999999999999999~x",
    "after=%D9%A3~x",
    "account=%ED%A0%80",
)


async def test_hostile_filters_are_harmless(console: ConsolePages) -> None:
    for query in HOSTILE_FILTERS:
        assert "<script>" not in await console.get(f"/runs?{query}"), query


async def test_an_id_with_a_zero_byte_is_not_found(console: ConsolePages) -> None:
    await console.get("/runs?customer=%00", status=404)


async def test_no_run_says_what_to_do(console: ConsolePages) -> None:
    assert '<a href="/runs">Show all runs</a>' in await console.get("/runs?code=CONFLICT")
