"""One port for several receivers: connections are shared out evenly, and none is lost when one of them ends.

Parent and receivers are in one process here; the clients are in threads, so that the system alone connects them.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from stripeline.deploy.runtime.process_group.shared_port import SharedPort
from stripeline.ingest.http.deadlines import Limits
from stripeline.ingest.http.listening import bound
from stripeline.ingest.http.server import Running, serve
from stripeline.ingest.webhook import Webhook
from tests.support.publish_futures import UnusedPublisher

pytestmark = pytest.mark.usefixtures("patient")
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
ANSWER = b"HTTP/1.1 404 "
LIMITS = Limits(last_head_s=0.3)
QUEUED = 600  # more than are taken before the end is noticed


@dataclass
class Group:
    port: SharedPort
    number: int
    serving: "asyncio.Task[None]"
    stop: asyncio.Event
    members: dict[int, Running] = field(default_factory=dict)

    async def start(self, member: int) -> Running:
        """A receiver, and then its first word to the parent."""
        channel = self.port.channel(member)
        running = await serve(
            Webhook(paths={}.get), UnusedPublisher(), host="", port=self.number, handed=channel, limits=LIMITS
        )  # fmt: skip
        self.members[member] = running
        async with asyncio.timeout(5):
            while member not in self.port._spread.order():  # noqa: ASYNC110  it sets no event
                await asyncio.sleep(0)
        return running

    async def end(self) -> None:
        """As the parent does: first the port, then the receivers."""
        self.stop.set()
        await self.serving
        await asyncio.gather(*(running.stop() for running in self.members.values()))
        self.port.close()


@asynccontextmanager
async def group(*members: int) -> AsyncIterator[Group]:
    (listener,) = bound("127.0.0.1", 0)
    port, stop = SharedPort([listener]), asyncio.Event()
    found = Group(port, listener.getsockname()[1], asyncio.create_task(port.serve(stop)), stop)
    for member in members:
        await found.start(member)
    try:
        yield found
    finally:
        await found.end()


def asked(port: int) -> bytes:
    """One client with a connection of its own: what it is answered. Raises ConnectionRefusedError."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(GET)
        try:
            return client.recv(4_096)[: len(ANSWER)]
        except ConnectionResetError:
            return b"reset"


async def clients(port: int, threads: Executor, count: int) -> list[bytes]:
    loop = asyncio.get_running_loop()
    return await asyncio.gather(*(loop.run_in_executor(threads, asked, port) for _ in range(count)))


async def test_receivers_get_as_many_connections_each() -> None:
    async with group(1, 2, 3) as found:
        held = [socket.create_connection(("127.0.0.1", found.number)) for _ in range(30)]
        async with asyncio.timeout(5):
            while sum(one.connections for one in found.members.values()) < 30:  # noqa: ASYNC110
                await asyncio.sleep(0)
        assert [one.connections for one in found.members.values()] == [10, 10, 10]
        for client in held:
            client.close()


async def test_a_receiver_that_ends_and_comes_back_loses_none() -> None:
    with ThreadPoolExecutor(16) as threads:
        async with group(1, 2) as found:
            asking = asyncio.create_task(clients(found.number, threads, 600))
            for _ in range(3):
                await found.members[1].stop()
                await found.start(1)
            assert await asking == [ANSWER] * 600


async def test_what_waits_at_the_end_is_answered() -> None:
    with ThreadPoolExecutor(16) as threads:
        async with group(1, 2) as found:
            connected = [socket.create_connection(("127.0.0.1", found.number), timeout=10) for _ in range(QUEUED)]
            for client in connected:
                client.sendall(GET)
            ending = asyncio.create_task(found.end())
            loop = asyncio.get_running_loop()
            answers = await asyncio.gather(*(loop.run_in_executor(threads, one.recv, 4_096) for one in connected))
            await ending
            assert [one[: len(ANSWER)] for one in answers] == [ANSWER] * QUEUED
            for client in connected:
                client.close()
            with pytest.raises(ConnectionRefusedError):
                await asyncio.to_thread(asked, found.number)


async def test_connections_go_on_when_a_receiver_is_killed() -> None:
    with ThreadPoolExecutor(4) as threads:
        async with group(1, 2) as found:
            killed = found.members.pop(1)
            asyncio.get_running_loop().remove_reader(killed._arrivals._channel)
            killed._arrivals._channel.close()  # as the system does
            assert await clients(found.number, threads, 20) == [ANSWER] * 20
            await killed.stop()


async def test_a_port_is_refused_until_somebody_serves() -> None:
    async with group() as found:
        with pytest.raises(ConnectionRefusedError):
            await asyncio.to_thread(asked, found.number)
        await found.start(1)
        assert await asyncio.to_thread(asked, found.number) == ANSWER


async def test_a_port_that_was_taken_meanwhile_is_an_error() -> None:
    (listener,) = bound("127.0.0.1", 0)
    port, stop = SharedPort([listener]), asyncio.Event()
    serving = asyncio.create_task(port.serve(stop))
    (other,) = bound("127.0.0.1", listener.getsockname()[1])
    with contextlib.closing(other):
        other.listen()
        channel = port.channel(1)
        running = await serve(Webhook(paths={}.get), UnusedPublisher(), host="", port=0, handed=channel, limits=LIMITS)
        with pytest.raises(OSError, match="in use"):
            await serving
        await running.stop()
        port.close()
