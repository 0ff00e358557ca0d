"""A client's start and stop that are cut short: each has a bound, and leaves no connection open."""

import asyncio

import pytest

from stripeline.workers.kafka import consumer
from stripeline.workers.kafka.consumer import start_within, stop_consumer


class Start:
    """aiokafka's, as far as it matters: a start that is cancelled in the middle leaves its connection open."""

    def __init__(self, takes_s: float = 0.0, error: Exception | None = None) -> None:
        self.takes_s, self.error, self.open = takes_s, error, 0

    async def __call__(self) -> None:
        self.open += 1
        await asyncio.sleep(self.takes_s)
        self.open -= 1
        if self.error is not None:
            raise self.error


async def test_a_start_that_is_cancelled_ends_by_itself():
    start = Start(takes_s=0.05)
    starting = asyncio.create_task(start_within(start(), 5))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert start.open == 0


async def test_a_start_that_takes_too_long_ends_with_its_bound(monkeypatch):
    monkeypatch.setattr(consumer, "_CUT_S", 0.05)
    with pytest.raises(TimeoutError):
        await start_within(Start(takes_s=60)(), 0.01)


async def test_a_start_that_fails_late_is_reported_by_nobody(caplog):
    with pytest.raises(TimeoutError):
        await start_within(Start(takes_s=0.05, error=OSError("late"))(), 0.01)
    assert caplog.records == []


async def test_the_error_of_a_start_is_raised():
    with pytest.raises(OSError, match="refused"):
        await start_within(Start(error=OSError("refused"))(), 5)


class SlowConsumer:
    """Closes as aiokafka's does: it waits for the end of its connections, by futures that a cancellation cancels."""

    def __init__(self) -> None:
        self._client = self
        self._closed = asyncio.get_running_loop().create_future()
        self.closed = 0

    async def stop(self) -> None:
        await self.close()

    async def close(self) -> None:
        self.closed += 1
        await asyncio.gather(self._closed)


async def test_a_slow_stop_never_cancels_its_caller(monkeypatch):
    """It did: the task of a partition ended without a word, and the partition was being restored for ever."""
    monkeypatch.setattr(consumer, "_STOP_S", 0.02)
    monkeypatch.setattr(consumer, "_CUT_S", 0.02)
    stopped = SlowConsumer()
    await stop_consumer(stopped)
    assert stopped.closed == 2


async def test_a_stop_that_fails_still_closes_the_connections():
    class Broken(SlowConsumer):
        async def stop(self) -> None:
            raise RuntimeError

    stopped = Broken()
    await stop_consumer(stopped)
    assert stopped.closed == 1


async def test_a_caller_that_is_cancelled_is_cancelled():
    stopped = SlowConsumer()
    stopping = asyncio.create_task(stop_consumer(stopped))
    await asyncio.sleep(0)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
