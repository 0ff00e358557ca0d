"""Reads partitions without a consumer group, so that nobody's committed offsets move.

The one place that opens such a consumer: the control table, restores, the command line and the demo read through it.
Committed records only: what an aborted transaction wrote never happened. Every start, stop and silence of Kafka is
bounded; how long a read may take is its caller's decision, unless it says `silent_s`.

A partition has two ends. The log's end is behind everything that was appended. The last stable offset is where the
first open transaction begins; nothing can be read beyond it, so whoever needs all of it compares the two.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final, Literal

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError, KafkaTimeoutError

from stripeline.workers.kafka.aiokafka_internals import look_every, read_bare_records
from stripeline.workers.kafka.client_start import start_within
from stripeline.workers.kafka.consumer import stop_consumer
from stripeline.workers.kafka.unread.unreadable_batch import explained
from stripeline.workers.kafka.watch.sign_of_life import SILENT_S, SignOfLife
from stripeline.workers.task.restore_progress import Standing, standing

START_S: Final = 30.0
FETCH_WAIT_MS: Final = 50
"""A fetch that waits at the broker for records delays every other request of its connection."""
IDLE_FETCH_WAIT_MS: Final = 1_000
"""For idle members: one fetch a second while nothing comes."""
FOLLOW_WAIT_MS: Final = 3_000
"""For those that follow without an end and ask nothing else on their connection. A record ends the wait."""

_POLL_MS: Final = 500
_LOOK_EVERY_S: Final = 0.2
_MAX_RECORDS: Final = 5_000
Offsets = Mapping[TopicPartition, int]


class PartitionReader:
    """An open consumer without a group. It reads what `seek` names last."""

    def __init__(
        self, consumer: AIOKafkaConsumer, life: SignOfLife | None = None, client: Mapping[str, Any] | None = None
    ) -> None:
        self._consumer, self._life, self._client = consumer, life or SignOfLife(), client or {}

    async def topics(self) -> Collection[str]:
        """The topics that exist. A topic that is asked for by name is waited for, or created by a careless broker."""
        found: Collection[str] = await self._consumer.topics()
        return found

    async def first_offsets(self, partitions: Sequence[TopicPartition]) -> Offsets:
        return await self._asked(self._consumer.beginning_offsets, partitions)

    async def end_offsets(self, partitions: Sequence[TopicPartition]) -> Offsets:
        """Where the partitions end now: their last stable offsets, which an open transaction holds back."""
        return await self._asked(self._consumer.end_offsets, partitions)

    @staticmethod
    async def _asked(
        question: Callable[[Sequence[TopicPartition]], Awaitable[Offsets]], partitions: Sequence[TopicPartition]
    ) -> Offsets:
        """Aiokafka gives up after one request timeout; a partition whose leader moves has none for longer."""
        async with asyncio.timeout(START_S):
            while True:
                with contextlib.suppress(KafkaTimeoutError):
                    return await question(partitions)

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

    def go_to(self, offsets: Offsets) -> None:
        """Of the partitions that are read, go on with these from these offsets."""
        for tp, offset in offsets.items():
            self._consumer.seek(tp, offset)

    async def position(self, tp: TopicPartition) -> int:
        """The next offset that is read."""
        return (await self.positions([tp]))[tp]

    async def positions(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """The next offsets that are read."""
        async with asyncio.timeout(SILENT_S):  # aiokafka waits for a reset, and has no bound of its own
            return {tp: await self._consumer.position(tp) for tp in partitions}

    def last_stable_offset(self, tp: TopicPartition) -> int | None:
        """As of the last fetch; None before the first."""
        found: int | None = self._consumer.last_stable_offset(tp)
        return found

    def log_end(self, tp: TopicPartition) -> int | None:
        """As of the last fetch; None before the first."""
        found: int | None = self._consumer.highwater(tp)
        return found

    async def read_to(
        self, ends: Offsets, *, silent_s: float | None = None
    ) -> AsyncGenerator[Sequence[ConsumerRecord], None]:
        """The records up to the ends, a fetch at a time; the last one may go beyond an end.

        Raises TimeoutError when no record came for `silent_s`, and when Kafka does not answer.
        """
        loop = asyncio.get_running_loop()
        heard_s = loop.time()
        while behind := [tp for tp, at in (await self.positions(ends)).items() if at < ends[tp]]:
            if records := await self.poll(*behind):
                heard_s = loop.time()
                yield records
            elif silent_s is not None and loop.time() - heard_s >= silent_s:
                raise TimeoutError

    async def record_at(self, tp: TopicPartition, offset: int, *, silent_s: float) -> ConsumerRecord | None:
        """The record of an offset; None where it was compacted away, or can't be read for `silent_s`."""
        self.seek({tp: offset})
        with contextlib.suppress(TimeoutError):
            async with contextlib.aclosing(self.read_to({tp: offset + 1}, silent_s=silent_s)) as read:
                async for records in read:
                    return next((record for record in records if record.offset == offset), None)
        return None

    async def read_stable(
        self, tp: TopicPartition, end: int, take: Callable[[Sequence[ConsumerRecord], int], None]
    ) -> Standing:
        """Read up to `end`, or as far as can be read now. `take` gets the records and the position after them.

        Raises TimeoutError when Kafka does not answer.
        """
        position, moved_s = await self.position(tp), time.monotonic()
        while (
            reached := standing(
                position=position, end=end, last_stable=self.last_stable_offset(tp), idle_s=time.monotonic() - moved_s
            )
        ) is Standing.READING:
            records, before = await self.poll(), position
            position = await self.position(tp)
            if position != before:
                moved_s = time.monotonic()
                take(records, position)
        return reached

    async def more_is_stable(self, tp: TopicPartition, held_at: int) -> None:
        """Wait until the transaction that is open at an offset ends. Raises TimeoutError when Kafka does not answer."""
        while self.last_stable_offset(tp) == held_at:
            await self.idle(_LOOK_EVERY_S)

    async def poll(self, *partitions: TopicPartition) -> Sequence[ConsumerRecord]:
        """The next records, none where nothing came within half a second. Raises TimeoutError when Kafka is silent.

        The reader is of no use then: aiokafka does not ask the bootstrap list again. Raises UnreadableBatchError with
        the place where a batch can't be read.
        """
        try:
            found = await self.take(*partitions)
        except Exception as error:  # each codec's library has its own
            raise await self._explained(error, partitions) from error
        self._require_life()
        return found

    async def take(
        self, *partitions: TopicPartition, wait_ms: int = _POLL_MS, most: int = _MAX_RECORDS
    ) -> Sequence[ConsumerRecord]:
        """As `poll`, with an error as the library raises it: what a failed read had taken already, it has dropped.

        Says nothing of a Kafka that is silent: `idle` does.
        """
        fetched = await self._consumer.getmany(*partitions, timeout_ms=wait_ms, max_records=most)
        return [record for records in fetched.values() for record in records]

    async def _explained(self, error: Exception, partitions: Collection[TopicPartition]) -> Exception:
        with contextlib.suppress(KafkaError, TimeoutError):
            positions = await self.positions(partitions or self._consumer.assignment())
            return await explained(error, positions, self._client)
        return error

    async def idle(self, seconds: float) -> None:
        """Let the consumer fetch, and take nothing of it. Raises TimeoutError when Kafka is silent."""
        await asyncio.sleep(seconds)
        self._require_life()

    def _require_life(self) -> None:
        self._life.look(self._consumer)
        if self._life.silent_s() >= SILENT_S:
            raise TimeoutError(f"Kafka has not answered for {self._life.silent_s():.0f} s")


