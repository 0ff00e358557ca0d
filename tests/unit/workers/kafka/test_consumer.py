"""A consumer's stop that is cut short has a bound, and leaves no connection open."""

import asyncio

import pytest

from stripeline.workers.kafka import consumer
from stripeline.workers.kafka.consumer import stop_consumer


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
