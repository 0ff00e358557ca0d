"""Reads the events of a trigger's topic from one time to another, oldest first, and which of them have a run."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import TopicPartition

from stripeline.contracts.definitions import Definitions
from stripeline.contracts.families import families
from stripeline.contracts.topics import Topics
from stripeline.deploy.failure import FailureError
from stripeline.deploy.operations.reading.group_progress import committed
from stripeline.deploy.operations.reading.topic_reader import Read, Wanted, newest, partitions_of, read_of
from stripeline.deploy.operations.topic_problems import Found
from stripeline.deploy.operations.topics_admin import connected
from stripeline.workers.kafka.partition_reader import Offsets, partition_reader

CLOCKS_APART_MS: Final = 600_000
"""A run's record has the broker's time, and its event that of ingest's host, whose clock may be ahead."""
_DEADLINE_S: Final = 60.0
_SILENT_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRange:
    """Offsets of an event topic: from `starts` up to `ends`, exclusive, of each partition."""

    starts: Offsets
    ends: Offsets

    @property
    def events(self) -> int:
        """How many offsets: markers of transactions are among them, and events of other triggers."""
        return sum(max(0, end - self.starts[tp]) for tp, end in self.ends.items())

    def up_to(self, ends: Offsets) -> "EventRange":
        """What came after this range, up to later ends."""
        return EventRange(starts=self.ends, ends=ends)


def event_topic(topics: Topics, stored: Definitions, workflow: str) -> str:
    """The topic of a workflow's trigger. Raises FailureError where the trigger is gone."""
    name = stored.workflows[workflow].trigger
    trigger = stored.triggers.get(name)
    if trigger is None:
        raise FailureError(f"The trigger {name} of the workflow {workflow} is not there any more.")
    return topics.event(families()[trigger.kind].topic)


async def retention_ms(topics: Topics, topic: str, client: Mapping[str, Any]) -> int | None:
    """How long a topic keeps its records; None for ever. Raises FailureError, KafkaError.

    As `topics apply` sets it where this user may not see the topic's settings.
    """
    async with connected(client) as cluster:
        await cluster.partitions(topic)  # raises where it is missing
        found = (await cluster.describe(await cluster.layout(), [topic])).get(topic)
    if not isinstance(found, Found):
        return next(one.retention_ms for one in topics.all(1) if one.name == topic)
    kept = int(found.config.get("retention.ms", -1))
    return None if kept < 0 else kept


async def event_range(
    topic: str, client: Mapping[str, Any], since_ms: int, until_ms: int | None = None
) -> EventRange:  # fmt: skip
    """The events since a time, and until another one. Raises FailureError, KafkaError, TimeoutError."""
    partitions = await partitions_of(topic, client)
    async with asyncio.timeout(_DEADLINE_S), partition_reader(client) as reader:
        ends = dict(await reader.end_offsets(partitions))
        starts = ends | dict(await reader.offsets_at(partitions, since_ms))
        if until_ms is not None:
            ends |= dict(await reader.offsets_at(partitions, until_ms + 1))
    return EventRange(starts={tp: min(starts[tp], ends[tp]) for tp in ends}, ends=ends)


async def range_from(topic: str, client: Mapping[str, Any], offsets: Sequence[int]) -> EventRange:
    """The events from offsets on, by partition. Raises as `event_range` does."""
    partitions = await partitions_of(topic, client)
    async with asyncio.timeout(_DEADLINE_S), partition_reader(client) as reader:
        ends, firsts = await reader.end_offsets(partitions), await reader.first_offsets(partitions)
    wanted = {tp: offsets[tp.partition] if tp.partition < len(offsets) else 0 for tp in partitions}
    return EventRange(starts={tp: min(max(firsts[tp], wanted[tp]), ends[tp]) for tp in partitions}, ends=ends)


async def next_offsets(group: str, topic: str, client: Mapping[str, Any]) -> tuple[int, ...]:
    """The next event that a group takes, by partition; the first that is there where it has taken none."""
    partitions = await partitions_of(topic, client)
    marks = await committed(group, partitions, client)
    return tuple(max(0, marks[tp].offset) for tp in sorted(partitions))


async def ends_of(topic: str, client: Mapping[str, Any]) -> Offsets:
    """Where an event topic ends now. Raises as `event_range` does."""
    partitions = await partitions_of(topic, client)
    async with asyncio.timeout(_DEADLINE_S), partition_reader(client) as reader:
        return await reader.end_offsets(partitions)


async def events_in(range_: EventRange, client: Mapping[str, Any]) -> AsyncGenerator[list[Read], None]:
    """The records of a range, a fetch at a time, in the order of each partition. Raises KafkaError, TimeoutError."""
    unread = {tp: end for tp, end in range_.ends.items() if range_.starts[tp] < end}
    if not unread:
        return
    async with partition_reader(client) as reader:
        reader.seek({tp: range_.starts[tp] for tp in unread})
        async for records in reader.read_to(unread, silent_s=_SILENT_S):
            yield [read_of(one) for one in records if one.offset < unread[TopicPartition(one.topic, one.partition)]]


async def event_records(topic: str, client: Mapping[str, Any], event_id: str, limit: int) -> list[Read]:
    """The records of one event, oldest first: Stripe delivers some twice. Raises as `event_range` does."""
    wanted = Wanted(keep=lambda read: read.headers.get("ce_id") == event_id.encode(), limit=limit)
    return list(reversed((await newest(topic, client, wanted)).records))


async def known_runs(topics: Topics, client: Mapping[str, Any], workflow: str, since_ms: int) -> set[str]:
    """The ids of a workflow's runs whose events came since a time. Raises as `event_range` does."""
    ending, known = f":{workflow}".encode(), set[str]()
    partitions = await partitions_of(topics.run, client)
    async with partition_reader(client) as reader:
        ends = await reader.end_offsets(partitions)
        later = await reader.offsets_at(partitions, max(0, since_ms - CLOCKS_APART_MS))
        unread = {tp: end for tp, end in ends.items() if later.get(tp, end) < end}
        reader.seek({tp: later[tp] for tp in unread})
        async for records in reader.read_to(unread, silent_s=_SILENT_S):
            for record in records:
                key = record.key or b""
                if key.endswith(ending):
                    (known.add if record.value is not None else known.discard)(key.decode("utf-8", "replace"))
    return known
