"""Gathers the records of a partition into batches: one that Kafka has been sent, and one that fills in the meantime.

A record on an idle partition opens a batch, which leaves as soon as `linger` allows; those that come while a request
is in flight leave together when it is answered. So a batch costs one request's share and one future of aiokafka's,
however many records are in it.

Invariants:
- A record is answered once: with the acknowledgement or the failure of its batch, or at its own deadline.
- A batch that fails fails its own records only.
- A batch with a record that was answered late takes no further record.
- A batch that waits is dropped when its last record was answered late. One that aiokafka holds can't be withdrawn: it
  takes its room until aiokafka has answered for it.
It never sends, retries, or decides what an error means.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from aiokafka.errors import MessageSizeTooLargeError

from stripeline.contracts.deliveries.delivery_vocabulary import NotTakenReason
from stripeline.contracts.topics import RECORD_MAX_BYTES
from stripeline.ingest.kafka.aiokafka_internals import DeferredBatch
from stripeline.ingest.kafka.partition_health import FailedBatch
from stripeline.ingest.kafka.room import Share
from stripeline.ingest.publish_result import Done, NotTaken, Published
from stripeline.ingest.routing import Publication
from stripeline.ingest.seen_buffer import EventNote

BATCH_BYTES: Final = 256 * 1024
"""The limit of a batch, with the estimated overhead of its records. A larger record is a batch of its own."""

_LATE: Final = NotTaken(NotTakenReason.LATE)


class IncompleteBatchError(Exception):
    """Kafka acknowledged a batch that did not hold its records: this aiokafka does not write them when it should."""


class Batch:
    """Records that go to Kafka in one batch, with the callback, the deadline and the note of each.

    on_late: called when its last record has been answered late.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, on_late: "Callable[[Batch], None]") -> None:
        self.builder = DeferredBatch(BATCH_BYTES)
        self.bytes = 0
        self.notes: list[EventNote | None] = []
        self._loop = loop
        self._on_late = on_late
        self._waiting: list[Done] = []
        self._late_at: list[float] = []
        self._answered = 0
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def late_at(self) -> float:
        """The deadline of its last record: after it nobody waits for the batch."""
        return self._late_at[-1]

    def has_room(self, size: int) -> bool:
        return not self.builder.closed() and not self._answered and self.bytes + size <= BATCH_BYTES

    def add(self, publication: Publication, size: int, late_at: float, done: Done) -> None:
        self.bytes += size
        self.builder.add(publication)
        self.notes.append(publication.note)
        self._waiting.append(done)
        self._late_at.append(late_at)
        if self._timer is None:  # one is enough: the deadlines of a batch are in the order of its records
            self._timer = self._loop.call_at(late_at, self._answer_late)

    def check_size(self) -> None:
        """Raise MessageSizeTooLargeError for a record that the broker would refuse: that spoils its partition."""
        if self.bytes > BATCH_BYTES:  # one large record
            self.builder.write()
            if self.builder.size() > RECORD_MAX_BYTES:
                raise MessageSizeTooLargeError

    def check_written(self) -> None:
        """Raise IncompleteBatchError where aiokafka sent the batch without its records."""
        if not self.builder.is_written:
            raise IncompleteBatchError

    def acknowledged(self, partition: int, first_offset: int) -> None:
        first, waiting = self._close()
        for number, done in enumerate(waiting, first):
            done(Published(partition, first_offset + number))

    def refused(self, outcome: NotTaken) -> None:
        _, waiting = self._close()
        for done in waiting:
            done(outcome)

    def _close(self) -> tuple[int, Sequence[Done]]:
        """The callbacks that were not called yet, and the number of the first one's record."""
        if self._timer is not None:
            self._timer.cancel()
        first, self._answered = self._answered, len(self._waiting)
        return first, self._waiting[first:]

    def _answer_late(self) -> None:
        """Answer the records whose deadline is over, and wait for the next deadline."""
        now = self._loop.time()
        while self._answered < len(self._waiting) and self._late_at[self._answered] <= now:
            done = self._waiting[self._answered]
            self._answered += 1
            done(_LATE)
        if self._answered < len(self._waiting):
            self._timer = self._loop.call_at(self._late_at[self._answered], self._answer_late)
        else:
            self._timer = None
            self._on_late(self)


class PartitionBatches:
    """The batches of one partition in their order, at most one of them in flight, as aiokafka allows.

    gone: called with the records of each batch that is answered and forgotten.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, topic: str, number: int, share: Share, gone: Callable[[int], None]
    ) -> None:
        self.topic, self.number, self.share = topic, number, share
        self.in_flight: Batch | None = None
        self.sent_s = 0.0  # when the batch in flight was taken out
        self.failed: FailedBatch | None = None
        self.failing_since_s: float | None = None
        self._loop, self._gone = loop, gone
        self._waiting: deque[Batch] = deque()

    @property
    def idle(self) -> bool:
        return self.in_flight is None and not self._waiting

    @property
    def waiting(self) -> bool:
        return bool(self._waiting)

    def add(self, publication: Publication, size: int, late_at: float, done: Done) -> Batch:
        """Put a record into the last batch, which aiokafka may hold already, or into a new one behind it.

        Its room was taken by the caller.
        """
        last = self._waiting[-1] if self._waiting else self.in_flight
        if last is None or not last.has_room(size):
            last = Batch(self._loop, self._drop)
            self._waiting.append(last)
        last.add(publication, size, late_at, done)
        return last

    def next(self) -> Batch | None:
        """The next batch, in flight from now on; None where all were refused in the meantime."""
        self.in_flight = self._waiting.popleft() if self._waiting else None
        self.sent_s = self._loop.time()
        return self.in_flight

    def answered(self) -> None:
        """The batch in flight is acknowledged or has failed: its room is free."""
        batch, self.in_flight = self.in_flight, None
        if batch is not None:
            self._forget(batch)

    def refuse_all(self, outcome: NotTaken) -> None:
        batches = (*([self.in_flight] if self.in_flight else ()), *self._waiting)
        self.in_flight = None
        self._waiting.clear()
        for batch in batches:
            self._forget(batch)
            batch.refused(outcome)

    def _drop(self, batch: Batch) -> None:
        """Forget a batch that nobody waits for, unless aiokafka has it."""
        if batch is not self.in_flight and batch in self._waiting:
            self._waiting.remove(batch)
            self._forget(batch)

    def _forget(self, batch: Batch) -> None:
        self.share.give_back(batch.bytes)
        self._gone(len(batch))
