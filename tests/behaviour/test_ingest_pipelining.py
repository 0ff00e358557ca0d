"""Clients that pipeline without end stop nobody else, hold no memory, and are closed when they read nothing."""

import asyncio
import socket
import statistics
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.behaviour.test_ingest_http import Receiver, event, receiver
from tests.support.pipelining import GET, POST, Pipeliner

__all__ = ["receiver"]
SECONDS = 1.5
PAGE_BYTES = 4096


def rss_bytes() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * PAGE_BYTES


def small_buffers(receiver: Receiver) -> None:
    """Let the kernel hold little of what is written to a client: by default megabytes for each."""
    (listening,) = receiver.running._arrivals._listeners
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)  # connections inherit it


async def latencies(receiver: Receiver, seconds: float) -> list[float]:
    """What another client's deliveries took meanwhile."""
    took, until = [], time.monotonic() + seconds
    while time.monotonic() < until:
        began = time.monotonic()
        assert (await asyncio.wait_for(receiver.post(event()), 5))[0] == 200
        took.append(time.monotonic() - began)
        await asyncio.sleep(0.02)
    return took


@pytest.mark.parametrize(
    ("connections", "request_", "reads"),
    [(1, GET, True), (10, GET, True), (10, POST, True), (1, POST, False), (10, GET, False)],
    ids=["1-reading", "10-reading", "10-bodies", "1-silent", "10-silent"],
)
async def test_endless_pipelining_delays_no_other_client(
    receiver: Receiver, connections: int, request_: bytes, reads: bool
) -> None:
    small_buffers(receiver)
    await receiver.post(event())
    before = rss_bytes()
    with ExitStack() as stack:
        clients = [
            stack.enter_context(Pipeliner(receiver.running.port, request_, reads=reads)) for _ in range(connections)
        ]
        took = await latencies(receiver, SECONDS)
        grown = rss_bytes() - before
        if reads:
            assert all(client.received > 10_000 for client in clients)
        else:
            async with asyncio.timeout(30):
                while not all(client.closed_after_s for client in clients):  # noqa: ASYNC110  threads set no event
                    await asyncio.sleep(0.05)
            assert receiver.seen.count(("closed", "unread")) == connections
    assert statistics.median(took) < 0.1
    assert max(took) < 1
    assert grown < 16 * 1024 * 1024
