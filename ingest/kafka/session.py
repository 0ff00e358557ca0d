"""One producer and all that is in flight on it: the batches of each partition, the counters, and their bounds.

    publish ─► bounds ─► partition ─► batch ─► linger ─► aiokafka ─► Published, or NotTaken

Invariants:
- `Published` only after acks=all for a batch that held its records.
- A record counts from `publish` until aiokafka has answered for its batch, also after its own deadline: Kafka may have
  it. Only the session changes its counters.
- A session whose producer is lost answers everything that waits, and is forgotten with it.
"""

import asyncio
from collections.abc import Collection, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from aiokafka.errors import UnknownTopicOrPartitionError

from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import LogEvent, NotTakenReason
from stripeline.ingest.kafka.batches import Batch, PartitionBatches
from stripeline.ingest.kafka.linger import Linger
from stripeline.ingest.kafka.partitioner import partition_of
from stripeline.ingest.kafka.publish_errors import ADVICE, reason_of
from stripeline.ingest.limited_log import LimitedLog
from stripeline.ingest.publish_result import Done, NotTaken
from stripeline.ingest.routing import Publication

RECORD_OVERHEAD_BYTES: Final = 1_000
"""What a record in flight costs beside its key and value at most: headers, futures, bookkeeping."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InFlightBounds:
    """How long a record may wait for Kafka, and how much may wait at a time."""

    deadline_s: float = 5.0
    records: int = 10_000
    bytes: int = 64 * 1024 * 1024


class ProducerSession:
    """One started producer."""

    def __init__(
        self, producer: Any, topics: Topics, bounds: InFlightBounds, log: LimitedLog, *, partitions: int | None = None
    ) -> None:
        self.producer = producer
        self.broken = asyncio.Event()
        self.records = 0
        self.bytes = 0
        self._loop = asyncio.get_running_loop()
        self._topics, self._bounds, self._log, self._count = topics, bounds, log, partitions
        self._linger = Linger(self._loop)
        self._partitions: dict[str, Sequence[PartitionBatches]] = {}
        self._lookups: set[asyncio.Task[None]] = set()
        self._deliveries: set[asyncio.Task[None]] = set()
        self._acknowledged_at = 0.0
        self._empty: asyncio.Future[None] | None = None

    def publish(self, publication: Publication, done: Done) -> None:
        """Write one record; `done` gets the result within the deadline."""
        size = len(publication.value) + len(publication.key) + RECORD_OVERHEAD_BYTES
        if self.records >= self._bounds.records or self.bytes + size > self._bounds.bytes:
            done(NotTaken(NotTakenReason.FULL))
            return
        now = self._loop.time()
        if self.records == 0:
            self._acknowledged_at = now
        self.records += 1
        self.bytes += size
        late_at = now + self._bounds.deadline_s
        partitions = self._partitions.get(publication.topic)
        if partitions is None:
            _keep(self._lookups, self._publish_to_new_topic(publication, size, late_at, done), "ingest topic lookup")
        else:
            self._add(partitions, publication, size, late_at, done)

    async def drained(self, within_s: float) -> None:
        """Wait until nothing is in flight, at most `within_s`."""
        if self.records:
            self._empty = self._loop.create_future()
            await asyncio.wait((self._empty,), timeout=within_s)

    def abandon(self) -> None:
        """Answer everything that waits, since the producer is lost."""
        for partitions in self._partitions.values():
            for partition in partitions:
                partition.refuse_all(NotTaken(NotTakenReason.AWAY))
        for delivery in self._deliveries:
            delivery.cancel()

    def stalled_s(self) -> float:
        """How long records have been in flight without an acknowledgement."""
        return self._loop.time() - self._acknowledged_at if self.records else 0.0

    async def _publish_to_new_topic(self, publication: Publication, size: int, late_at: float, done: Done) -> None:
        """Learn a topic's partitions first. Keys stay where they are when a topic gets more than its prefix has."""
        topic = self._topics.event(publication.topic)
        try:
            async with asyncio.timeout_at(late_at):
                there: Collection[int] = await self.producer.partitions_for(topic)
            numbers = _numbers(topic, len(there), self._count)
        except Exception as error:  # noqa: BLE001  whatever it is, Kafka does not have the record
            self._answered(1, size)
            done(self._not_taken(topic, error))
            return
        partitions = self._partitions.setdefault(
            publication.topic, [PartitionBatches(self._loop, topic, number) for number in numbers]
        )
        self._add(partitions, publication, size, late_at, done)

    def _add(
        self, partitions: Sequence[PartitionBatches], publication: Publication, size: int, late_at: float, done: Done
    ) -> None:
        partition = partitions[partition_of(publication.key, len(partitions))]
        was_idle = partition.idle
        batch = partition.add(publication, size, late_at, done)
        if was_idle:
            self._linger.schedule(partial(self._send, partition))
        if batch is not partition.in_flight:
            self._linger.count_record()

    def _send(self, partition: PartitionBatches) -> None:
        batch = partition.next()
        if batch is not None:
            _keep(self._deliveries, self._deliver(partition, batch), "ingest delivery")

    async def _deliver(self, partition: PartitionBatches, batch: Batch) -> None:
        try:
            record = await (await self._handed_over(partition, batch))
            batch.check_written()
        except Exception as error:  # noqa: BLE001  whatever it is, Kafka has not said that it has the batch
            self._answered(len(batch), batch.bytes)
            batch.refused(self._not_taken(partition.topic, error))
        else:
            self._acknowledged_at = self._loop.time()
            self._answered(len(batch), batch.bytes)
            batch.acknowledged(partition.number, record.offset)
        partition.in_flight = None
        if partition.waiting:
            self._linger.schedule(partial(self._send, partition))

    async def _handed_over(self, partition: PartitionBatches, batch: Batch) -> "asyncio.Future[Any]":
        """Give the batch to aiokafka. Until then it may be given up, and is at the deadline of its last record."""
        if batch.late_at <= self._loop.time():  # it waited too long behind others
            raise TimeoutError
        batch.check_size()
        async with asyncio.timeout_at(batch.late_at):
            delivery: asyncio.Future[Any] = await self.producer.send_batch(
                batch.builder, partition.topic, partition=partition.number
            )
        return delivery

    def _answered(self, records: int, size: int) -> None:
        self.records -= records
        self.bytes -= size
        if self.records == 0 and self._empty is not None and not self._empty.done():
            self._empty.set_result(None)

    def _not_taken(self, topic: str, error: Exception) -> NotTaken:
        """The result for the records of one batch; an error that the producer does not survive ends the session."""
        reason = reason_of(error)
        if reason is NotTakenReason.FAILED:
            self.broken.set()
        name, advice = type(error).__name__, ADVICE[reason]
        self._log.error(LogEvent.RECORD_NOT_TAKEN, reason, topic=topic, error=name, reason=reason, advice=advice)
        return NotTaken(reason)


def _numbers(topic: str, there: int, wanted: int | None) -> range:
    """The partition numbers that keys are spread over. Raises UnknownTopicOrPartitionError where some don't exist."""
    if wanted is not None and there < wanted:
        raise UnknownTopicOrPartitionError(f"{topic} has {there} partitions, not {wanted}")
    return range(there if wanted is None else wanted)


def _keep(tasks: "set[asyncio.Task[None]]", work: "Coroutine[Any, Any, None]", name: str) -> None:
    """Run it as a task that is referenced until it ends: the event loop itself holds none."""
    task = asyncio.create_task(work, name=name)
    tasks.add(task)
    task.add_done_callback(tasks.discard)
