"""A worker: one member of a role's consumer group, with a task for each partition number that it is assigned.

It opens and closes tasks as Kafka's group protocol says, delivers records to them, and reopens a failed one. It
makes no decision about a record. Kafka's consumer groups are the distributed engine; nothing here elects or shards.
"""

import asyncio
import contextlib
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener
from aiokafka.errors import InvalidProducerEpoch, KafkaError, ProducerFenced
from aiokafka.structs import TopicPartition

from stripeline.contracts.vocabulary import WorkerEvent
from stripeline.workers.kafka.broker_clock import BrokerClock
from stripeline.workers.kafka.consumer import POLL_MS, group_consumer, stop_consumer
from stripeline.workers.kafka.restore import Kept
from stripeline.workers.kafka.task import Task
from stripeline.workers.kafka.transaction import TRANSACTION_TIMEOUT_MS
from stripeline.workers.roles import Role
from stripeline.workers.stripe.call_ages import CallAges
from stripeline.workers.stripe.call_slots import CallSlots
from stripeline.workers.task.counters import Counts
from stripeline.workers.task.decision import TaskState

S = TypeVar("S", bound=TaskState)
log = structlog.get_logger()
_READ_RECORDS = 500
_READ_S = 1.0
_CANCEL_AGAIN_S = 0.5
_REOPEN_AFTER_S = (0.1, 0.5, 2.0, 5.0)
_SEEK_S = 10.0
# A reopened task is not known to be well before its next failure would have shown.
_FAILURE_SHOWS_S = TRANSACTION_TIMEOUT_MS / 1000 + 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """How a worker takes part in its group.

    drain_s: how long a revoked task waits for its calls; the rebalance waits 5 s longer, then goes on without us.
    session_s: after this time without a heartbeat the group gives our partitions to others.
    """

    client: Mapping[str, Any]
    instance_id: str | None = None
    session_s: float = 6.0
    drain_s: float = 10.0
    commit_interval_s: float = 0.04


