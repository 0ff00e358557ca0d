"""Reads a member's input partitions, and delivers the records to its open tasks. Decides nothing about a record.

What can't be read holds its own partition only (`isolation` finds it, `holds` keeps it). A read of several partitions
that fails drops what it had already taken of the others: they are read again from where their tasks are.
"""

import asyncio
import contextlib
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import (
    CorruptRecordException,
    IllegalStateError,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
    TopicAuthorizationFailedError,
    UnsupportedCodecError,
)
from aiokafka.structs import TopicPartition

from stripeline.workers.kafka.aiokafka_internals import look_every, set_fetch_wait
from stripeline.workers.kafka.broker_clock import BrokerClock
from stripeline.workers.kafka.consumer import IDLE_POLL_MS, POLL_MS
from stripeline.workers.kafka.partition_reader import IDLE_FETCH_WAIT_MS
from stripeline.workers.kafka.task import Task
from stripeline.workers.kafka.unread.held_inputs import HeldInputs
from stripeline.workers.kafka.unread.losses import lost_gap, tell_truncated
from stripeline.workers.task.idle_reads import IdleReads
from stripeline.workers.task.isolation import Ask, Isolation
from stripeline.workers.task.stalled_reads import StalledReads
from stripeline.workers.task.watermark import Watermark

_READ_RECORDS: Final = 500
_READ_S: Final = 1.0
_SEEK_S: Final = 5.0
_STALLS_EVERY_S: Final = 5.0
_ANSWERED_MS: Final = 5_000
_PAUSE_S: Final = POLL_MS / 1000 / 10
_LOOK_S: Final = 0.2  # aiokafka's own
_IDLE_LOOK_S: Final = 3.0  # the answer of each fetch makes it look, once a second
_OF_A_PARTITION: Final = (
    CorruptRecordException,
    UnsupportedCodecError,
    OffsetOutOfRangeError,
    NoOffsetForPartitionError,
    TopicAuthorizationFailedError,
)
"""Kafka's errors that a read raises for one of its partitions. All others are the membership's."""


