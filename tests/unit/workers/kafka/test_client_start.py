"""A client's start that is cut short has a bound, and leaves no connection open."""

import asyncio
import inspect

import pytest

from stripeline.ingest.kafka import producer_start as of_ingest
from stripeline.workers.kafka import client_start
from stripeline.workers.kafka.client_start import start_within


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
    monkeypatch.setattr(client_start, "_CUT_S", 0.05)
    with pytest.raises(TimeoutError):
        await start_within(Start(takes_s=60)(), 0.01)


async def test_a_start_that_fails_late_is_reported_by_nobody(caplog):
    with pytest.raises(TimeoutError):
        await start_within(Start(takes_s=0.05, error=OSError("late"))(), 0.01)
    assert caplog.records == []


async def test_the_error_of_a_start_is_raised():
    with pytest.raises(OSError, match="refused"):
        await start_within(Start(error=OSError("refused"))(), 5)


def test_both_packages_start_a_client_in_the_same_way():
    assert inspect.getsource(of_ingest) == inspect.getsource(client_start)
