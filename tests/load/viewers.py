"""People who look at the console: each holds a live stream open, and opens a page every second."""

import asyncio
import contextlib
import html
import itertools
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import aiohttp

from tests.support.console_stack import ConsoleStack

PAGES = ("/", "/runs", "/runs?status=stopped", "/events", "/commands", "/dead-letters", "/connections", "/workers")
STREAMED = "/runs"
EVERY_S = 1.0
LOOK_S = 20.0  # how long a person looks at one list before it is loaded again


@dataclass
class Viewer:
    """took_s: of each page. messages: of the live stream. failed: pages that were not answered 200."""

    url: str
    number: int
    looks: asyncio.Event
    took_s: list[tuple[str, float]] = field(default_factory=list)
    messages: int = 0
    failed: list[str] = field(default_factory=list)

    async def run(self) -> None:
        """Until it is cancelled. It pauses while `looks` is not set."""
        headers = ConsoleStack.proxy_headers(user=f"viewer-{self.number}@example.com")
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10)
        async with (
            aiohttp.ClientSession(self.url, headers=headers, timeout=timeout) as session,
            asyncio.TaskGroup() as both,
        ):
            both.create_task(self._open_pages(session))
            both.create_task(self._hold_stream(session))

    async def _open_pages(self, session: aiohttp.ClientSession) -> None:
        for page in itertools.cycle(_rotated(PAGES, self.number)):
            await self.looks.wait()
            began_s = time.monotonic()
            async with session.get(page, timeout=aiohttp.ClientTimeout(total=30)) as answer:
                await answer.read()
            took_s = time.monotonic() - began_s
            if answer.status == 200:
                self.took_s.append((page, took_s))
            elif answer.status != 404:  # a page that this version does not have
                self.failed.append(f"{page}: {answer.status}")
            await asyncio.sleep(max(0.0, EVERY_S - took_s))

    async def _hold_stream(self, session: aiohttp.ClientSession) -> None:
        """As a browser does: the page says which stream follows it."""
        while True:
            await self.looks.wait()
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    async with session.get(STREAMED) as page:
                        address = _stream_of(await page.text())
                    async with session.get(address) as answer:
                        async for line in answer.content:
                            self.messages += line.startswith(b"event:")
            await asyncio.sleep(EVERY_S)


def _stream_of(page: str) -> str:
    found = re.search('sse-connect="([^"]+)"', page)
    assert found is not None, f"{STREAMED} names no stream"
    return html.unescape(found[1])


def _rotated(pages: Sequence[str], by: int) -> Sequence[str]:
    return [*pages[by % len(pages) :], *pages[: by % len(pages)]]
