"""Reads the console's live streams in tests."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import ClientResponse

from tests.support.console_pages import ConsolePages

Event = tuple[str, str]


async def next_event(response: ClientResponse) -> Event:
    """The next event that is no heartbeat: its name and its data."""
    name, data = "", ""
    async with asyncio.timeout(10):
        async for line in response.content:
            field, _, value = line.decode().rstrip("\n").partition(": ")
            if field == "event":
                name = value
            elif field == "data":
                data += value
            elif not field and name:
                return name, data
    raise AssertionError("the stream ended")


@asynccontextmanager
async def stream(console: ConsolePages, address: str) -> AsyncIterator[ClientResponse]:
    async with console.client.get(address) as response:
        assert response.status == 200, await response.text()
        yield response