class Polling:
    """The reads of one membership. `tasks` is the worker's own mapping, which changes with each assignment."""

    def __init__(
        self, consumer: AIOKafkaConsumer, tasks: Mapping[int, Task[Any]], held: HeldInputs, clock: BrokerClock
    ) -> None:
        self._consumer, self._tasks, self._held, self._clock = consumer, tasks, held, clock
        self._isolation: Isolation[TopicPartition] = Isolation()
        self._stalls: StalledReads[TopicPartition] = StalledReads()
        self._idle, self._is_idle = IdleReads(), False
        self._fetched_ms: dict[TopicPartition, int | None] = {}  # the last successful fetch of what was denied since
        self._stalls_at_s = time.monotonic() + _STALLS_EVERY_S

    async def once(self) -> None:
        """Read what the tasks have room for. Returns in bounded time; raises KafkaError."""
        wanted = [tp for task in self._tasks.values() for tp in task.wanted()]
        now_s = time.monotonic()
        if len(self._held) and self._tasks:
            wanted = self._to_read(wanted, now_s)
        takes_all = bool(wanted) and len(wanted) == sum(len(task.inputs) for task in self._tasks.values())
        self._rest(idle=self._idle.look(now_s, takes_all=takes_all))
        if now_s >= self._stalls_at_s and wanted:
            self._stalls_at_s = now_s + _STALLS_EVERY_S
            await self._examine_stalled(wanted, now_s)
        if not wanted and self._tasks:
            await asyncio.sleep(_PAUSE_S)  # everything is full, held, or being restored
            return
        together = False
        for ask in (*self._isolation.asks(wanted, now_s),) or (Ask(()),):
            together = together or ask.together
            try:
                await (self._read(ask) if not ask.by_record else self._read_by_record(ask.partitions[0]))
            except Exception as error:  # each codec's library has its own
                if isinstance(error, KafkaError) and not isinstance(error, _OF_A_PARTITION):
                    raise
                await self._failed(ask, error)
        if not together:
            await asyncio.sleep(_PAUSE_S)

    async def _examine_stalled(self, wanted: Sequence[TopicPartition], now_s: float) -> None:
        """Hold a partition that brings nothing though there is more: its broker can't read it. One at a time."""
        reads: dict[TopicPartition, tuple[int, int | None]] = {}
        with contextlib.suppress(KafkaError, TimeoutError):
            async with asyncio.timeout(_READ_S):
                for tp in wanted:
                    reads[tp] = (await self._consumer.position(tp), self._consumer.last_stable_offset(tp))
        answers_ms = max((self._consumer.last_poll_timestamp(tp) or 0 for tp in reads), default=0)
        if time.time() * 1000 - answers_ms > _ANSWERED_MS:
            return  # Kafka is away
        for tp in self._stalls.look(now_s, reads)[:1]:
            task = self._open_task(tp)
            if task is not None:
                await self._held.examine(tp, task.inputs[tp].read_to, None)

    def _to_read(self, wanted: Sequence[TopicPartition], now_s: float) -> list[TopicPartition]:
        """Without those that are held. One that is looked at again is read record by record."""
        found = []
        for tp in wanted:
            task = self._open_task(tp)
            if task is None or self._goes_past(task, tp) or self._held.keeps(tp, task.inputs[tp].read_to, now_s):
                continue
            if tp in self._held:
                self._isolation.watch(tp, now_s)
            found.append(tp)
        return found

    async def _read(self, ask: Ask[TopicPartition]) -> None:
        wait_ms = 0 if not ask.together else IDLE_POLL_MS if self._is_idle else POLL_MS
        try:
            # While a group is joined this waits for the broker's answer, whatever its timeout: longer than a stop may.
            async with asyncio.timeout(_READ_S):
                # Without tasks this only keeps the membership alive: a member that never polls can't join again.
                read = await self._consumer.getmany(*ask.partitions, timeout_ms=wait_ms, max_records=_READ_RECORDS)
        except TimeoutError:
            return
        if read:  # before the consumer sends its next fetch, which leaves these partitions out
            self._idle.got_records()
            self._rest(idle=False)
        for tp, records in read.items():
            if (task := self._open_task(tp)) is not None:
                task.deliver(tp, records, records[-1].offset + 1)
        if not read:
            await self._note_positions(ask.partitions)

    def _rest(self, *, idle: bool) -> None:
        if idle != self._is_idle:
            self._is_idle = idle
            set_fetch_wait(self._consumer, IDLE_FETCH_WAIT_MS if idle else POLL_MS)
            look_every(self._consumer, _IDLE_LOOK_S if idle else _LOOK_S)

    async def _read_by_record(self, tp: TopicPartition) -> None:
        """What is before the failure counts, record by record."""
        for _ in range(_READ_RECORDS):
            read = await self._consumer.getmany(tp, timeout_ms=0, max_records=1)
            task = self._open_task(tp)
            if task is None:
                return
            if not read:
                self._end_denial(tp)
                return
            task.deliver(tp, read[tp], read[tp][-1].offset + 1)
            self._held.goes_on(tp)

    def _end_denial(self, tp: TopicPartition) -> None:
        """A partition without records goes on once a fetch of it has succeeded."""
        if self._held.is_denied(tp) and self._consumer.last_poll_timestamp(tp) != self._fetched_ms.get(tp):
            self._held.goes_on(tp)

    async def _failed(self, ask: Ask[TopicPartition], error: Exception) -> None:
        """Find the partition that a read failed at, and hold it. Raises what is no partition's."""
        if isinstance(error, OffsetOutOfRangeError):  # it names its partition, and drops nothing of the others
            for gone in error.args[0]:
                await self._out_of_range(gone)
            return
        if isinstance(error, NoOffsetForPartitionError) or not ask.partitions:
            if not isinstance(error, _OF_A_PARTITION):
                raise error
            await asyncio.sleep(_PAUSE_S)  # nobody works on it yet: its task seeks before it reads
            return
        for tp in ask.partitions:
            self._go_back(tp)
        one = self._isolation.failed(ask, time.monotonic())
        if one is None or (task := self._open_task(one)) is None:
            return
        if not await self._held.examine(one, task.inputs[one].read_to, error):
            raise KafkaError(f"{one.topic}-{one.partition} was not read: {type(error).__name__}") from error
        self._fetched_ms[one] = self._consumer.last_poll_timestamp(one)
        self._goes_past(task, one)

    def _goes_past(self, task: Task[Any], tp: TopicPartition) -> bool:
        """Go on behind a held batch that a person skipped, or whose records an earlier owner finished."""
        source = task.inputs[tp]
        past = self._held.past(tp, source.read_to, source.watermark.ranges(), task.role.dead_letters)
        if past is None or not task.open:
            return False
        self._held.end(tp)
        task.deliver(tp, [] if past.gap is None else [past.gap], past.position)
        self._go_back(tp)
        return True

    async def _out_of_range(self, tp: TopicPartition) -> None:
        """The next record is gone: removed by retention, or the log ends before it."""
        first: int | None = None
        with contextlib.suppress(KafkaError, TimeoutError):  # the next read raises again
            async with asyncio.timeout(_SEEK_S):
                first = (await self._consumer.beginning_offsets([tp]))[tp]
        task = self._open_task(tp)
        if first is None or task is None:
            return
        source = task.inputs[tp]
        if first <= source.read_to:
            tell_truncated(tp, source.read_to, first)
            if source.buffer or source.watermark.unfinished:
                raise KafkaError(f"{tp.topic}-{tp.partition} ends before what was read of it")
            source.begin(Watermark(first, mark=source.watermark.mark), first, source.end_at_start)
        else:
            finished, now_ms = source.watermark.ranges(), self._clock.now_ms()
            gap = lost_gap(tp, source.read_to, first, finished, dead_letters=task.role.dead_letters, now_ms=now_ms)
            task.deliver(tp, [] if gap is None else [gap], first)
        self._go_back(tp)

    def _go_back(self, tp: TopicPartition) -> None:
        """To where the task is; the consumer then drops what it has fetched of the partition."""
        task = self._open_task(tp)
        if task is not None:
            with contextlib.suppress(IllegalStateError):  # revoked meanwhile
                self._consumer.seek(tp, task.inputs[tp].read_to)

    async def _note_positions(self, idle: Iterable[TopicPartition]) -> None:
        """Offsets without records (transaction markers) move the position too: lag is 0 when all is read."""
        assigned = self._consumer.assignment()
        idle = [tp for tp in idle if tp in assigned and self._may_have_moved(tp)]
        with contextlib.suppress(KafkaError, TimeoutError):
            async with asyncio.timeout(_READ_S):
                for tp in idle:
                    task = self._open_task(tp)
                    if task is not None:
                        position = await self._consumer.position(tp)
                        if self._tasks.get(tp.partition) is task:
                            task.deliver(tp, [], position)

    def _may_have_moved(self, tp: TopicPartition) -> bool:
        """Whether its task is before the end of what was read. Without a high watermark no fetch has succeeded yet.

        By what was taken: a position that came while records waited in the buffer moved nothing.
        """
        end, task = self._consumer.highwater(tp), self._open_task(tp)
        if end is None or task is None:
            return False
        source = task.inputs[tp]
        return not source.was_read or source.watermark.next < end

    def _open_task(self, tp: TopicPartition) -> Task[Any] | None:
        task = self._tasks.get(tp.partition)
        return task if task is not None and task.open else None
