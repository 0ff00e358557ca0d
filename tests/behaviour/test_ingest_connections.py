"""Deadlines of connections: their phases with a transport that leads nowhere, and clients over sockets."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from stripeline.ingest.http.connection import ClientConnection, Phase
from stripeline.ingest.http.deadlines import Limits
from stripeline.ingest.http.refusal_log import RefusalLog
from stripeline.ingest.http.server import Receiver
from stripeline.ingest.webhook import Webhook
from tests.support.publish_futures import UnusedPublisher

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Wire(asyncio.Transport):
    """Leads nowhere."""

    def __init__(self) -> None:
        super().__init__()
        self.written, self.reads, self.closed = 0, True, False

    def write(self, data: object) -> None:
        self.written += 1

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[ClientConnection, Wire]]:
    """A connection that was just made: the loop has not turned since."""
    limits = Limits(lingering_s=0.05)
    connection, wire = (
        Receiver(Webhook(paths={}.get), UnusedPublisher(), limits, time.time, RefusalLog()).connection(),
        Wire(),
    )
    connection.connection_made(wire)
    try:
        yield connection, wire
    finally:
        connection.connection_lost(None)
        await asyncio.sleep(0)


async def eventually(wire: Wire, written: int) -> None:
    async with asyncio.timeout(5):
        while wire.written < written:  # noqa: ASYNC110  a transport sets no event
            await asyncio.sleep(0)
    await asyncio.sleep(0)


@pytest.mark.parametrize("sent", [b"", b"P", b"POST /webhooks/pay HTTP/1.1\r\nHost: x\r\n"])
async def test_a_head_is_due_from_the_connections_start(sent: bytes) -> None:
    async with connected() as (connection, _):
        since = connection.since
        connection.data_received(sent)
        await asyncio.sleep(0)
        assert (connection.phase, connection.since) == (Phase.HEAD, since)


async def test_the_next_head_is_due_from_its_first_byte() -> None:
    async with connected() as (connection, wire):
        connection.data_received(GET)
        await eventually(wire, 1)
        assert connection.phase is Phase.IDLE
        connection.data_received(b"G")
        since = connection.since
        connection.data_received(b"E")
        assert (connection.phase, connection.since) == (Phase.HEAD, since)


async def test_a_client_that_reads_no_answer_gets_no_more() -> None:
    async with connected() as (connection, wire):
        connection.data_received(GET)
        await eventually(wire, 1)
        connection.pause_writing()
        connection.data_received(GET * 4_000)
        await eventually(wire, 2)
        for _ in range(20):  # turns of the loop in which nothing more may be written
            await asyncio.sleep(0)
        assert (wire.written, wire.reads, connection.blocked_since is None) == (2, False, False)
        connection.resume_writing()
        await eventually(wire, 4_001)
        assert wire.reads


async def test_an_early_refusal_is_not_lost_to_its_body() -> None:
    async with connected() as (connection, wire):
        connection.data_received(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n")
        await eventually(wire, 1)
        assert (connection.phase, wire.closed) == (Phase.CLOSING, False)
        async with asyncio.timeout(5):
            while not wire.closed:  # noqa: ASYNC110  a transport sets no event
                await asyncio.sleep(0.01)
