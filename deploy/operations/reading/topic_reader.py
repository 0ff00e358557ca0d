"""Reads the newest records of topics backwards from their ends, without a consumer group, so no offsets change.

However long that takes, it goes on while records come; a partition that sends none is named, and ends it.
Nothing behind an open transaction can be read: what is left out is said (`hidden`). It selects records.
`stripeline.deploy.operations.reading.views` presents them, with secrets masked.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from aiokafka import ConsumerRecord, TopicPartition

from stripeline.contracts import headers
from stripeline.deploy.failure import FailureError
from stripeline.deploy.operations.topics_admin import connected
from stripeline.workers.kafka.partition_reader import PartitionReader, log_ends, partition_reader
from stripeline.workers.kafka.transaction import TRANSACTION_TIMEOUT_MS
from stripeline.workers.kafka.watch.open_transactions import bootstrap_servers, open_transaction
from stripeline.workers.task.open_transaction import words

_DEADLINE_S: Final = 60.0
_SILENT_S: Final = 15.0
_FIRST_CHUNK: Final = 500
_LAST_CHUNK: Final = 16_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """One record of a topic."""

    topic: str
    partition: int
    offset: int
    at_ms: int
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Records, newest first. `cut`: there are more. `hidden`: what could not be read, in words."""

    records: tuple[Read, ...]
    cut: bool
    hidden: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which records, and how many.

    per_key: only the newest of each key, unless it is a tombstone.
    only: on these partition numbers.
    first: end as soon as any partition has one.
    tombstones: a record without a value may be wanted, too.
    """

    keep: Callable[[Read], bool]
    limit: int
    since_ms: int | None = None
    per_key: bool = False
    only: Collection[int] | None = None
    first: bool = False
    tombstones: bool = False


@dataclass(slots=True, kw_only=True)
class _Tail:
    """The records found in one partition so far, backwards from its end."""

    wanted: Wanted
    found: list[Read] = field(default_factory=list)
    seen: set[bytes | None] = field(default_factory=set)
    enough: bool = False

    def take(self, chunk: list[Read]) -> None:
        for read in reversed(chunk):
            if self.wanted.per_key:
                if read.key in self.seen:
                    continue
                self.seen.add(read.key)
            if (read.value is not None or self.wanted.tombstones) and self.wanted.keep(read):
                self.found.append(read)
        too_old = bool(chunk) and self.wanted.since_ms is not None and chunk[0].at_ms < self.wanted.since_ms
        # One record more than the limit shows that the list was cut.
        self.enough = too_old or len(self.found) > self.wanted.limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a search has come: records that were read, those of them that match, and the time it is back to."""

    read: int
    found: int
    back_to_ms: int


def unwatched(_: Progress) -> None:
    """Of a search that nobody waits for."""


async def newest(
    topics: str | Sequence[str],
    client: Mapping[str, Any],
    wanted: Wanted,
    watch: Callable[[Progress], None] = unwatched,
) -> Page:
    """The newest matching records of the topics. `watch` is called after each chunk.

    Raises FailureError for a missing topic and for a partition that does not answer, KafkaError, TimeoutError.
    """
    names = [topics] if isinstance(topics, str) else topics
    async with partition_reader(client) as reader:
        every = [tp for name in names for tp in await partitions_of(name, client)]
        partitions = [tp for tp in every if wanted.only is None or tp.partition in wanted.only]
        ends = await reader.end_offsets(partitions)
        found = await _tails(reader, ends, wanted, watch)
        left_out = await hidden(ends, client)
    found.sort(key=lambda read: (read.at_ms, read.offset), reverse=True)
    return Page(records=tuple(found[: wanted.limit]), cut=len(found) > wanted.limit, hidden=left_out)


