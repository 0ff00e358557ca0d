"""Each act: clicked in the browser, seen on the topics and at Stripe, once; and what a page says of what is new."""

import re
from collections.abc import AsyncIterator, Sequence

import pytest_asyncio
from markupsafe import escape
from playwright.async_api import Page, expect

from stripeline.contracts.internal_records import AuditRecord, read
from stripeline.workers.kafka.control_table import read_all
from tests.support.browser_pages import Pages
from tests.support.cluster import Cluster
from tests.support.console_stack import HOSTILE, ConsoleStack, paid, shows
from tests.support.end_state import no_lag, read_topic
from tests.support.money import Order, effects, ended, order, revised, run_is, run_of

USER, WHY = "ada@example.com", "the cause is gone"


@pytest_asyncio.fixture(loop_scope="session")
async def found(stack: ConsoleStack) -> AsyncIterator[Cluster]:
    yield stack.cluster


async def audited(found: Cluster, act: str, about: str = "") -> Sequence[AuditRecord]:
    topics = found.settings.topics
    records = await read_topic(found.settings.kafka_bootstrap_servers, topics.audit, found.settings.partitions)
    acts = [read(AuditRecord, record.value) for record in records]
    return [one for one in acts if one.act == act and about in (one.about or "")]


async def acted(page: Page, button: str, typed: str | None = None) -> None:
    """From a page with the button of an act to its end: preview, reason, confirmation."""
    await page.get_by_role("button", name=re.compile(f"^{button}")).first.click()
    await page.wait_for_url(re.compile(r"/acts/.+"))
    await page.get_by_label("Reason").fill(WHY)
    if typed is not None:
        await page.get_by_label(re.compile("^Type ")).fill(typed)
    await page.locator("form.confirm button").click()
    await expect(page.get_by_text(re.compile(r"^Done, "))).to_be_visible()


async def selected(pages: Pages, run: str) -> Page:
    """The list of stopped runs with one of them selected."""
    page = await pages.open("/runs?status=stopped")
    await page.get_by_role("checkbox", name=f"Select {run}").check()
    return page


async def test_a_stopped_run_is_retried_once(stack: ConsoleStack, pages: Pages, found: Cluster) -> None:
    run = "evt_stop_1:two-steps"
    page = await selected(pages, run)
    await acted(page, "Retry selected")
    await run_is(found, run, "succeeded")
    await page.reload()  # the act's own address: nothing is confirmed again
    done = await effects(found)
    assert [len(done.get(f"{run}:{step}", [])) for step in ("customer", "customer:2", "deposit")] == [0, 1, 1]
    (act,) = await audited(found, "retry_run", run)
    assert (act.by, act.why) == (USER, WHY)
    await shows(stack, "/runs?status=succeeded", run)


async def test_a_run_is_cancelled(pages: Pages, found: Cluster) -> None:
    run = "evt_stop_2:two-steps"
    await acted(await selected(pages, run), "Cancel selected")
    assert WHY in (await run_is(found, run, "cancelled"))["note"]
    assert [act.by for act in await audited(found, "cancel_run", run)] == [USER]


async def test_a_run_is_retried_from_its_page(pages: Pages, found: Cluster) -> None:
    run = "evt_stop_3:two-steps"
    await acted(await pages.open(f"/runs/{run}"), "Retry…")
    await run_is(found, run, "succeeded")
    done = await effects(found)
    assert [len(done.get(f"{run}:{step}", [])) for step in ("customer", "customer:2", "deposit")] == [0, 1, 1]
    assert [act.by for act in await audited(found, "retry_run", run)] == [USER]


async def test_a_run_is_cancelled_from_its_page(stack: ConsoleStack, pages: Pages, found: Cluster) -> None:
    run = "evt_stop_4:two-steps"
    await acted(await pages.open(f"/runs/{run}"), "Cancel…")
    assert WHY in (await run_is(found, run, "cancelled"))["note"]
    await shows(stack, f"/runs/{run}", "cancelled", USER)
    assert f"{run}:customer:2" not in await effects(found)


async def test_a_run_is_erased_once_its_count_is_typed(stack: ConsoleStack, pages: Pages, found: Cluster) -> None:
    run = "evt_ok_3:two-steps"
    page = await pages.open(f"/runs/{run}")
    assert HOSTILE in await page.locator("main").inner_text()
    await acted(page, "Erase…", typed="1")
    text = await shows(stack, f"/runs/{run}", "its event, inputs and outputs are gone")
    assert str(escape(HOSTILE)) not in text
    assert [act.why for act in await audited(found, "erase_run", run)] == [WHY]


