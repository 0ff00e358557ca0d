"""One producer and all that is in flight on it: the batches of each partition, and their share of the room.

    publish ─► room ─► partition ─► batch ─► linger ─► aiokafka ─► Published, or NotTaken

Invariants:
- `Published` only after acks=all for a batch that held its records.
- A partition has one batch at most with aiokafka, and hands none over while no broker leads it: what aiokafka has can't
  be withdrawn, while what waits here is dropped at its deadline.
- What fails or waits on one partition changes nothing for the others.
- A record takes room from `publish` until it is dropped, or aiokafka has answered for its batch.
- A session that is abandoned answers everything that waits, and is forgotten with it.
"""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from aiokafka.errors import UnknownTopicOrPartitionError

from stripeline.contracts.deliveries.delivery_vocabulary import NotTakenReason
from stripeline.contracts.deliveries.partitioner import partition_of
from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import LogEvent
from stripeline.ingest.kafka.aiokafka_internals import has_leader
from stripeline.ingest.kafka.batches import BATCH_BYTES, Batch, PartitionBatches
from stripeline.ingest.kafka.partition_health import FailedBatch, Unavailable, why_it_takes_none
from stripeline.ingest.kafka.publish_errors import ADVICE, reason_of
from stripeline.ingest.kafka.room import RECORD_OVERHEAD_BYTES, ROOM_BYTES, Room
from stripeline.ingest.limited_log import LimitedLog
from stripeline.ingest.linger import Linger
from stripeline.ingest.publish_result import Done, NotTaken
from stripeline.ingest.routing import Publication
from stripeline.ingest.seen_buffer import EventNote

NARROW_AFTER_DEADLINES: Final = 2
"""How many deadlines a partition may take nothing before it holds a batch or so at most: each record that waits for
it holds a connection of Stripe's open."""

LINGER_S: Final = 0.003
"""A produce request costs about 200 µs of CPU here and some at the broker, whatever is in it: more than a few records.
Kafka's own clients let every batch wait for 5 ms: https://cwiki.apache.org/confluence/display/KAFKA/KIP-1030"""
ENOUGH_RECORDS: Final = 16
"""So many records of 4 kB share a request's cost well."""

Seen = Callable[[str, int, int, Sequence[EventNote | None]], None]
"""Called with each batch that Kafka has: its topic, its partition, its first offset, the notes of its records."""

_FULL: Final = NotTaken(NotTakenReason.FULL)
_UNAVAILABLE: Final = NotTaken(NotTakenReason.UNAVAILABLE)