@contextlib.asynccontextmanager
async def partition_reader(
    client: Mapping[str, Any],
    *,
    start_s: float = START_S,
    fetch_wait_ms: int = FETCH_WAIT_MS,
    max_partition_fetch_bytes: int = 1_048_576,
    isolation_level: Literal["read_committed", "read_uncommitted"] = "read_committed",
    life: SignOfLife | None = None,
    bare: bool = False,
) -> AsyncIterator[PartitionReader]:
    """A started reader. `life` notes when Kafka answers it. Raises KafkaError, TimeoutError.

    bare: its records have no more than their offset, timestamp, key, value and headers, and take half as long to read.
    """
    consumer = AIOKafkaConsumer(
        **client,
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level=isolation_level,
        fetch_max_wait_ms=fetch_wait_ms,
        max_partition_fetch_bytes=max_partition_fetch_bytes,
    )
    try:
        await start_within(consumer.start(), start_s)
        if bare:
            read_bare_records(consumer)
        if fetch_wait_ms == FOLLOW_WAIT_MS:
            look_every(consumer, FOLLOW_WAIT_MS / 1000)
        life = life or SignOfLife()
        life.heard()
        yield PartitionReader(consumer, life, client)
    finally:
        await stop_consumer(consumer)


async def log_ends(partitions: Sequence[TopicPartition], client: Mapping[str, Any]) -> Offsets:
    """Where the logs of these partitions end now, open transactions included. Raises KafkaError, TimeoutError.

    `end_offsets` of a consumer that reads committed records is the last stable offset, and only a consumer of the
    other isolation level asks for this one. A fetch carries it too, but a leader that was elected a moment ago answers
    a fetch with an end that is too low, and this request with an error.
    """
    async with partition_reader(client, isolation_level="read_uncommitted") as reader:
        return await reader.end_offsets(partitions)
