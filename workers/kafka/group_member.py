"""A worker: one member of a role's consumer group, with a task for each partition number that it is assigned.

It opens and closes tasks as Kafka's group protocol says (`task_owners`) and reads their inputs (`polling`). It makes no
decision about a record. Kafka's consumer groups are the distributed engine; nothing here elects or shards.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from stripeline.contracts.vocabulary import WorkerEvent
from stripeline.workers.disk.state_cache import StateFolder
from stripeline.workers.kafka.broker_clock import BrokerClock
from stripeline.workers.kafka.client_start import start_within
from stripeline.workers.kafka.consumer import group_consumer, stop_consumer
from stripeline.workers.kafka.notices import Notices
from stripeline.workers.kafka.opening.openings import openings
from stripeline.workers.kafka.opening.restore import RestoredState
from stripeline.workers.kafka.polling import Polling
from stripeline.workers.kafka.task import Task
from stripeline.workers.kafka.task_owners import REOPEN_AFTER_S, TaskOwners
from stripeline.workers.kafka.unread.held_inputs import HeldInputs, Skips
from stripeline.workers.kafka.watch.blocked_inputs import BlockedInputs
from stripeline.workers.kafka.watch.bounded_wait import wait_at_most
from stripeline.workers.kafka.watch.sign_of_life import SignOfLife
from stripeline.workers.kafka.watch.upkeep import Upkeep
from stripeline.workers.roles import Role
from stripeline.workers.stripe.call_ages import CallAges
from stripeline.workers.stripe.call_slots import CallSlots
from stripeline.workers.task.assignment import Sharing, owned
from stripeline.workers.task.commit_pace import CommitPace
from stripeline.workers.task.counters import Counts
from stripeline.workers.task.decision import TaskState
from stripeline.workers.task.uncommitted_limit import UncommittedLimit
from stripeline.workers.task.waiting.waiting_room import RoomSize

S = TypeVar("S", bound=TaskState)
log = structlog.get_logger()
_SEEK_S, _START_S = 10.0, 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """How a worker takes part in its group.

    drain_s: how long a revoked task waits for its calls; the rebalance waits 5 s longer, then goes on without us.
    session_s: after this time without a heartbeat the group gives our partitions to others.
    partitions: the prefix's partition count; None where it is as many as the original inputs have.
    poll_s: after this time without a poll the member leaves its group.
    files: where the states of tasks are kept, for a quicker start.
    """

    client: Mapping[str, Any]
    instance_id: str | None = None
    session_s: float = 12.0
    poll_s: float = 300.0
    drain_s: float = 10.0
    commit_interval_s: float = 0.04
    partitions: int | None = None
    words: Callable[[BaseException], str] = repr
    files: StateFolder | None = None


class Worker(ConsumerRebalanceListener, Generic[S]):  # type: ignore[misc]
    """One process's part in a role."""

    def __init__(self, role: Role[S], membership: Membership, clock: BrokerClock, skips: Skips = dict) -> None:
        self.role, self._membership, self.clock = role, membership, clock
        self.slots, self.call_ages = CallSlots(role.concurrency, lambda: len(self.tasks)), CallAges()
        self._pace = CommitPace(membership.commit_interval_s)
        self._room_size = RoomSize()
        self._limits: dict[int, UncommittedLimit] = defaultdict(UncommittedLimit)  # they outlive their tasks
        self._sharing = Sharing(original=role.original, partitions=membership.partitions)
        self._topics: Mapping[int, frozenset[str]] = {}
        self._notices = Notices(membership.client)
        self._life = SignOfLife()
        self.blocked = BlockedInputs(role.name, membership.client, clock.now_ms)
        self._openings = openings(role.group, membership.client)
        self._consumer: AIOKafkaConsumer | None = None
        self._member: asyncio.Task[None] | None = None
        self._rejoin = asyncio.Event()
        self.joined = self._leaving = False
        self.polls = 0
        self.trouble: str | None = None  # what the watchdog has seen
        self.counts = Counts()
        self.held = HeldInputs(membership.client, skips, role.name, membership.words)
        self._owners = TaskOwners(
            self._new_task, beginnings=self._beginnings, seek=self._seek, on_fenced=self._rejoin.set,
            counts=self.counts, role=role.name, words=membership.words,
        )  # fmt: skip
        self._why_not = ""
        self._log = log.bind(role=role.name)

    @property
    def tasks(self) -> Mapping[int, Task[S]]:
        """The tasks of the assigned partition numbers, open or being opened."""
        return self._owners.tasks

    @property
    def client(self) -> Mapping[str, Any]:
        return self._membership.client

    def missing(self) -> str | None:
        """What keeps the worker from being ready, in words; None when it is."""
        if self.trouble is not None:
            return self.trouble
        if not self.joined:
            return f"the {self.role.name} has not joined its group {self.role.group} yet{self._why_not}"
        return "; ".join(self._not_working()) or None

    def _not_working(self) -> Iterator[str]:
        """The partitions without an open task that commits, by what keeps them."""
        tasks, role = sorted(self.tasks.items()), self.role.name
        waiting = {number: why for number, task in tasks if not task.open and (why := task.opening.waits)}
        for number, why in waiting.items():
            yield f"partition {number} of the {role} waits: {why}"
        others = [(number, task) for number, task in tasks if number not in waiting]
        failing = [number for number, task in others if task.stuck or self._owners.failed_lately(number)]
        if failing:
            why = next(filter(None, map(self._owners.failure, failing)), "the log says why")
            yield f"{_partitions(failing)} of the {role} can't commit: {why}"
        elif restored := [number for number, task in others if not task.open]:
            yield f"{_partitions(restored)} of the {role} are being restored"
        yield from self.held.denied()

    def warnings(self) -> str | None:
        """What keeps a part of the worker from working, such as one input partition, in words."""
        states = (task.restored.state.warning for task in self.tasks.values())
        return "; ".join((*self.held.words(), *self.blocked.words(), *filter(None, states))) or None

    def silent_s(self) -> float:
        """Seconds since Kafka last answered its consumer."""
        return self._life.silent_s()

    def end(self, tp: TopicPartition) -> int | None:
        """Where an input partition ends, as of the last fetch; it sends no request."""
        consumer = self._consumer
        found: int | None = None
        if consumer is not None and tp in consumer.assignment():
            found = consumer.highwater(tp)
        return found

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set. A lost membership is joined again; no error of Kafka's ends the process."""
        looking = asyncio.create_task(self.clock.still.watch(), name="looks for a standstill")
        try:
            await self._memberships(stop)
        finally:
            looking.cancel()
            await self._notices.close()
            await self.blocked.close()

    async def _memberships(self, stop: asyncio.Event) -> None:
        failures = 0
        while not stop.is_set():
            self.polls += 1
            try:
                await self._membership_until(stop)
                failures = 0
            except (KafkaError, OSError, TimeoutError) as error:
                failures += 1
                words = self._membership.words(error)
                self._why_not = f": {words}"
                self._happened(WorkerEvent.SESSION_FAILED, error=words)
                await wait_at_most(stop, REOPEN_AFTER_S[min(failures, len(REOPEN_AFTER_S)) - 1])

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
            member.client, self.role.group, member.instance_id, self._sharing,
            session_s=member.session_s, drain_s=member.drain_s, poll_s=member.poll_s,
        )  # fmt: skip
        self._consumer = consumer
        try:
            await start_within(consumer.start(), _START_S)
            self._life.heard()
            upkeep = Upkeep(consumer, self.role.inputs, self.tasks, self._life, self.blocked)
            consumer.subscribe(list(self.role.inputs), listener=self)
            polling = Polling(consumer, self.tasks, self.held, self.clock)
            while not stop.is_set() and not self._rejoin.is_set():
                self.polls += 1
                await polling.once()
                await upkeep.once()
        finally:
            self.joined, self._leaving = False, True
            self.held.clear()
            await self._owners.close_all(member.drain_s)
            await stop_consumer(consumer)

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        if revoked:
            self.counts.events[WorkerEvent.REVOKED] += 1
            self._log.info(WorkerEvent.REVOKED, partitions=sorted({tp.partition for tp in revoked}))
        self.held.clear()
        await self._owners.close_all(self._membership.drain_s)

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Open a task for each number that is ours. What else was assigned is not read."""
        self._topics = owned(self._sharing, [(tp.topic, tp.partition) for tp in assigned])
        self.counts.events[WorkerEvent.ASSIGNED] += 1
        self._log.info(WorkerEvent.ASSIGNED, partitions=list(self._topics))
        if self._leaving:  # the group did not know yet: a task opened now would never be closed
            return
        if self._consumer is not None:
            self._consumer.pause(*(tp for tp in assigned if tp.topic not in self._topics.get(tp.partition, ())))
        self._owners.open_all(self._topics)
        self.joined, self._why_not = True, ""

    def _new_task(self, number: int, restored: RestoredState[S] | None) -> Task[S]:
        membership = self._membership
        topics = [topic for topic in self.role.inputs if topic in self._topics[number]]
        return Task(
            self.role, number, topics, clock=self.clock, openings=self._openings,
            pace=self._pace, slots=self.slots.of_a_task(), calls=self.call_ages.of(number), limit=self._limits[number],
            notices=self._notices, restored=restored, counts=self.counts, room_size=self._room_size,
            cache=membership.files.of(self.role.changelog, number) if membership.files else None,
        )  # fmt: skip

    def _happened(self, event: WorkerEvent, **details: Any) -> None:
        self.counts.events[event] += 1
        self._log.warning(event, **details)

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


def _partitions(numbers: Iterable[int]) -> str:
    return f"partitions {', '.join(str(number) for number in sorted(numbers))}"
