"""Which partitions the index reads, and where it begins with each. Asks Kafka; decides by the kind of topic.

Runs, dead letters and the audit are read whole. Events, commands, retries and results are read from the window on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, UnknownError

from stripeline.contracts.topics import Topics
from stripeline.deploy.console.index.isolated_reads import NO_LEADER
from stripeline.deploy.operations.status.finding import partitions as words_of
from stripeline.deploy.operations.topics_admin import connected
from stripeline.workers.kafka.aiokafka_topic_ids_internals import topic_ids
from stripeline.workers.kafka.partition_reader import Offsets, PartitionReader


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicPlan:
    """partitions: those that can be read. missing: the other topics and partitions, each with the reason."""

    partitions: tuple[TopicPartition, ...]
    missing: Mapping[str, str]
    topic_ids: Mapping[str, str]


def followed(topics: Topics, existing: Sequence[str]) -> list[str]:
    """The topics of the index; of retry topics also those of tiers that were taken away."""
    former = sorted(name for name in existing if topics.is_retry(name) and name not in topics.retries)
    return [
        topics.run, topics.dead_letter, topics.audit, *topics.events, topics.command, *topics.retries, *former,
        topics.result,
    ]  # fmt: skip


def is_read_whole(topics: Topics, topic: str) -> bool:
    return topic in {topics.run, topics.dead_letter, topics.audit}


async def topic_plan(topics: Topics, client: Mapping[str, Any]) -> TopicPlan:
    """What there is now. Raises KafkaError, TimeoutError.

    By a connection of its own: on that of the reader a fetch waits for records.
    """
    async with connected(client) as cluster:
        names = followed(topics, list((await cluster.layout()).topics))
        there, missing = await cluster.all_named(names)
    leaderless = {
        f"{name}, {words_of(sorted(topic.leaderless))}": NO_LEADER for name, topic in there.items() if topic.leaderless
    }
    found = [
        TopicPartition(name, number)
        for name, topic in there.items()
        for number in topic.partitions
        if number not in topic.leaderless
    ]
    known = await topic_ids(there, client)
    return TopicPlan(partitions=tuple(found), missing={**missing, **leaderless}, topic_ids=known)


async def begins(
    reader: PartitionReader, topics: Topics, partitions: Sequence[TopicPartition], since_ms: int
) -> dict[TopicPartition, int]:
    """Where each partition is read from. Raises KafkaError, TimeoutError."""
    if not partitions:
        return {}
    firsts, ends = await reader.first_offsets(partitions), await reader.end_offsets(partitions)
    windowed = [tp for tp in partitions if not is_read_whole(topics, tp.topic)]
    later = await _offsets_at(reader, windowed, firsts, since_ms)
    return {**firsts, **{tp: max(firsts[tp], later.get(tp, ends[tp])) for tp in windowed}}


async def _offsets_at(
    reader: PartitionReader, partitions: Sequence[TopicPartition], firsts: Offsets, since_ms: int
) -> Offsets:
    """The first offset of each at a time. A broker that can't read the batch there says nothing of any of them."""
    if not partitions:
        return {}
    try:
        return await reader.offsets_at(partitions, since_ms)
    except KafkaError:
        found: dict[TopicPartition, int] = {}
        for tp in partitions:
            try:
                found |= await reader.offsets_at([tp], since_ms)
            except UnknownError:
                found[tp] = firsts[tp]
        return found
