"""One reading serves all that wait; none is told what is missing by a reading that did not cover it to the end."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError

from stripeline.contracts.deliveries.seen_events import SeenEvent
from stripeline.deploy.stripe_side.sweeps import note_readings as module
from stripeline.deploy.stripe_side.sweeps.event_comparison import NEAR_MS, Comparison, WantedNotes
from stripeline.deploy.stripe_side.sweeps.note_readings import NoteReadings

NOW_MS = 1_800_000_000_000


class Log:
    """Notes of these pairs. readings: the times from which each one read, and for how many."""

    def __init__(self, *pairs: tuple[str, str]) -> None:
        self.pairs, self.readings = list(pairs), list[tuple[int, int]]()
        self.may_read, self.read_upto = asyncio.Event(), len(pairs)
        self.error: Exception | None = None
        self.may_read.set()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Any]:
        yield self

    async def strike(self, comparisons: Sequence[Comparison], ended: Callable[[Comparison], None]) -> None:
        wanted = WantedNotes(comparisons)
        self.readings.append((wanted.from_ms, len(comparisons)))
        noted = list(self.pairs)
        await self.may_read.wait()
        for number, (event, trigger) in enumerate(noted):
            if number == self.read_upto:
                break
            for one in wanted.strike(SeenEvent(event, trigger, 1, "t", 0, number)):
                ended(one)
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error


def lacks(*pairs: tuple[str, str]) -> dict[Any, Any]:
    return dict.fromkeys(pairs)


async def begun(readings: NoteReadings, missing: dict[Any, Any], from_ms: int = NOW_MS) -> "asyncio.Task[None]":
    task = asyncio.create_task(readings.strike(missing, from_ms))
    await asyncio.sleep(0)
    return task


async def test_those_that_come_while_it_reads_share_the_next():
    log = Log(("evt_1", "a"), ("evt_2", "b"), ("evt_3", "c"))
    readings = NoteReadings(log.opened)
    log.may_read.clear()
    first = await begun(readings, one := lacks(("evt_1", "a")))
    await asyncio.sleep(0)
    both = [lacks(("evt_2", "b"), ("evt_9", "b")), lacks(("evt_3", "c"))]
    others = [await begun(readings, missing, NOW_MS - 10 * number) for number, missing in enumerate(both)]
    log.may_read.set()
    await asyncio.gather(first, *others)
    assert log.readings == [(NOW_MS, 1), (NOW_MS - 10, 2)]
    assert (one, *both) == ({}, lacks(("evt_9", "b")), {})


async def test_a_reading_that_began_before_proves_nothing_missing():
    log = Log(("evt_1", "a"))
    readings = NoteReadings(log.opened)
    log.may_read.clear()
    first = await begun(readings, lacks(("evt_0", "a")))
    await asyncio.sleep(0)
    log.pairs.append(("evt_2", "a"))  # noted after the reading had begun
    log.read_upto = 9
    second = await begun(readings, missing := lacks(("evt_2", "a")))
    log.may_read.set()
    await asyncio.gather(first, second)
    assert missing == {}


async def test_none_concludes_from_a_part_that_was_read():
    log = Log(("evt_1", "a"), ("evt_2", "b"))
    readings = NoteReadings(log.opened)
    log.may_read.clear()
    await begun(readings, lacks(("evt_9", "z")))
    tasks = [await begun(readings, whole := lacks(("evt_1", "a"))), await begun(readings, lacks(("evt_2", "b")))]
    log.read_upto, log.error = 1, KafkaConnectionError("away")
    log.may_read.set()
    assert await tasks[0] is None
    assert whole == {}
    with pytest.raises(KafkaConnectionError):
        await tasks[1]


async def test_times_far_apart_are_read_apart_and_in_turn():
    log = Log()
    readings = NoteReadings(log.opened)
    log.may_read.clear()
    times = [0, NOW_MS, NOW_MS - NEAR_MS - 1, NOW_MS - NEAR_MS, NOW_MS + 1]
    tasks = [await begun(readings, lacks((f"evt_{number}", "a")), at_ms) for number, at_ms in enumerate(times)]
    log.may_read.set()
    await asyncio.gather(*tasks)
    assert log.readings == [(0, 1), (NOW_MS - NEAR_MS, 3), (NOW_MS - NEAR_MS - 1, 1)]


async def test_one_that_stops_waiting_keeps_no_other():
    log = Log(("evt_2", "b"))
    readings = NoteReadings(log.opened)
    log.may_read.clear()
    gone = await begun(readings, lacks(("evt_1", "a")))
    stays = await begun(readings, missing := lacks(("evt_2", "b")))
    gone.cancel()
    log.may_read.set()
    await stays
    assert missing == {}


async def test_it_rests_until_all_that_could_join_have(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_RESTS", 1e9)
    log, could_wait = Log(), 3
    readings = NoteReadings(log.opened, lambda: could_wait)
    await (await begun(readings, lacks(("evt_0", "a"))))
    two = [await begun(readings, lacks((f"evt_{number}", "a"))) for number in (1, 2)]
    assert len(log.readings) == 1
    three = [*two, await begun(readings, lacks(("evt_3", "a")))]
    await asyncio.gather(*three)
    assert [count for _, count in log.readings] == [1, 3]
    await readings.stop()


async def test_nothing_missing_needs_no_reading():
    log = Log()
    await NoteReadings(log.opened).strike({}, NOW_MS)
    assert log.readings == []
