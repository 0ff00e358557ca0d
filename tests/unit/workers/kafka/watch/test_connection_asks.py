"""The connections of a worker's producers are asked in turn, and all of them when one does not answer."""

import asyncio

import pytest

from stripeline.workers.kafka.watch import connection_asks
from stripeline.workers.kafka.watch.connection_asks import ASK_S, ROUND_S, ConnectionAsks


class Clients:
    """Named clients: who was asked, and who does not answer."""

    def __init__(self, count: int) -> None:
        self.asked: list[str] = []
        self.silent: set[str] = set()
        self.asks = ConnectionAsks(self._ask, every_s=0)
        for number in range(count):
            self.asks.add(f"{number}")
        self.count = count

    async def _ask(self, client: str) -> None:
        self.asked.append(client)
        if client in self.silent:
            await asyncio.get_running_loop().create_future()

    async def until(self, count: int) -> list[str]:
        async with asyncio.timeout(5):
            while len(self.asked) < count:  # noqa: ASYNC110  a list sets no event
                await asyncio.sleep(0)
        return self.asked[:count]

    async def end(self) -> None:
        for number in range(self.count):
            self.asks.remove(f"{number}")
        for one in tuple(self.asks._asking):
            one.cancel()
        await asyncio.sleep(0)


async def test_each_is_asked_in_its_turn() -> None:
    clients = Clients(3)
    assert await clients.until(6) == ["0", "1", "2", "0", "1", "2"]
    await clients.end()


async def test_many_are_asked_within_one_round() -> None:
    clients = Clients(100)
    at_once = int(100 * ASK_S / ROUND_S)
    await clients.until(at_once)
    assert len(clients.asked) == at_once
    await clients.end()


async def test_one_that_does_not_answer_has_all_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_asks, "LATE_S", 0.02)
    clients = Clients(4)
    clients.silent = {"1"}
    assert await clients.until(5) == ["0", "1", "2", "3", "0"]
    await clients.end()


async def test_a_producer_that_has_ended_is_not_asked() -> None:
    clients = Clients(2)
    clients.asks.remove("0")
    clients.asks.remove("never began")
    assert await clients.until(2) == ["1", "1"]
    await clients.end()
    assert clients.asks._rounds is None