def not_noted(_topic: str, _partition: int, _first_offset: int, _notes: Sequence[EventNote | None]) -> None:
    """For a publisher whose events are not noted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InFlightBounds:
    """How long a record may wait for Kafka, and how much may wait at a time."""

    deadline_s: float = 5.0
    bytes: int = ROOM_BYTES


class ProducerSession:
    """One started producer. It sets `stirred` when its supervisor should look: `broken`, or leaders are missing."""

    def __init__(
        self, producer: Any, topics: Topics, deadline_s: float, room: Room, log: LimitedLog, *,
        partitions: int | None = None, seen: Seen = not_noted,
    ) -> None:  # fmt: skip
        self.producer = producer
        self.stirred = asyncio.Event()
        self.broken = False
        self.records = 0
        self.acknowledged_s = 0.0
        self.unavailable: Unavailable = {}
        self._loop = asyncio.get_running_loop()
        self._topics, self._deadline_s, self._room, self._log = topics, deadline_s, room, log
        self._count, self._seen = partitions, seen
        self._linger = Linger(self._loop, LINGER_S, ENOUGH_RECORDS)
        self._partitions: dict[str, Sequence[PartitionBatches]] = {}
        self._leaderless: set[PartitionBatches] = set()
        self._lookups: set[asyncio.Task[None]] = set()
        self._deliveries: set[asyncio.Task[None]] = set()
        self._empty: asyncio.Future[None] | None = None

    def publish(self, publication: Publication, done: Done) -> None:
        """Write one record; `done` gets the result within the deadline."""
        size = len(publication.value) + len(publication.key) + RECORD_OVERHEAD_BYTES
        late_at = self._loop.time() + self._deadline_s
        partitions = self._partitions.get(publication.topic)
        if partitions is None:
            lookup = self._publish_to_new_topic(publication, size, late_at, done)
            _keep(self._lookups, lookup, "ingest topic lookup")
            return
        self._add(partitions, publication, size, late_at, done)

    def learn(self, topic: str, there: int) -> Sequence[PartitionBatches]:
        """Know the partitions of a topic that has so many. Raises UnknownTopicOrPartitionError where some are missing.

        Keys stay where they are when a topic gets more than its prefix has.
        """
        family = topic.removeprefix(self._topics.prefix)
        return self._partitions.setdefault(family, [
            PartitionBatches(self._loop, topic, number, self._room.share(family, number), self._gone)
            for number in _numbers(topic, there, self._count)
        ])  # fmt: skip

    @property
    def leaderless(self) -> bool:
        """Whether records wait for a partition that no broker leads."""
        return bool(self._leaderless)

    def check(self) -> None:
        """Look at all partitions: which take nothing, and which of those that waited for a leader have one."""
        now = self._loop.time()
        found: dict[tuple[str, int], str] = {}
        for partition in self._all():
            why = self._why_it_takes_none(partition, now)
            if why is None:
                partition.failing_since_s = partition.share.narrowed_to = None
                continue
            found[partition.topic, partition.number] = why
            partition.failing_since_s = partition.failing_since_s or now
            if now - partition.failing_since_s >= NARROW_AFTER_DEADLINES * self._deadline_s:
                partition.share.narrowed_to = BATCH_BYTES
        self.unavailable = found
        self._resume()

    @property
    def takes_nothing(self) -> bool:
        """Whether every partition that is known takes nothing."""
        return bool(self.unavailable) and len(self.unavailable) == sum(map(len, self._partitions.values()))

    async def drained(self, within_s: float) -> None:
        """Wait until nothing is in flight, at most `within_s`."""
        if self.records:
            self._empty = self._loop.create_future()
            await asyncio.wait((self._empty,), timeout=within_s)

    def abandon(self) -> None:
        """Answer everything that waits, since the producer is given up."""
        for partition in self._all():
            partition.refuse_all(NotTaken(NotTakenReason.AWAY))
        for delivery in self._deliveries:
            delivery.cancel()

    def stalled_s(self) -> float:
        """How long the oldest batch has been with aiokafka, where nothing was acknowledged since."""
        sent = [partition.sent_s for partition in self._all() if partition.in_flight is not None]
        return self._loop.time() - max(min(sent), self.acknowledged_s) if sent else 0.0

    def _all(self) -> Iterator[PartitionBatches]:
        for partitions in self._partitions.values():
            yield from partitions

    def _why_it_takes_none(self, partition: PartitionBatches, now: float) -> str | None:
        led = has_leader(self.producer, partition.topic, partition.number)
        if not led:
            partition.failed = None  # a new leader begins without it
        return why_it_takes_none(
            led=led,
            unanswered_s=0.0 if partition.in_flight is None else now - partition.sent_s,
            failed=partition.failed,
            now_s=now,
            deadline_s=self._deadline_s,
        )

    async def _publish_to_new_topic(self, publication: Publication, size: int, late_at: float, done: Done) -> None:
        """Learn a topic's partitions first. Until then the record is in the share of the topic."""
        topic, share = self._topics.event(publication.topic), self._room.share(publication.topic, None)
        if not share.take(size):
            done(_FULL)
            return
        self.records += 1
        try:
            async with asyncio.timeout_at(late_at):
                there: Collection[int] = await self.producer.partitions_for(topic)
            partitions = self.learn(topic, len(there))
        except Exception as error:  # noqa: BLE001  whatever it is, Kafka does not have the record
            share.give_back(size)
            self._gone(1)
            done(self._not_taken(topic, error))
            return
        share.give_back(size)
        self._gone(1)
        self._add(partitions, publication, size, late_at, done)

    def _add(
        self, partitions: Sequence[PartitionBatches], publication: Publication, size: int, late_at: float, done: Done
    ) -> None:
        partition = partitions[partition_of(publication.key, len(partitions))]
        if not partition.share.take(size):
            done(_FULL if partition.share.narrowed_to is None else _UNAVAILABLE)
            return
        self.records += 1
        was_idle = partition.idle
        batch = partition.add(publication, size, late_at, done)
        if was_idle:
            self._linger.schedule(partial(self._send, partition))
        if batch is not partition.in_flight:
            self._linger.count()

    def _send(self, partition: PartitionBatches) -> None:
        if partition.in_flight is not None:
            return
        if not has_leader(self.producer, partition.topic, partition.number):
            self._leaderless.add(partition)
            self.stirred.set()
            return
        batch = partition.next()
        if batch is not None:
            _keep(self._deliveries, self._deliver(partition, batch), "ingest delivery")

    def _resume(self) -> None:
        """Send what waited for a leader that is there now."""
        for partition in tuple(self._leaderless):
            led = has_leader(self.producer, partition.topic, partition.number)
            if led or not partition.waiting:
                self._leaderless.discard(partition)
                self._linger.schedule(partial(self._send, partition))

    async def _deliver(self, partition: PartitionBatches, batch: Batch) -> None:
        try:
            record = await (await self._handed_over(partition, batch))
            batch.check_written()
        except Exception as error:  # noqa: BLE001  whatever it is, Kafka has not said that it has the batch
            partition.answered()
            refused = self._not_taken(partition.topic, error, partition.number)
            if refused.reason is not NotTakenReason.TOO_LARGE:  # which says nothing about the partition
                partition.failed = FailedBatch(self._loop.time(), refused.reason, type(error).__name__)
            batch.refused(refused)
        else:
            self.acknowledged_s = self._loop.time()
            partition.failed = partition.share.narrowed_to = None
            partition.answered()
            batch.acknowledged(partition.number, record.offset)
            self._seen(partition.topic, partition.number, record.offset, batch.notes)
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

    def _gone(self, records: int) -> None:
        self.records -= records
        if self.records == 0 and self._empty is not None and not self._empty.done():
            self._empty.set_result(None)

    def _not_taken(self, topic: str, error: Exception, partition: int | None = None) -> NotTaken:
        """The result for the records of one batch; an error that the producer does not survive breaks the session."""
        reason = reason_of(error)
        if reason is NotTakenReason.FAILED:
            self.broken = True
            self.stirred.set()
        name, advice = type(error).__name__, ADVICE[reason]
        self._log.error(
            LogEvent.RECORD_NOT_TAKEN, reason,
            topic=topic, partition=partition, error=name, reason=reason, advice=advice,
        )  # fmt: skip
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
