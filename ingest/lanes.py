"""Gathers the records of a partition into batches: one on its way to Kafka, and one that fills in the meantime.

Batches form by themselves: a record that finds its partition idle leaves in the next turn of the event loop, and those
that come while a batch is on its way leave together when it is acknowledged. So a batch costs one produce request's
share and one future of aiokafka's, however many records are in it.

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

from contracts.topics import RECORD_MAX_BYTES
from ingest.outcome import Done, NotTaken, Published, Reason
from ingest.routing import Publication

Judge = Callable[[Exception], NotTaken]
"""What an error means for the records of a batch."""

BATCH_BYTES: Final = 256 * 1024
"""What a batch may grow to, a record's estimated overhead included. A larger record is a batch of its own."""

_LATE: Final = NotTaken(Reason.LATE)
_AWAY: Final = NotTaken(Reason.AWAY)


class Owner(Protocol):
    """Whose producer it is that the lanes fill, and who counts what is in flight."""

    producer: Any
    loop: asyncio.AbstractEventLoop

    def left(self, count: int, size: int, *, acknowledged: bool) -> None: ...


class Batch:
    """Records that go to Kafka together, and whose senders are told together."""

    __slots__ = ("_answered", "_late_at", "_loop", "_publications", "_timer", "_waiting", "size")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.size = 0
        self._loop = loop
        self._publications: list[Publication] = []
        self._waiting: list[Done] = []
        self._late_at: list[float] = []
        self._answered = 0
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def has_room(self, size: int) -> bool:
        return self.size + size <= BATCH_BYTES

    def append(self, publication: Publication, size: int, late_at: float, done: Done) -> None:
        self.size += size
        self._publications.append(publication)
        self._waiting.append(done)
        self._late_at.append(late_at)
        if self._timer is None:  # one for all of them: deadlines of a batch come in the order of its records
            self._timer = self._loop.call_at(late_at, self._sweep)

    def fill(self, builder: Any) -> Any:
        """Write the records into aiokafka's batch: all at once, when they leave, so that its buffer grows in one go.

        Raises MessageSizeTooLargeError for a record, alone in its batch, that the broker would refuse.
        """
        for one in self._publications:
            headers = list(one.headers)  # aiokafka takes nothing but a list
            taken = builder.append(timestamp=one.timestamp_ms, key=one.key, value=one.value, headers=headers)
            if taken is None:
                raise AssertionError("a producer's batches are smaller than BATCH_BYTES")
        self._publications.clear()
        if builder.size() > RECORD_MAX_BYTES:
            raise MessageSizeTooLargeError
        return builder

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
        if not (self._waiting and self._waiting[-1].has_room(size)):
            self._waiting.append(Batch(self._owner.loop))
        if self._task is None:
            self._task = self._owner.loop.create_task(self._run(), name="ingest-lane")
        self._waiting[-1].append(publication, size, late_at, done)

    def abandon(self) -> None:
        """Answer whoever waits, since the producer is gone."""
        for batch in (*([self._under_way] if self._under_way else ()), *self._waiting):
            batch.refused(_AWAY)
        self._waiting.clear()
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        while self._waiting:
            batch = self._under_way = self._waiting.popleft()
            await self._deliver(batch)
        self._under_way = self._task = None

    async def _deliver(self, batch: Batch) -> None:
        try:
            record = await (await self._queued(batch))
        except Exception as error:  # noqa: BLE001  whatever it is, Kafka has not said that it has the batch
            self._left(batch)
            batch.refused(self._judge(error))
        else:
            self._left(batch, acknowledged=True)
            batch.acknowledged(self._partition, record.offset)

    async def _queued(self, batch: Batch) -> "Future[Any]":
        """Hand the batch to aiokafka. Until then it may be given up, and is when its last record's time is up."""
        if batch.late_at <= self._owner.loop.time():  # it waited too long behind others
            raise TimeoutError
        producer = self._owner.producer
        builder = batch.fill(producer.create_batch())
        async with asyncio.timeout_at(batch.late_at):
            delivery: Future[Any] = await producer.send_batch(builder, self._topic, partition=self._partition)
        return delivery

    def _left(self, batch: Batch, *, acknowledged: bool = False) -> None:
        self._owner.left(len(batch), batch.size, acknowledged=acknowledged)
