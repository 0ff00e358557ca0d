"""Partitions read without a group, on a fake consumer; on a real Kafka with the control table, restores and the CLI."""

import asyncio
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import KafkaTimeoutError
from aiokafka.structs import TopicPartition

from stripeline.workers.kafka import partition_reader
from stripeline.workers.kafka.partition_reader import FETCH_WAIT_MS, FOLLOW_WAIT_MS, PartitionReader

ONE, TWO = TopicPartition("stripe.run", 0), TopicPartition("stripe.run", 1)


@dataclass
class Consumer:
    """Gives its fetches one by one, then none."""

    fetches: list[dict[TopicPartition, list[Any]]] = field(default_factory=list)
    positions: dict[TopicPartition, int] = field(default_factory=dict)
    asked: list[set[TopicPartition]] = field(default_factory=list)

    def assign(self, partitions: list[TopicPartition]) -> None:
        self.positions = dict.fromkeys(partitions, -1)

    def seek(self, tp: TopicPartition, offset: int) -> None:
        self.positions[tp] = offset

    def assignment(self) -> set[TopicPartition]:
        return set(self.positions)

    def last_poll_timestamp(self, _: TopicPartition) -> int | None:
        return None

    async def position(self, tp: TopicPartition) -> int:
        return self.positions[tp]

    async def getmany(self, *partitions: TopicPartition, **_: Any) -> dict[TopicPartition, list[Any]]:
        self.asked.append(set(partitions))
        await asyncio.sleep(0)
        fetched = self.fetches.pop(0) if self.fetches else {}
        for tp, records in fetched.items():
            self.positions[tp] = records[-1].offset + 1
        return fetched


async def test_a_record_that_was_compacted_away_is_none():
    def reader(*fetches: list[Any]) -> PartitionReader:
        return PartitionReader(Consumer([{ONE: fetched} for fetched in fetches]))  # type: ignore[arg-type]

    assert await reader(records(7, 9)).record_at(ONE, 7, silent_s=1) == records(7, 7)[0]
    assert await reader(records(8, 9)).record_at(ONE, 7, silent_s=1) is None
    assert await reader().record_at(ONE, 7, silent_s=0.01) is None


def records(first: int, last: int) -> list[Any]:
    return [SimpleNamespace(offset=offset) for offset in range(first, last + 1)]


async def test_each_partition_is_read_up_to_its_end() -> None:
    consumer = Consumer([{ONE: records(3, 4)}, {}, {ONE: records(5, 6), TWO: records(0, 0)}])
    reader = PartitionReader(consumer)
    reader.seek({ONE: 3, TWO: 0})
    found = [[record.offset for record in fetched] async for fetched in reader.read_to({ONE: 5, TWO: 1})]
    assert found == [[3, 4], [5, 6, 0]]  # what a fetch brings beyond an end is not lost for those who read on
    assert consumer.asked == [{ONE, TWO}, {TWO}, {TWO}]


async def test_an_empty_span_asks_for_nothing() -> None:
    consumer = Consumer()
    reader = PartitionReader(consumer)
    reader.seek({ONE: 7})
    assert [fetched async for fetched in reader.read_to({ONE: 7})] == []
    assert consumer.asked == []


async def test_a_partition_that_stays_silent_ends_the_read() -> None:
    consumer = Consumer([{ONE: records(0, 0)}])
    reader = PartitionReader(consumer)
    reader.seek({ONE: 0})
    with pytest.raises(TimeoutError):
        assert [fetched async for fetched in reader.read_to({ONE: 9}, silent_s=0)] == []
    assert len(consumer.asked) == 2


async def test_a_partition_without_a_leader_is_asked_again(monkeypatch) -> None:
    """aiokafka gives up after one request timeout; a new topic's leader may take longer."""
    consumer, asked = Consumer(), list[int]()

    async def end_offsets(_: Any) -> dict[TopicPartition, int]:
        asked.append(1)
        await asyncio.sleep(0.001)
        if len(asked) < 3:
            raise KafkaTimeoutError
        return {ONE: 7}

    monkeypatch.setattr(consumer, "end_offsets", end_offsets, raising=False)
    assert await PartitionReader(consumer).end_offsets([ONE]) == {ONE: 7}
    monkeypatch.setattr(partition_reader, "START_S", 0.05)
    monkeypatch.setattr(consumer, "beginning_offsets", never, raising=False)
    with pytest.raises(TimeoutError):
        await PartitionReader(consumer).first_offsets([ONE])


async def never(_: Any) -> dict[TopicPartition, int]:
    await asyncio.sleep(0.001)
    raise KafkaTimeoutError


async def test_a_kafka_that_is_silent_ends_every_read(monkeypatch) -> None:
    """aiokafka's getmany returns nothing for ever, and does not ask the bootstrap list again."""
    monkeypatch.setattr(partition_reader, "SILENT_S", 0.05)
    reader = PartitionReader(Consumer())
    reader.seek({ONE: 0})
    with pytest.raises(TimeoutError, match="Kafka has not answered"):
        async for _ in reader.read_to({ONE: 9}):
            pass
    with pytest.raises(TimeoutError, match="Kafka has not answered"):
        await reader.idle(0)


async def test_poll_returns_what_one_fetch_brings() -> None:
    reader = PartitionReader(Consumer([{ONE: records(0, 1)}]))
    assert [record.offset for record in await reader.poll()] == [0, 1]
    assert await reader.poll() == []


class StartedConsumer:
    """Only its options, and how often it looks for something to fetch."""

    made: list["StartedConsumer"]

    def __init__(self, **options: Any) -> None:
        self.options, self._fetcher = options, SimpleNamespace(_fetcher_timeout=0.2)
        self.made.append(self)

    async def start(self) -> None: ...
    async def stop(self) -> None: ...


async def test_what_follows_without_an_end_fetches_and_looks_rarely(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StartedConsumer, "made", [], raising=False)
    monkeypatch.setattr(partition_reader, "AIOKafkaConsumer", StartedConsumer)
    for wait_ms in (FETCH_WAIT_MS, FOLLOW_WAIT_MS):
        async with partition_reader.partition_reader({}, fetch_wait_ms=wait_ms):
            pass
    once, following = StartedConsumer.made
    assert (once.options["fetch_max_wait_ms"], once._fetcher._fetcher_timeout) == (50, 0.2)
    assert (following.options["fetch_max_wait_ms"], following._fetcher._fetcher_timeout) == (3_000, 3.0)
