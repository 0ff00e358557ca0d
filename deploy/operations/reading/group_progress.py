"""How far a consumer group has come: what it has committed, and which records it has not finished."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata, TopicPartition

from stripeline.workers.kafka.aiokafka_internals import committed_offsets
from stripeline.workers.kafka.partition_reader import Offsets, partition_reader
from stripeline.workers.task.watermark import decode

_AGAIN_S: Final = 0.5
_SILENT_S: Final = 60.0


async def committed(
    group: str, partitions: Sequence[TopicPartition], client: Mapping[str, Any]
) -> Mapping[TopicPartition, OffsetAndMetadata]:
    """What a group has committed. Until it can be said: its coordinator may be moving, or not be made yet."""
    while True:
        try:
            return await committed_offsets(group, partitions, client)
        except KafkaError as error:
            if not error.retriable:
                raise
        await asyncio.sleep(_AGAIN_S)


async def unfinished(group: str, ends: Offsets, client: Mapping[str, Any]) -> int:
    """How many records below these ends a group has not finished. Raises KafkaError, TimeoutError.

    Counted by reading them: markers of transactions take offsets too, so a group that has finished everything may be
    behind the end for ever.
    """
    marks = await committed(group, list(ends), client)
    found = 0
    async with partition_reader(client) as reader:
        firsts = await reader.first_offsets(list(ends))
        starts = {tp: max(firsts[tp], marks[tp].offset) for tp in ends}
        unread = {tp: end for tp, end in ends.items() if starts[tp] < end}
        done = {tp: decode(marks[tp].offset, marks[tp].metadata or "") for tp in unread}
        reader.seek({tp: starts[tp] for tp in unread})
        async for records in reader.read_to(unread, silent_s=_SILENT_S):
            for record in records:
                tp = TopicPartition(record.topic, record.partition)
                found += record.offset < ends[tp] and not within(record.offset, done[tp])
    return found


def within(offset: int, ranges: Iterable[tuple[int, int]]) -> bool:
    """Whether an offset is in one of the ranges that a commit says are finished."""
    return any(first <= offset <= last for first, last in ranges)
