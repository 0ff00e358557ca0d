"""Fetches single records from Kafka by their places, when a person opens a page. Keeps one consumer open.

One that fails is closed, and the question asked once more of another, from the bootstrap list. Every wait is bounded.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Final, Self

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from stripeline.deploy.operations.reading.topic_reader import Read, read_of
from stripeline.workers.kafka.partition_reader import PartitionReader, partition_reader
from stripeline.workers.kafka.watch.sign_of_life import SignOfLife

_DEADLINE_S: Final = 12.0
_SILENT_S: Final = 5.0
_FETCH_BYTES: Final = 65_536
"""Of a partition: what is behind a wanted record comes with it, for nothing. A larger record still comes whole."""
Place = tuple[str, int, int]


class RecordFetch:
    """One consumer, used by one question at a time. Open it as a context: the first question starts the consumer."""

    def __init__(self, client: Mapping[str, Any]) -> None:
        self._client, self._lock, self._life = client, asyncio.Lock(), SignOfLife()
        self._stack = AsyncExitStack()
        self._reader: PartitionReader | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    async def at(self, topic: str, partition: int, offset: int) -> Read | None:
        """The record at a place; None where Kafka has it no more. Raises KafkaError, TimeoutError."""
        return (await self.many([(topic, partition, offset)])).get((topic, partition, offset))

    async def many(self, places: Sequence[Place]) -> Mapping[Place, Read]:
        """The records that Kafka still has. Raises as `at` does."""
        if not places:
            return {}
        async with asyncio.timeout(_DEADLINE_S), self._lock:
            if self._reader is not None:
                try:
                    return await self._ask(self._reader, places)
                except (KafkaError, TimeoutError):  # its brokers may have moved, or gone, while nobody asked
                    await self._close()
            return await self._ask(await self._open(), places)

    async def _ask(self, reader: PartitionReader, places: Sequence[Place]) -> Mapping[Place, Read]:
        self._life.heard()  # nobody listened since the last question
        try:
            async with asyncio.timeout(_SILENT_S):
                return await _found(reader, places)
        except asyncio.CancelledError:
            await self._close()
            raise

    async def _open(self) -> PartitionReader:
        opening = partition_reader(self._client, max_partition_fetch_bytes=_FETCH_BYTES, life=self._life)
        self._reader = await self._stack.enter_async_context(opening)
        return self._reader

    async def _close(self) -> None:
        stack, self._stack, self._reader = self._stack, AsyncExitStack(), None
        await stack.aclose()


async def _found(reader: PartitionReader, places: Sequence[Place]) -> dict[Place, Read]:
    existing = set(await reader.topics())
    partitions = sorted({TopicPartition(topic, number) for topic, number, _ in places if topic in existing})
    if not partitions:
        return {}
    firsts, ends = await reader.first_offsets(partitions), await reader.end_offsets(partitions)
    wanted: dict[TopicPartition, list[int]] = {}
    for topic, number, offset in sorted(set(places)):
        tp = TopicPartition(topic, number)
        if tp in firsts and firsts[tp] <= offset < ends[tp]:
            wanted.setdefault(tp, []).append(offset)
    found: dict[Place, Read] = {}
    while wanted:
        found |= await _first_of_each(reader, wanted)
        wanted = {
            tp: left
            for tp, offsets in wanted.items()
            if (left := [one for one in offsets[1:] if (tp.topic, tp.partition, one) not in found])
        }
    reader.seek({})  # fetch nothing until the next question
    return found


async def _first_of_each(reader: PartitionReader, wanted: Mapping[TopicPartition, Sequence[int]]) -> dict[Place, Read]:
    """The first wanted record of each partition, and what comes with it. A record that was compacted away is passed."""
    reader.seek({tp: offsets[0] for tp, offsets in wanted.items()})
    found: dict[Place, Read] = {}
    async for records in reader.read_to({tp: offsets[0] + 1 for tp, offsets in wanted.items()}):
        for record in records:
            if record.offset in wanted[TopicPartition(record.topic, record.partition)]:
                found[record.topic, record.partition, record.offset] = read_of(record)
    return found
