"""Fetches single records from Kafka by their places, when a person opens a page. Keeps one consumer open."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from stripeline.deploy.console.console_sources import RecordsAwayError
from stripeline.deploy.operations.reading.topic_reader import Read, read_of
from stripeline.workers.kafka.partition_reader import PartitionReader, partition_reader

_DEADLINE_S: Final = 10.0
Place = tuple[str, int, int]


class RecordFetch:
    """One consumer, used by one question at a time. Open it as a context."""

    def __init__(self, client: Mapping[str, Any]) -> None:
        self._client, self._lock = client, asyncio.Lock()

    async def at(self, topic: str, partition: int, offset: int) -> Read | None:
        """The record at a place; None where Kafka has it no more. Raises RecordsAwayError."""
        return (await self.many([(topic, partition, offset)])).get((topic, partition, offset))

    async def many(self, places: Sequence[Place]) -> Mapping[Place, Read]:
        """The records that Kafka still has. Raises as `at` does."""
        try:
            async with asyncio.timeout(_DEADLINE_S), self._lock:
                return await self._fetched(places)
        except (KafkaError, TimeoutError) as error:
            raise RecordsAwayError(str(error) or f"Kafka did not answer within {_DEADLINE_S:g} s") from error

    async def _fetched(self, places: Sequence[Place]) -> Mapping[Place, Read]:
        found: dict[Place, Read] = {}
        async with partition_reader(self._client) as reader:
            for topic, partition, offset in dict.fromkeys(places):
                read = await _one(reader, TopicPartition(topic, partition), offset)
                if read is not None:
                    found[topic, partition, offset] = read
        return found


async def _one(reader: PartitionReader, tp: TopicPartition, offset: int) -> Read | None:
    first = (await reader.first_offsets([tp]))[tp]
    end = (await reader.end_offsets([tp]))[tp]
    if not first <= offset < end:
        return None
    reader.seek({tp: offset})
    async for records in reader.read_to({tp: offset + 1}):
        for record in records:
            if record.offset == offset:
                return read_of(record)
    return None