class Worker(ConsumerRebalanceListener, Generic[S]):  # type: ignore[misc]
    """One process's part in a role."""

    def __init__(self, role: Role[S], membership: Membership, clock: BrokerClock) -> None:
        self.role, self._membership, self.clock = role, membership, clock
        self.tasks: dict[int, Task[S]] = {}
        self.slots, self.call_ages = CallSlots(role.concurrency), CallAges()
        self._owners: dict[int, asyncio.Task[None]] = {}
        self._failed_s: dict[int, float] = {}
        self._kept: dict[int, Kept[S]] = {}
        self._consumer: AIOKafkaConsumer | None = None
        self._member: asyncio.Task[None] | None = None
        self._rejoin = asyncio.Event()
        self.joined = self._leaving = False
        self.polls = 0
        self.trouble: str | None = None  # what the watchdog has seen
        self.counts = Counts()
        self._log = log.bind(role=role.name)

    @property
    def client(self) -> Mapping[str, Any]:
        return self._membership.client

    def missing(self) -> str | None:
        """What keeps the worker from being ready, in words; None when it is."""
        if self.trouble is not None:
            return self.trouble
        if not self.joined:
            return f"the {self.role.name} has not joined its group {self.role.group} yet"
        failing = [number for number, task in self.tasks.items() if task.stuck or self._failed_lately(number)]
        if failing:
            return f"{_partitions(failing)} of the {self.role.name} can't commit; the log says why"
        closed = [number for number, task in self.tasks.items() if not task.open]
        return f"{_partitions(closed)} of the {self.role.name} are being restored" if closed else None

    def end(self, tp: TopicPartition) -> int | None:
        """Where an input partition ends, as of the last fetch; it sends no request."""
        consumer = self._consumer
        found: int | None = None
        if consumer is not None and tp in consumer.assignment():
            found = consumer.highwater(tp)
        return found

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set. A lost membership is joined again; no error of Kafka's ends the process."""
        failures = 0
        while not stop.is_set():
            self.polls += 1
            try:
                await self._membership_until(stop)
                failures = 0
            except (KafkaError, OSError, TimeoutError) as error:
                failures += 1
                self._happened(WorkerEvent.SESSION_FAILED, error=repr(error))
                await _wait(stop, _REOPEN_AFTER_S[min(failures, len(_REOPEN_AFTER_S)) - 1])

    def reopen(self, why: str) -> None:
        """Close the consumer, whatever it waits for, and join again: the watchdog's remedy."""
        self._happened(WorkerEvent.WATCHDOG, reason=why)
        if self._member is not None:
            self._member.cancel()

    async def _membership_until(self, stop: asyncio.Event) -> None:
        self._member = asyncio.create_task(self._session(stop), name=f"{self.role.name} member")
        try:
            await asyncio.wait((self._member,))
            if not self._member.cancelled():
                await self._member
        finally:
            self._member.cancel()
            await asyncio.wait((self._member,))

    async def _session(self, stop: asyncio.Event) -> None:
        """One membership, from joining to leaving."""
        self._rejoin.clear()
        self._leaving = False
        member = self._membership
        consumer = group_consumer(
            member.client, self.role.group, member.instance_id, session_s=member.session_s, drain_s=member.drain_s
        )
        self._consumer = consumer
        try:
            await consumer.start()
            consumer.subscribe(list(self.role.inputs), listener=self)
            while not stop.is_set() and not self._rejoin.is_set():
                self.polls += 1
                await self._read(consumer)
        finally:
            self.joined, self._leaving = False, True
            await self._close_all()
            await stop_consumer(consumer)

    async def _read(self, consumer: AIOKafkaConsumer) -> None:
        wanted = [tp for task in self.tasks.values() for tp in task.wanted()]
        if not wanted and self.tasks:
            await asyncio.sleep(POLL_MS / 1000 / 10)  # everything is full, or being restored
            return
        try:
            # While a group is joined this waits for the broker's answer, whatever its timeout: longer than a stop may.
            async with asyncio.timeout(_READ_S):
                # Without tasks this only keeps the membership alive: a member that never polls can't join again.
                read = await consumer.getmany(*wanted, timeout_ms=POLL_MS, max_records=_READ_RECORDS)
        except TimeoutError:
            return
        for tp, records in read.items():
            task = self.tasks.get(tp.partition)
            if task is not None and task.open:
                task.deliver(tp, records, records[-1].offset + 1)
        if not read:
            await self._note_positions(consumer, wanted)

    async def _note_positions(self, consumer: AIOKafkaConsumer, idle: Iterable[TopicPartition]) -> None:
        """Offsets without records (transaction markers) move the position too: lag is 0 when all is read."""
        with contextlib.suppress(KafkaError, TimeoutError):
            async with asyncio.timeout(_READ_S):
                for tp in idle:
                    task = self.tasks.get(tp.partition)
                    if task is not None and task.open:
                        position = await consumer.position(tp)
                        if self.tasks.get(tp.partition) is task:
                            task.deliver(tp, [], position)

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        if revoked:
            self.counts.events[WorkerEvent.REVOKED] += 1
            self._log.info(WorkerEvent.REVOKED, partitions=sorted({tp.partition for tp in revoked}))
        self._kept.clear()  # what did not come back with the last assignment is somebody else's by now
        await self._close_all()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Open a task per partition number, in the background: a long restore must not miss the next rebalance."""
        numbers = sorted({tp.partition for tp in assigned})
        self.counts.events[WorkerEvent.ASSIGNED] += 1
        self._log.info(WorkerEvent.ASSIGNED, partitions=numbers)
        if self._leaving:  # the group did not know yet: a task opened now would never be closed
            return
        for number in numbers:
            self.tasks[number] = self._new_task(number)
            self._owners[number] = asyncio.create_task(self._own(number))
        self.joined = True

    def _new_task(self, number: int) -> Task[S]:
        membership = self._membership
        return Task(
            self.role, number, clock=self.clock, client=membership.client,
            commit_interval_s=membership.commit_interval_s, slots=self.slots.of_a_task(),
            calls=self.call_ages.of(number), kept=self._kept.pop(number, None), counts=self.counts,
        )  # fmt: skip

    async def _own(self, number: int) -> None:
        """Run a task, and open a new one from the last commit when it fails."""
        failures = 0
        while (task := self.tasks.get(number)) is not None:
            try:
                await task.start(self._beginnings, self._seek)
                await task.run()
            except (ProducerFenced, InvalidProducerEpoch):
                # Somebody else has our partition, and we don't know it yet. To take it back would fence the rightful
                # owner: we ask the group who owns what.
                self._happened(WorkerEvent.FENCED, partition=number)
                await task.discard()
                self._rejoin.set()
                return
            except Exception as error:  # noqa: BLE001  (an error in the task closes the task, not the process)
                self._happened(WorkerEvent.TASK_FAILED, partition=number, error=repr(error))
                failures = failures + 1 if self._failed_lately(number) else 0
                self._failed_s[number] = time.monotonic()
                await task.discard()
                await asyncio.sleep(_REOPEN_AFTER_S[min(failures, len(_REOPEN_AFTER_S) - 1)])
                if self.tasks.get(number) is task:
                    self.tasks[number] = self._new_task(number)
            else:
                return

    def _happened(self, event: WorkerEvent, **details: Any) -> None:
        self.counts.events[event] += 1
        self._log.warning(event, **details)

    def _failed_lately(self, number: int) -> bool:
        return time.monotonic() - self._failed_s.get(number, -math.inf) < _FAILURE_SHOWS_S

    async def _beginnings(self, tps: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        async with asyncio.timeout(_SEEK_S):
            found: Mapping[TopicPartition, int] = await self._assigned(tps).beginning_offsets(tps)
        return found

    def _seek(self, positions: Mapping[TopicPartition, int]) -> None:
        consumer = self._assigned(positions)
        for tp, position in positions.items():
            consumer.seek(tp, position)

    def _assigned(self, tps: Iterable[TopicPartition]) -> AIOKafkaConsumer:
        if self._consumer is None or not self._consumer.assignment().issuperset(tps):
            raise KafkaError(f"{', '.join(f'{tp.topic}-{tp.partition}' for tp in tps)}: not assigned any more")
        return self._consumer

    async def _close_all(self) -> None:
        await asyncio.gather(*(self._close(number) for number in list(self.tasks)))

    async def _close(self, number: int) -> None:
        task, owner = self.tasks.pop(number, None), self._owners.pop(number, None)
        if task is None or owner is None:
            return
        kept = await task.close(self._membership.drain_s) if task.open else None
        await _cancelled(owner)
        if kept is None:
            await task.discard()
        else:
            self._kept[number] = kept


def _partitions(numbers: Iterable[int]) -> str:
    return f"partitions {', '.join(str(number) for number in sorted(numbers))}"


async def _cancelled(owner: asyncio.Task[None]) -> None:
    """Cancel until it ends: aiokafka 0.14's clients swallow a cancellation that meets them while they close."""
    while not owner.done():
        owner.cancel()
        await asyncio.wait((owner,), timeout=_CANCEL_AGAIN_S)


async def _wait(stop: asyncio.Event, delay_s: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), delay_s)
