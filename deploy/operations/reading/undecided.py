"""Reads the commands that wait: on the command topic and in the retry tiers, not yet decided by an executor.

It begins where the executors' group has committed, and leaves out what their commits say is finished above that, so it
reads what waits and little else. No offset of the group moves.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Any

from aiokafka import ConsumerRecord, TopicPartition

from stripeline.contracts.topics import Topics
from stripeline.deploy.operations.reading.group_progress import committed, within
from stripeline.deploy.operations.topics_admin import connected
from stripeline.workers.kafka.partition_reader import partition_reader
from stripeline.workers.task.watermark import decode


async def undecided(
    topics: Topics, client: Mapping[str, Any], only: Collection[int] | None = None
) -> AsyncIterator[Sequence[ConsumerRecord]]:
    """The records that no executor has decided; `only` on these partition numbers. The caller sets the bound.

    Raises FailureError for a missing topic, KafkaError, TimeoutError.
    """
    async with partition_reader(client) as reader:
        inputs = [topic for topic in await reader.topics() if topic == topics.command or topics.is_retry(topic)]
        partitions = [tp for tp in await _partitions(inputs, client) if only is None or tp.partition in only]
        marks = await committed(topics.groups[1], partitions, client)
        firsts, ends = await reader.first_offsets(partitions), await reader.end_offsets(partitions)
        starts = {tp: max(firsts[tp], marks[tp].offset) for tp in partitions}
        done = {tp: decode(marks[tp].offset, marks[tp].metadata or "") for tp in partitions}
        unread = {tp: ends[tp] for tp in partitions if starts[tp] < ends[tp]}
        reader.seek({tp: starts[tp] for tp in unread})
        async for records in reader.read_to(unread):
            yield [record for record in records if not _finished(record, done)]


def _finished(record: ConsumerRecord, done: Mapping[TopicPartition, Sequence[tuple[int, int]]]) -> bool:
    return within(record.offset, done[TopicPartition(record.topic, record.partition)])


async def _partitions(names: Sequence[str], client: Mapping[str, Any]) -> list[TopicPartition]:
    async with connected(client) as cluster:
        return [TopicPartition(name, number) for name in names for number in await cluster.partitions(name)]