async def test_a_dead_letter_is_replayed_once(pages: Pages, found: Cluster) -> None:
    page = await pages.open("/dead-letters?code=RATE_LIMITED")
    await page.get_by_role("row").filter(has_text="letter-1").get_by_role("link").first.click()
    await acted(page, "Replay")
    rows = await revised(found, "letter-1", 1)
    assert [row["status"] for row in rows] == ["failed", "succeeded"]
    assert len((await effects(found))["letter-1"]) == 1


async def test_many_are_replayed_by_what_was_filtered(pages: Pages, found: Cluster) -> None:
    page = await pages.open("/dead-letters?code=RATE_LIMITED&key=letter-2")
    assert await page.locator("#rows tr").count() == 1
    await acted(page, "Replay all 1 that match")
    await revised(found, "letter-2", 1)
    assert len((await effects(found))["letter-2"]) == 1
    assert "letter-3" not in await effects(found)  # what the filter left out


async def test_a_dead_letter_is_dismissed(stack: ConsoleStack, pages: Pages, found: Cluster) -> None:
    page = await pages.open("/dead-letters?reason=unreadable")
    await page.locator("#rows a").first.click()
    await acted(page, "Dismiss")
    assert [act.why for act in await audited(found, "dismissed")] == [WHY]
    await shows(stack, "/dead-letters?reason=unreadable", "No dead letter matches")


async def test_a_connection_is_paused_and_resumed(stack: ConsoleStack, pages: Pages, found: Cluster) -> None:
    page = await pages.open("/connections/acme/pause")
    await page.get_by_label("Why").fill(WHY)
    await page.get_by_role("button", name="Pause acme").click()
    await page.wait_for_url("**/connections/acme")
    assert (await read_all(found.settings.topics.control, found.client)).pauses["connection/acme"].by == USER
    await order(found, [Order(id="while-paused", input={"name": "Ada"}, key=b"p")])
    await shows(stack, "/connections/acme", "paused")
    await page.goto(f"{stack.url}/connections/acme/resume")
    assert "while-paused" not in await effects(found)
    await page.get_by_role("button", name="Resume acme").click()
    await page.wait_for_url("**/connections/acme")
    await ended(found, ["while-paused"])
    assert len((await effects(found))["while-paused"]) == 1


async def paused(stack: ConsoleStack, pages: Pages, event: str) -> Page:
    """A workflow that a person paused before this event came, and the form that resumes it."""
    page = await pages.open("/workflows/two-steps/pause")
    await page.get_by_label("Why").fill(WHY)
    await page.get_by_role("button", name="Pause two-steps").click()
    await page.wait_for_url("**/workflows/two-steps")
    await paid(stack.cluster, event)
    await no_lag(stack.cluster, within_s=20)
    await shows(stack, f"/events/{event}", "It started no run")
    await page.goto(f"{stack.url}/workflows/two-steps/resume")
    return page


async def resumed(page: Page) -> None:
    await page.get_by_role("button", name="Resume two-steps").click()
    await page.wait_for_url("**/workflows/two-steps")
    await expect(page.locator("#progress")).to_contain_text("Resumed: ")


async def test_a_paused_workflow_takes_up_what_came(stack: ConsoleStack, pages: Pages, found: Cluster) -> None:
    page = await paused(stack, pages, "evt_held_1")
    await resumed(page)
    run = "evt_held_1:two-steps"
    await run_is(found, run, "succeeded")
    assert len((await effects(found))[f"{run}:deposit"]) == 1
    assert [act.by for act in await audited(found, "resume_workflow", "two-steps")] == [USER]


async def test_a_run_is_started_from_its_event(stack: ConsoleStack, pages: Pages, found: Cluster) -> None:
    page = await paused(stack, pages, "evt_held_2")
    await page.get_by_label("Only resume it").check()
    await resumed(page)
    run = "evt_held_2:two-steps"
    assert await run_of(found, run) is None
    await page.goto(f"{stack.url}/events/evt_held_2")
    await acted(page, "Start its run")
    await run_is(found, run, "succeeded")
    assert [len((await effects(found))[f"{run}:{step}"]) for step in ("customer", "deposit")] == [1, 1]


async def test_what_is_new_waits_behind_a_button(pages: Pages, found: Cluster) -> None:
    page = await pages.open("/runs")
    rows = page.locator("table.list tbody tr")
    before = await rows.all_inner_texts()
    await paid(found, "evt_live_1")
    button = page.locator("[data-news]")
    await expect(button).to_have_text(re.compile("1 new run"))
    assert await rows.all_inner_texts() == before
    await button.click()
    await expect(page.get_by_role("link", name="evt_live_1:two-steps")).to_be_visible()
