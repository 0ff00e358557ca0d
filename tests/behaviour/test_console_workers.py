"""The page of workers: processes, partitions, and what is in trouble first."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from stripeline.deploy.operations.status.workers import Workers
from tests.support.console_pages import ConsolePages, console_pages
from tests.support.console_sample import HOSTILE, NOW_MS
from tests.support.live_streams import next_event, stream
from tests.support.status_facts import instance


@pytest.fixture
async def console(tmp_path: Path) -> AsyncIterator[ConsolePages]:
    async with console_pages(tmp_path) as pages:
        yield pages


def plain(text: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text))


async def test_each_role_has_its_processes_and_partitions(console: ConsolePages):
    text = plain(await console.get("/workers"))
    assert "router 2 0.2.0 4 of 4 0 0" in text
    assert "executor 1 1 0.2.0 4 of 4 18 702 2 s" in text


async def test_a_process_says_what_it_holds_and_is_behind(console: ConsolePages):
    text = plain(await console.get("/workers"))
    assert "executor/executor-0 ready 0.2.0 executor 0 to 3 26 h ago" in text
    assert "2 behind for 2 min 3f9a1c2b" in text
    assert "the clock of its host is not checked" in text


async def test_a_partition_has_its_lag_with_a_trend(console: ConsolePages):
    text = await console.get("/workers")
    assert "executor 3 executor/executor-0 351 Lag of executor 3 From 351 to 351, at most 783 2 s 9 3 0 1" in plain(
        text
    )
    assert text.count("<svg") == 4


async def test_nobody_works_is_said(tmp_path: Path):
    nobody = Workers(instances=(), now_ms=NOW_MS)
    async with console_pages(tmp_path, workers=lambda: nobody) as console:
        text = await console.get("/workers")
    assert "No process reports" in text
    assert text.count("no owner") == 8


async def test_what_a_process_writes_is_text(tmp_path: Path):
    found = Workers(instances=(instance("router", HOSTILE, not_ready=HOSTILE),), now_ms=NOW_MS, unreadable=(HOSTILE,))
    async with console_pages(tmp_path, workers=lambda: found) as console:
        assert "<img src=x" not in await console.get("/workers")


async def test_processes_that_are_not_known_are_not_missing(tmp_path: Path):
    async with console_pages(tmp_path, not_known=lambda: {"the processes": "it does not exist"}) as console:
        assert "Nothing is known of the processes: it does not exist" in await console.get("/workers")


async def test_an_owner_that_goes_moves_no_row(tmp_path: Path):
    live = [instance("router"), instance("executor")]
    async with console_pages(tmp_path, workers=lambda: Workers(instances=tuple(live), now_ms=NOW_MS)) as console:
        shape = re.search(r"shape=(\w+)", await console.get("/workers"))
        assert shape is not None
        async with stream(console, f"/live/workers?shape={shape[1]}") as events:
            first = {(await next_event(events))[0] for _ in range(3)}
            live.pop()
            later = [(await next_event(events))[0] for _ in range(3)]
    assert first == {"roles", "processes", "partitions"}
    assert later == ["roles", "news", "said"]
