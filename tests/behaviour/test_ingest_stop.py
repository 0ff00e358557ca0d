"""A receiver that ends loses no connection that the system has accepted: each client that is connected is answered."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from stripeline.ingest.http.deadlines import Limits
from stripeline.ingest.http.server import Running, serve
from stripeline.ingest.webhook import Webhook
from tests.support.publish_futures import UnusedPublisher

pytestmark = pytest.mark.usefixtures("patient")
GET = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
LIMITS = Limits(last_head_s=0.3)
QUEUED = 300


@asynccontextmanager
async def serving() -> AsyncIterator[Running]:
    async with await serve(
        Webhook(paths={}.get), UnusedPublisher(), host="127.0.0.1", port=0, limits=LIMITS
    ) as running:
        yield running


def connected(port: int, sent: bytes) -> socket.socket:
    """By the system alone: the receiver's loop has not turned since."""
    client = socket.create_connection(("127.0.0.1", port))
    client.sendall(sent)
    client.setblocking(False)
    return client


async def answer(client: socket.socket) -> bytes:
    with contextlib.closing(client):
        return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(client, 4_096), 5)


async def test_what_waits_in_the_queue_is_answered() -> None:
    async with serving() as running:
        clients = [connected(running.port, GET) for _ in range(QUEUED)]
        ending = asyncio.create_task(running.stop())
        answers = await asyncio.gather(*map(answer, clients))
        await ending
        assert [got[:13] for got in answers] == [b"HTTP/1.1 404 "] * QUEUED


async def test_a_client_that_has_just_connected_is_answered() -> None:
    async with serving() as running:
        client = connected(running.port, b"")
        ending = asyncio.create_task(running.stop())
        while not running._receiver.connections.ending:  # noqa: ASYNC110  it sets no event
            await asyncio.sleep(0)
        for _ in range(20):  # turns of the loop in which it could be closed
            await asyncio.sleep(0)
        client.sendall(GET)
        assert (await answer(client)).startswith(b"HTTP/1.1 404 ")
        await ending


async def test_a_client_that_sends_nothing_holds_no_end_up() -> None:
    async with serving() as running:
        client = connected(running.port, b"GET /")
        await asyncio.wait_for(running.stop(), 5)
        assert await answer(client) == b""


async def test_nobody_is_connected_once_it_ends() -> None:
    async with serving() as running:
        ending = asyncio.create_task(running.stop())
        await asyncio.sleep(0)  # it has begun
        late = socket.socket()
        late.setblocking(False)
        loop = asyncio.get_running_loop()
        connecting = loop.create_task(loop.sock_connect(late, ("127.0.0.1", running.port)))
        await ending
        with contextlib.closing(late), pytest.raises((ConnectionRefusedError, TimeoutError)):
            await asyncio.wait_for(connecting, 5)
