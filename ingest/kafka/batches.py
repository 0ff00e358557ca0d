"""Gathers the records of a partition into batches: one on its way to Kafka, and one that fills in the meantime.

Batches form by themselves: a record that finds its partition and its broker idle leaves as soon as the producer's pace
lets it (`ingest.pace`); those that come while a request is on its way leave together when it is answered. So a batch
costs one produce request's share and one future of aiokafka's, however many records are in it.

Promised: a record is answered once, with Kafka's acks=all for its batch, its batch's failure, or its own deadline,
whichever is first; a batch that fails fails its own records only; a batch nobody waits for any more is not sent.
It never retries, and never decides what an error means.
"""

import asyncio
from asyncio import Future, Task
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from aiokafka.errors import MessageSizeTooLargeError
from aiokafka.producer.message_accumulator import BatchBuilder

from stripeline.contracts.topics import RECORD_MAX_BYTES
from stripeline.contracts.vocabulary import NotTakenReason
from stripeline.ingest.kafka.linger import Pace
from stripeline.ingest.publish_result import Done, NotTaken, Published
from stripeline.ingest.routing import Publication

Judge = Callable[[Exception], NotTaken]
"""What an error means for the records of a batch."""

BATCH_BYTES: Final = 256 * 1024
"""What a batch may grow to, a record's estimated overhead included. A larger record is a batch of its own."""

_LATE: Final = NotTaken(NotTakenReason.LATE)
_AWAY: Final = NotTaken(NotTakenReason.AWAY)


class Owner(Protocol):
    """Whose producer it is that the lanes fill, and who counts what is in flight."""

    producer: Any
    loop: asyncio.AbstractEventLoop
    pace: Pace

    def left(self, count: int, size: int, *, acknowledged: bool) -> None: ...


class Batch(BatchBuilder):  # type: ignore[misc]
    """Records that go to Kafka together, and whose senders are told together.

    It is aiokafka's batch, filled when the sender takes it and not before: what comes while another request is under
    way to the same broker still finds room in it.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(BATCH_BYTES, 0)  # not compressed
        self.bytes = 0
        self._loop = loop
        self._publications: list[Publication] = []
        self._waiting: list[Done] = []
        self._late_at: list[float] = []
        self._answered = 0
        self._timer: asyncio.TimerHandle | None = None

    def has_room(self, size: int) -> bool:
        """Not beside those that were told that it is too late: they would be sent in its company all the same."""
        return not self.closed() and not self._answered and self.bytes + size <= BATCH_BYTES

    def add(self, publication: Publication, size: int, late_at: float, done: Done) -> None:
        self.bytes += size
        self._publications.append(publication)
        self._waiting.append(done)
        self._late_at.append(late_at)
        if self._timer is None:  # one for all of them: deadlines of a batch come in the order of its records
            self._timer = self._loop.call_at(late_at, self._sweep)

    def record_count(self) -> int:
        """Asked by the sender before it takes the batch, too, which is when the sequence number moves on by it."""
        return len(self._waiting)

    def _set_producer_state(self, *state: Any, **named: Any) -> None:
        """The sender takes the batch."""
        self.fill()
        super()._set_producer_state(*state, **named)

    def fill(self) -> None:
        """Write the records, and take no more.

        Raises MessageSizeTooLargeError for a record, alone in its batch, that the broker would refuse.
        """
        for one in self._publications:
            headers = list(one.headers)  # aiokafka takes nothing but a list
            if self.append(timestamp=one.timestamp_ms, key=one.key, value=one.value, headers=headers) is None:
                raise AssertionError("a batch holds less than BATCH_BYTES")
        self._publications.clear()
        self.close()
        if self.size() > RECORD_MAX_BYTES:
            raise MessageSizeTooLargeError

    @property
    def late_at(self) -> float:
        return self._late_at[-1]

    def acknowledged(self, partition: int, first_offset: int) -> None:
        first, waiting = self._close()
        for number, done in enumerate(waiting, first):
            done(Published(partition, first_offset + number))

    def refused(self, outcome: NotTaken) -> None:
        _, waiting = self._close()
        for done in waiting:
            done(outcome)

    def _close(self) -> tuple[int, Sequence[Done]]:
        """Those who wait still, and the place of the first of them. Nobody is told twice."""
        if self._timer is not None:
            self._timer.cancel()
        first, self._answered = self._answered, len(self._waiting)
        return first, self._waiting[first:]

    def _sweep(self) -> None:
        """Tell those whose time is up, and look again when the next one's is."""
        now = self._loop.time()
        while self._answered < len(self._waiting) and self._late_at[self._answered] <= now:
            done = self._waiting[self._answered]
            self._answered += 1
            done(_LATE)
        left = self._answered < len(self._waiting)
        self._timer = self._loop.call_at(self._late_at[self._answered], self._sweep) if left else None


class Lane:
    """One partition's batches, one at a time, in order. aiokafka has one a partition under way, too."""

    def __init__(self, owner: Owner, topic: str, partition: int, judge: Judge) -> None:
        self._owner = owner
        self._topic = topic
        self._partition = partition
        self._judge = judge
        self._waiting: deque[Batch] = deque()
        self._under_way: Batch | None = None
        self._task: Task[None] | None = None

    def add(self, publication: Publication, size: int, late_at: float, done: Done) -> None:
        """Put a record behind those before it."""
        last = self._waiting[-1] if self._waiting else self._under_way
        if last is None or not last.has_room(size):
            last = Batch(self._owner.loop)
            self._waiting.append(last)
            if self._under_way is None and len(self._waiting) == 1:
                self._owner.pace.leave(self._send)
        last.add(publication, size, late_at, done)
        if last is not self._under_way:
            self._owner.pace.one_more()

    def abandon(self) -> None:
        """Answer whoever waits, since the producer is gone."""
        for batch in (*([self._under_way] if self._under_way else ()), *self._waiting):
            batch.refused(_AWAY)
        self._waiting.clear()
        if self._task is not None:
            self._task.cancel()

    def _send(self) -> None:
        if self._waiting:  # nothing does when the producer was given up meanwhile
            self._under_way = self._waiting.popleft()
            self._task = self._owner.loop.create_task(self._deliver(self._under_way), name="ingest-lane")

    async def _deliver(self, batch: Batch) -> None:
        try:
            record = await (await self._queued(batch))
        except Exception as error:  # noqa: BLE001  whatever it is, Kafka has not said that it has the batch
            self._left(batch)
            batch.refused(self._judge(error))
        else:
            self._left(batch, acknowledged=True)
            batch.acknowledged(self._partition, record.offset)
        self._under_way = self._task = None
        if self._waiting:
            self._owner.pace.leave(self._send)

    async def _queued(self, batch: Batch) -> "Future[Any]":
        """Hand the batch to aiokafka. Until then it may be given up, and is when its last record's time is up."""
        if batch.late_at <= self._owner.loop.time():  # it waited too long behind others
            raise TimeoutError
        if batch.bytes > BATCH_BYTES:  # one large record: refused here, and not by the broker
            batch.fill()
        async with asyncio.timeout_at(batch.late_at):
            delivery: Future[Any] = await self._owner.producer.send_batch(batch, self._topic, partition=self._partition)
        return delivery

    def _left(self, batch: Batch, *, acknowledged: bool = False) -> None:
        self._owner.left(batch.record_count(), batch.bytes, acknowledged=acknowledged)
