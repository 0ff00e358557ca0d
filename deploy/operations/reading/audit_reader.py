"""Reads the audit topic: what people and the executor did, and what that makes of the dead letters."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from stripeline.contracts.internal_records import AuditRecord, UnreadableRecordError, read
from stripeline.contracts.topics import Topics
from stripeline.deploy.operations.reading.letter_states import Audited, LetterStates, states
from stripeline.deploy.operations.reading.topic_reader import partitions_of
from stripeline.workers.kafka.partition_reader import partition_reader

_DEADLINE_S: Final = 60.0


async def letter_states(topics: Topics, client: Mapping[str, Any], since_ms: int | None = None) -> LetterStates:
    """The states of the dead letters that were appended since a time. Raises FailureError, KafkaError, TimeoutError."""
    return states(await acts(topics, client, since_ms), topics.dead_letter)


async def acts(topics: Topics, client: Mapping[str, Any], since_ms: int | None = None) -> list[Audited]:
    """The acts since a time; all that are kept without one. An act of a later version that can't be read is left out.

    Raises as `letter_states` does.
    """
    found: list[Audited] = []
    async with asyncio.timeout(_DEADLINE_S), partition_reader(client) as reader:
        partitions = await partitions_of(topics.audit, client)
        ends = await reader.end_offsets(partitions)
        starts = dict(await reader.first_offsets(partitions))
        if since_ms is not None:
            later = await reader.offsets_at(partitions, since_ms)
            starts = {tp: later.get(tp, ends[tp]) for tp in partitions}
        unread = {tp: ends[tp] for tp in partitions if starts[tp] < ends[tp]}
        reader.seek({tp: starts[tp] for tp in unread})
        async for records in reader.read_to(unread):
            for record in records:
                try:
                    act = read(AuditRecord, record.value or b"")
                except UnreadableRecordError:
                    continue
                found.append(
                    Audited(record=act, partition=record.partition, offset=record.offset, at_ms=record.timestamp)
                )
    return found
