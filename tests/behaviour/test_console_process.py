"""The console as a process: it serves its pages without Kafka, says what is missing, and ends when it is stopped."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from stripeline.deploy.console.console_counters import ConsoleCounters
from stripeline.deploy.console.console_sources import Index
from stripeline.deploy.console.index.catch_up import CatchUp
from stripeline.deploy.failure import FailureError
from stripeline.deploy.local.kafka_config import free_port
from stripeline.deploy.runtime.console_process import behind, console_part
from stripeline.deploy.runtime.process.admin_server import failing
from stripeline.deploy.runtime.shared import Shared, open_shared
from stripeline.deploy.settings.settings import Settings, load_settings
from tests.support.console_pages import FixedSignIn


async def everybody(_: Index) -> FixedSignIn:
    return FixedSignIn()


def settings_of(folder: Path, **more: Any) -> Settings:
    return load_settings(
        {
            "kafka_bootstrap_servers": f"127.0.0.1:{free_port()}", "console_port": free_port(),
            "console_store": str(folder / "console.db"), **more,
        }
    )  # fmt: skip


@asynccontextmanager
async def running(settings: Settings, counters: ConsoleCounters | None = None) -> AsyncIterator[tuple[Shared, str]]:
    """A console whose Kafka is away, and its address."""
    stop, url = asyncio.Event(), f"http://127.0.0.1:{settings.console_port}"
    async with open_shared(settings) as shared:
        part = asyncio.create_task(console_part(shared, stop, sign_in=everybody, counters=counters))
        try:
            await until_answered(url, part)
            yield shared, url
        finally:
            stop.set()
            await part


async def until_answered(url: str, part: "asyncio.Task[None]") -> None:
    async with asyncio.timeout(30), aiohttp.ClientSession() as client:
        while not part.done():
            try:
                async with client.get(f"{url}/static/icon.svg"):
                    return
            except aiohttp.ClientError:
                await asyncio.sleep(0.02)
    await part


async def page(client: aiohttp.ClientSession, url: str) -> str:
    async with client.get(url) as answer:
        assert answer.status == 200
        return await answer.text()


async def test_pages_are_served_while_kafka_is_away(tmp_path: Path) -> None:
    async with running(settings_of(tmp_path)) as (shared, url), aiohttp.ClientSession() as client:
        async with asyncio.timeout(30):
            while "nothing listens at 127.0.0.1" not in (text := await page(client, f"{url}/runs")):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert "KAFKA_BOOTSTRAP_SERVERS" in text
        assert "control" in failing(shared.checks)


async def test_a_stopped_console_cuts_open_connections(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    async with running(settings):
        reader, writer = await asyncio.open_connection("127.0.0.1", settings.console_port)
        writer.write(b"POST /runs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf")
        await writer.drain()
        began_s = time.monotonic()
    assert time.monotonic() - began_s < 5
    assert await reader.read() is not None
    writer.close()


async def test_a_port_in_use_is_said_with_its_setting(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    async with running(settings), open_shared(settings) as second:
        with pytest.raises(FailureError, match="set STRIPELINE_CONSOLE_PORT to another port"):
            await console_part(second, asyncio.Event(), sign_in=everybody)


async def test_pages_are_counted_by_their_names(tmp_path: Path) -> None:
    counters = ConsoleCounters()
    async with running(settings_of(tmp_path), counters) as (_, url), aiohttp.ClientSession() as client:
        for _ in range(2):
            await page(client, f"{url}/runs")
    assert {page: sum(found.counts) for (page,), found in counters.page_s.items()} == {"runs": 2}


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (CatchUp(caught_up=True), None),
        (CatchUp(read=1, unread=3), "it has read 25 %, and 3 records are left"),
        (CatchUp(caught_up=True, missing={"stripe.run": "it does not exist"}), "stripe.run can't be read: it does"),
        (CatchUp(caught_up=True, gaps={"stripe.run-3, offsets 4 to 9": "a disk"}), "4 to 9 are left out: a disk"),
    ],
)
def test_what_the_index_lacks_is_a_warning(state: CatchUp, words: str | None) -> None:
    assert words is None or words in (behind(state) or "")
    assert (behind(state) is None) == (words is None)
