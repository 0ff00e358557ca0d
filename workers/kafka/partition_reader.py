"""Reads partitions without a consumer group, so that nobody's committed offsets move.

The one place that opens such a consumer: the control table, restores, the command line and the demo read through it.
Committed records only: what an aborted transaction wrote never happened. Every start and stop is bounded; how long a
read may take is its caller's decision, unless it says `silent_s`.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping, Sequence
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from stripeline.workers.kafka.consumer import stop_consumer

START_S: Final = 30.0
FETCH_WAIT_MS: Final = 50
"""A fetch that waits at the broker for records delays every other request of its connection."""
IDLE_FETCH_WAIT_MS: Final = 500
"""For those that follow without an end: two fetches a second while nothing comes."""

_POLL_MS: Final = 500
_MAX_RECORDS: Final = 5_000
Offsets = Mapping[TopicPartition, int]


class PartitionReader:
    """An open consumer without a group. It reads what `seek` names last."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer

    async def topics(self) -> Collection[str]:
        """The topics that exist. A topic that is asked for by name is waited for, or created by a careless broker."""
        found: Collection[str] = await self._consumer.topics()
        return found

    async def first_offsets(self, partitions: Sequence[TopicPartition]) -> Offsets:
        found: Offsets = await self._consumer.beginning_offsets(partitions)
        return found

    async def end_offsets(self, partitions: Sequence[TopicPartition]) -> Offsets:
        """Where the partitions end now; a transaction that is still open holds the end back."""
        found: Offsets = await self._consumer.end_offsets(partitions)
        return found

    async def offsets_at(self, partitions: Sequence[TopicPartition], at_ms: int) -> Offsets:
        """The first offset at or after a time; a partition without one is left out."""
        found = await self._consumer.offsets_for_times(dict.fromkeys(partitions, at_ms))
        return {tp: place.offset for tp, place in found.items() if place is not None}

    def seek(self, offsets: Offsets) -> None:
        """Read these partitions, and no others, from these offsets on.

        Without a pause between the two steps: the consumer would fetch from elsewhere meanwhile. aiokafka 0.14 drops
        that fetch as a generator that refers to itself, and it stays in memory until the collector looks.
        """
        self._consumer.assign(list(offsets))
        for tp, offset in offsets.items():
            self._consumer.seek(tp, offset)

    async def read_to(
        self, ends: Offsets, *, silent_s: float | None = None
    ) -> AsyncGenerator[Sequence[ConsumerRecord], None]:
        """The records up to the ends, a fetch at a time; the last one may go beyond an end.

        Raises TimeoutError when no record came for `silent_s`.
        """
        loop = asyncio.get_running_loop()
        heard_s = loop.time()
        while behind := [tp for tp, end in ends.items() if await self._consumer.position(tp) < end]:
            if records := await self._fetch(*behind):
                heard_s = loop.time()
                yield records
            elif silent_s is not None and loop.time() - heard_s >= silent_s:
                raise TimeoutError

    async def poll(self) -> Sequence[ConsumerRecord]:
        """The next records, none where nothing came within half a second: for those that follow without an end."""
        return await self._fetch()

    async def _fetch(self, *partitions: TopicPartition) -> Sequence[ConsumerRecord]:
        fetched = await self._consumer.getmany(*partitions, timeout_ms=_POLL_MS, max_records=_MAX_RECORDS)
        return [record for records in fetched.values() for record in records]


@contextlib.asynccontextmanager
async def partition_reader(
    client: Mapping[str, Any],
    *,
    start_s: float = START_S,
    fetch_wait_ms: int = FETCH_WAIT_MS,
    max_partition_fetch_bytes: int = 1_048_576,
) -> AsyncIterator[PartitionReader]:
    """A started reader. Raises KafkaError, TimeoutError."""
    consumer = AIOKafkaConsumer(
        **client,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        fetch_max_wait_ms=fetch_wait_ms,
        max_partition_fetch_bytes=max_partition_fetch_bytes,
    )
    try:
        async with asyncio.timeout(start_s):
            await consumer.start()
        yield PartitionReader(consumer)
    finally:
        await stop_consumer(consumer)