async def hidden(stable: Mapping[TopicPartition, int], client: Mapping[str, Any]) -> tuple[str, ...]:
    """What is not shown of partitions that were read up to their last stable offsets, in words.

    A transaction of a worker is open for a moment only, and is not worth a word. Raises KafkaError, TimeoutError.
    """
    now_ms, ends = int(time.time() * 1000), await log_ends(list(stable), client)
    held = [await open_transaction(tp, at, client) for tp, at in stable.items() if at < ends[tp]]
    return tuple(
        f"What is behind offset {one.offset} of {one.topic}-{one.partition} is not shown:"
        f" {words(one, now_ms, bootstrap_servers(client))}"
        for one in held
        if one.began_ms is None or now_ms - one.began_ms >= TRANSACTION_TIMEOUT_MS
    )


async def hidden_of(topic: str, client: Mapping[str, Any]) -> tuple[str, ...]:
    """What of a topic can't be read now, in words. Raises as `newest` does."""
    partitions = await partitions_of(topic, client)
    async with asyncio.timeout(_DEADLINE_S), partition_reader(client) as reader:
        return await hidden(await reader.end_offsets(partitions), client)


async def partitions_of(topic: str, client: Mapping[str, Any]) -> list[TopicPartition]:
    """A topic's partitions. Raises FailureError if it is missing: a consumer would wait for it, or create it."""
    async with connected(client) as cluster:
        return [TopicPartition(topic, number) for number in await cluster.partitions(topic)]


async def _tails(
    reader: PartitionReader,
    ends: Mapping[TopicPartition, int],
    wanted: Wanted,
    watch: Callable[[Progress], None],
) -> list[Read]:
    """The matching records of all partitions, read in chunks backwards from their ends."""
    partitions, uppers = list(ends), dict(ends)
    begins = await reader.first_offsets(partitions)
    tails = {partition: _Tail(wanted=wanted) for partition in partitions}
    size, seen, back_to_ms = _FIRST_CHUNK, 0, int(time.time() * 1000)
    while open_ones := [one for one in partitions if uppers[one] > begins[one] and not tails[one].enough]:
        lowers = {one: max(begins[one], uppers[one] - size) for one in open_ones}
        for partition, chunk in (await _chunks(reader, lowers, uppers)).items():
            tails[partition].take(chunk)
            seen += len(chunk)
            back_to_ms = min([back_to_ms, *(read.at_ms for read in chunk[:1])])
        watch(Progress(read=seen, found=sum(len(tail.found) for tail in tails.values()), back_to_ms=back_to_ms))
        if wanted.first and any(tail.found for tail in tails.values()):
            break
        uppers |= lowers
        # Compaction leaves gaps: growing chunks keep a sparse topic from costing one request per record.
        size = min(size * 2, _LAST_CHUNK)
    return [read for tail in tails.values() for read in tail.found]


async def _chunks(
    reader: PartitionReader, lowers: Mapping[TopicPartition, int], uppers: Mapping[TopicPartition, int]
) -> dict[TopicPartition, list[Read]]:
    """The records of each partition from its lower offset up to its upper one, exclusive."""
    reader.seek(lowers)
    chunks: dict[TopicPartition, list[Read]] = {partition: [] for partition in lowers}
    wanted = {partition: uppers[partition] for partition in lowers}
    try:
        async for records in reader.read_to(wanted, silent_s=_SILENT_S):
            for record in records:
                partition = TopicPartition(record.topic, record.partition)
                if record.offset < uppers[partition]:
                    chunks[partition].append(read_of(record))
    except TimeoutError:
        await _require_answers(reader, wanted)
        raise
    return chunks


async def _require_answers(reader: PartitionReader, wanted: Mapping[TopicPartition, int]) -> None:
    """Raise FailureError for partitions that sent nothing, where others answered: Kafka itself is there."""
    silent = [tp for tp, end in wanted.items() if await reader.position(tp) < end]
    if silent and len(silent) < len(wanted):
        names = ", ".join(f"{tp.topic}-{tp.partition}" for tp in silent)
        raise FailureError(
            f"No records came from {names} for {_SILENT_S:g} s, while other partitions answered: the broker that leads"
            " them is away or in trouble. `stripeline topics check` shows what is wrong with the topics; try again when"
            " their leaders are back."
        )


def read_of(record: ConsumerRecord) -> Read:
    return Read(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        at_ms=record.timestamp,
        key=record.key,
        value=record.value,
        headers=headers.read(record.headers),
    )
