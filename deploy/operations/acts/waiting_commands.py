"""Counts the commands that wait for each connection: on the command topic and in the retry tiers, not yet decided.

A connection with waiting commands is not removed: there would be no key to carry them out with, or to look them up.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import orjson
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata

from stripeline.contracts import headers as h
from stripeline.contracts.topics import Topics
from stripeline.deploy.failure import FailureError
from stripeline.deploy.operations.reading.topic_reader import partitions_of
from stripeline.workers.kafka.aiokafka_internals import committed_offsets
from stripeline.workers.kafka.partition_reader import partition_reader
from stripeline.workers.task.watermark import decode

_DEADLINE_S: Final = 120.0
_AGAIN_S: Final = 0.5


async def waiting_commands(topics: Topics, client: Mapping[str, Any]) -> Counter[str]:
    """How many wait, by connection. Raises FailureError, KafkaError, TimeoutError."""
    found: Counter[str] = Counter()
    async with asyncio.timeout(_DEADLINE_S), partition_reader(client) as reader:
        inputs = [topic for topic in await reader.topics() if topic == topics.command or topics.is_retry(topic)]
        partitions = [tp for topic in inputs for tp in await partitions_of(topic, client)]
        marks = await _committed(topics.groups[1], partitions, client)
        firsts, ends = await reader.first_offsets(partitions), await reader.end_offsets(partitions)
        starts = {tp: max(firsts[tp], marks[tp].offset) for tp in partitions}
        done = {tp: decode(marks[tp].offset, marks[tp].metadata or "") for tp in partitions}
        unread = {tp: ends[tp] for tp in partitions if starts[tp] < ends[tp]}
        reader.seek({tp: starts[tp] for tp in unread})
        async for records in reader.read_to(unread):
            found.update(_connections(records, done))
    return found


async def _committed(
    group: str, partitions: Sequence[TopicPartition], client: Mapping[str, Any]
) -> Mapping[TopicPartition, OffsetAndMetadata]:
    """What the executors have committed. Until it can be said: a group's coordinator may be moving, or not be made."""
    while True:
        try:
            return await committed_offsets(group, partitions, client)
        except KafkaError as error:
            if not error.retriable:
                raise
        await asyncio.sleep(_AGAIN_S)


def _connections(
    records: Iterable[ConsumerRecord], done: Mapping[TopicPartition, Iterable[tuple[int, int]]]
) -> Iterable[str]:
    """The connections of the commands among these records that no executor has decided."""
    for record in records:
        ranges = done[TopicPartition(record.topic, record.partition)]
        if not any(first <= record.offset <= last for first, last in ranges):
            connection = connection_of(record.value, h.read(record.headers))
            if connection is not None:
                yield connection


def connection_of(value: bytes | None, headers: Mapping[str, bytes]) -> str | None:
    """The connection of a command; None for what is not one."""
    if value is None or h.SETTLES in headers:
        return None
    try:
        command = orjson.loads(value)
    except orjson.JSONDecodeError:
        return None
    connection = command.get("connection") if isinstance(command, dict) else None
    return connection if isinstance(connection, str) else None


def require_none_waiting(found: Mapping[str, int], names: Iterable[str]) -> None:
    """Raise FailureError for a connection that commands wait for."""
    for name in names:
        if found.get(name):
            raise FailureError(
                f"The connection {name} was not removed: {found[name]} of its commands wait, and would have no key."
                f" Run an executor until they are done (`stripeline get connections` says why they wait), or let them"
                " end by their not_after."
            )
