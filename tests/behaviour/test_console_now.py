"""The first page: what needs a person, and the last hour."""

import re
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path

import pytest
from sqlalchemy import delete, update

from stripeline.contracts.definitions import Definitions
from stripeline.contracts.operator.operator_vocabulary import TopicProblemKind
from stripeline.deploy.console.index import tables
from stripeline.deploy.console.index.catch_up import CatchUp
from stripeline.deploy.operations.status.backlog import Backlog
from stripeline.deploy.operations.status.facts import Tally, Unread
from stripeline.deploy.operations.status.workers import Workers
from stripeline.deploy.operations.topic_problems import TopicProblem
from tests.support.console_pages import ConsolePages, console_pages
from tests.support.console_sample import HOSTILE, NOW_MS
from tests.support.live_streams import next_event, stream
from tests.support.status_facts import instance


@pytest.fixture
async def console(tmp_path: Path) -> AsyncIterator[ConsolePages]:
    async with console_pages(tmp_path) as pages:
        yield pages


def well_workers() -> Workers:
    return Workers(instances=(instance("ingest"), instance("router"), instance("executor")), now_ms=NOW_MS)


async def settle(console: ConsolePages) -> None:
    """Nothing is left for a person."""

    def change(db) -> None:
        db.execute(update(tables.letter).values(state="dismissed"))
        db.execute(update(tables.run).values(status="succeeded", code=None))
        db.execute(delete(tables.command))

    await console.index.change(change)


def found(text: str) -> list[str]:
    return [unescape(one) for one in re.findall(r"<li>\s*<p>(.*?)</p>", text)]


async def test_what_needs_a_person_is_above_the_notes(console: ConsolePages):
    text = await console.get("/")
    assert "we_1Shop, which sends snapshot events, is disabled" in found(text)[0]
    assert "<code>stripeline endpoints apply</code> enables it" in text
    assert found(text)[1:5] == [
        "11 open dead letters: failed", "1 open dead letter: indeterminate", "1 open dead letter: unreadable",
        "11 runs stopped: PAYMENT_REQUIRED",
    ]  # fmt: skip
    assert text.index("A person is needed") < text.index("Notes")


async def test_each_finding_has_its_next_click_and_its_command(console: ConsolePages):
    text = await console.get("/")
    assert text.count('class="button" href="/') == len(found(text))
    assert 'href="/runs?status=stopped&amp;code=PAYMENT_REQUIRED"' in text
    assert "stripeline runs list --status stopped --code PAYMENT_REQUIRED" in text


async def test_all_is_well_is_said_with_what_was_looked_at(tmp_path: Path):
    async with console_pages(tmp_path, workers=well_workers, definitions=Definitions) as console:
        await settle(console)
        text = await console.get("/")
    assert "All is well: nothing waits for a person." in text
    assert "processes that report 3" in text
    assert found(text) == []


async def test_without_reports_no_process_is_missing(tmp_path: Path):
    unknown = {"the processes": "the topic could not be read"}
    nobody = Workers(instances=(), now_ms=NOW_MS)
    async with console_pages(tmp_path, not_known=lambda: unknown, workers=lambda: nobody) as console:
        texts = found(await console.get("/"))
    assert "Nothing is known of the processes: the topic could not be read" in texts
    assert not any("No router runs" in one for one in texts)


async def test_a_fault_of_a_topic_needs_a_person(tmp_path: Path):
    fault = TopicProblem(topic="stripe.run", kind=TopicProblemKind.MISSING, fault="does not exist", remedy="apply")
    async with console_pages(tmp_path, faults=lambda: [fault]) as console:
        text = await console.get("/")
    assert found(text)[0] == "stripe.run does not exist: apply"
    assert "Work stops" in text


async def test_what_no_process_has_read_needs_a_person(tmp_path: Path):
    unread = Unread(role="router", topic="stripe.act", partitions=(1,), records=3)
    backlog = Backlog(records={"router": 7}, unread=[unread])
    async with console_pages(tmp_path, backlog=lambda: backlog, workers=well_workers) as console:
        assert "3 records on stripe.act, partition 1: no router has read there yet" in found(await console.get("/"))[0]
    nobody = Workers(instances=(), now_ms=NOW_MS)
    async with console_pages(tmp_path, backlog=lambda: backlog, workers=lambda: nobody) as console:
        assert "No router runs, and 7 records wait for one" in found(await console.get("/"))


async def test_events_that_stripe_failed_to_make_need_a_person(tmp_path: Path):
    async with console_pages(tmp_path, unmade=lambda: Tally(by={"charge": 2}), workers=well_workers) as console:
        text = await console.get("/")
    assert any(one.startswith("2 notices of Stripe in the last day") for one in found(text))
    assert "stripeline events unmade --since 1d" in text


async def test_a_part_of_the_index_is_at_least(console: ConsolePages):
    console.index.state = CatchUp(read=1, unread=1)
    assert "At least 11 runs stopped: PAYMENT_REQUIRED" in found(await console.get("/"))


async def test_a_topic_that_the_index_can_not_read_is_named(console: ConsolePages):
    console.index.state = CatchUp(caught_up=True, missing={"stripe.run": "it does not exist"})
    assert "Nothing is known of stripe.run: it does not exist" in found(await console.get("/"))


async def test_what_the_index_left_out_is_on_every_page(console: ConsolePages):
    console.index.state = CatchUp(caught_up=True, gaps={"stripe.run-3, offsets 4 to 9": "its checksum is wrong"})
    text = await console.get("/")
    assert "Nothing is known of stripe.run-3, offsets 4 to 9: its checksum is wrong" in found(text)
    assert "At least 11 runs stopped: PAYMENT_REQUIRED" in found(text)
    assert "stripe.run-3, offsets 4 to 9 are left out: its checksum is wrong" in await console.get("/runs")


async def test_words_of_others_are_text(console: ConsolePages):
    await console.index.change(lambda db: db.execute(update(tables.letter).values(reason=HOSTILE)))
    text = await console.get("/")
    assert "<img src=x" not in text
    assert any(HOSTILE in one for one in found(text))


async def test_commands_that_pass_their_horizon_are_named(console: ConsolePages):
    sent_ms = NOW_MS - 22 * 3_600_000 - 1_800_000
    await console.index.change(
        lambda db: db.execute(
            update(tables.command).where(tables.command.c.status == "waiting").values(sent_ms=sent_ms)
        )
    )
    text = await console.get("/")
    assert any(one.startswith("1 command of acme pass 23 h from") for one in found(text))
    assert "stripeline commands show evt_1Sample000:thank-big-spenders:deposit" in text


async def test_the_last_hour_is_a_curve_and_a_table(console: ConsolePages):
    text = await console.get("/")
    assert text.count("<svg") == 3
    assert text.count("<title id=") == 3
    assert text.split("The same as a table")[1].count("<tr>") == 1 + 60


async def test_numbers_change_in_place(console: ConsolePages):
    shape = re.search(r"shape=(\w+)", await console.get("/"))
    assert shape is not None
    async with stream(console, f"/live/now?shape={shape[1]}") as events:
        assert [(await next_event(events))[0] for _ in range(2)] == ["needed", "hour"]
        await console.index.change(
            lambda db: db.execute(update(tables.run).values(status="stopped", code="PAYMENT_REQUIRED"))
        )
        name, html = await next_event(events)
    assert name == "needed"
    assert "60 runs stopped: PAYMENT_REQUIRED" in found(html)


async def test_a_finding_that_comes_waits_behind_a_button(console: ConsolePages):
    shape = re.search(r"shape=(\w+)", await console.get("/"))
    assert shape is not None
    await console.index.change(lambda db: db.execute(update(tables.run).values(status="stopped", code="CONFLICT")))
    async with stream(console, f"/live/now?shape={shape[1]}") as events:
        names = [await next_event(events) for _ in range(3)]
    assert [name for name, _ in names] == ["hour", "news", "said"]
    assert 'href="/"' in names[1][1]
