"""A task: everything of one partition number of one role. Carries decisions out, and makes none.

    deliver ─► buffers ─► lanes ─► take ─► decision ──────────► pending ─► one transaction ─► Kafka
                                     └───► call ─► settle ──────┘

Records that the consumer read are taken in order and go to lanes. Decisions change the state at once and go out with
the next commit and the offsets. If a commit fails, they are discarded, and a new task goes on from the last commit.
"""

import asyncio
import time
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from functools import partial
from typing import Generic, TypeVar

import structlog
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from stripeline.contracts.vocabulary import LogEvent
from stripeline.workers.disk.state_cache import StateCache
from stripeline.workers.kafka.broker_clock import BrokerClock
from stripeline.workers.kafka.decision_count import count
from stripeline.workers.kafka.notices import Notices
from stripeline.workers.kafka.opening.openings import Openings
from stripeline.workers.kafka.opening.restore import RestoredState
from stripeline.workers.kafka.opening.task_opening import Beginnings, Opening
from stripeline.workers.kafka.transaction import CommitOffsets, Transactions, commit_offsets
from stripeline.workers.kafka.watch.bounded_wait import wait_at_most
from stripeline.workers.roles import Role, RoleCall, waiting_of
from stripeline.workers.stripe.call_ages import PartitionCalls
from stripeline.workers.stripe.call_slots import TaskSlots
from stripeline.workers.task.commit_pace import CommitPace
from stripeline.workers.task.commit_rest import rest_s
from stripeline.workers.task.counters import Counts
from stripeline.workers.task.decision import Decision, InputRecord, StateChange, TaskState
from stripeline.workers.task.input_partition import InputPartition, Load
from stripeline.workers.task.intake import MAX_PENDING, SLICE, Intake
from stripeline.workers.task.pending import Pending
from stripeline.workers.task.uncommitted_limit import UncommittedLimit
from stripeline.workers.task.waiting.waiting_room import RoomSize, WaitingRoom

S = TypeVar("S", bound=TaskState)
_WAITING_CALLS, _EXPIRE_EVERY_S, _SLOW_COMMIT_S = 8, 10.0, 3.0
_LAST_COMMIT_S = 10.0  # a process ends within 30 s, with or without Kafka
log = structlog.get_logger()


class Task(Generic[S]):
    """One partition number of one role."""

    def __init__(
        self, role: Role[S], partition: int, topics: Iterable[str], *, clock: BrokerClock, openings: Openings,
        pace: CommitPace, slots: TaskSlots, calls: PartitionCalls, limit: UncommittedLimit, notices: Notices,
        cache: StateCache | None, restored: RestoredState[S] | None, counts: Counts, room_size: RoomSize,
    ) -> None:  # fmt: skip
        self.role, self.partition, self.counts = role, partition, counts
        self.restored = restored or RestoredState(role.new_state(), 0)
        self.inputs = {TopicPartition(topic, partition): InputPartition(grows=topic in role.grows) for topic in topics}
        sources = {tp.topic: source for tp, source in self.inputs.items()}
        waiting = waiting_of(role, lambda: self.restored.state, WaitingRoom(room_size))
        # Twice: what waits for its connection's turn runs too, as far as a lane is concerned.
        self.intake = Intake(sources, role.lane, role.due_ms, 2 * role.concurrency, waiting)
        self._slots, self._under_way, self._notices = slots, calls, notices
        self.open, self.restoring = False, True  # restoring: until it is open for the first time
        self._clock, self._pace, self._limit, self._cache = clock, pace, limit, cache
        self._pending, self._committing = Pending(), asyncio.Lock()
        self._calls: set[asyncio.Task[None]] = set()
        self._wake, self._hurry = asyncio.Event(), asyncio.Event()  # hurry: calls will soon wait for the commit
        self._timer: asyncio.TimerHandle | None = None
        self._pump_scheduled = self._closing = False
        self._commit_began_s: float | None = None
        self._uncommitted, self._busy_s, self._expire_at_s = 0, 0.0, 0.0
        self._log = log.bind(task=f"{role.name}-{partition}")
        self._transactions = Transactions(
            group=role.group, partition=partition, changelog=role.changelog, clock=clock,
            client=openings.client, asks=openings.asks,
        )  # fmt: skip
        self.opening = Opening(role, partition, self._transactions, openings=openings, clock=clock, cache=cache)

    async def start(self, beginnings: Beginnings, seek: Callable[[Mapping[TopicPartition, int]], None]) -> None:
        """Open the producer, restore, then start: in this order, so that no zombie can add to what is restored."""
        found = await self.opening.starts(self.restored, list(self.inputs), beginnings)
        for tp, at in found.items():
            self.inputs[tp].begin(at.watermark, at.read_from, at.end, at.lost)
        # Always seek back: the consumer may have fetched ahead. From here on no pause: what is read next is delivered.
        seek({tp: start.read_from for tp, start in found.items()})
        self.open, self.restoring = True, False
        self._pump()
        self.counts.restore_s[str(self.partition)] = self.opening.took_s
        self._log.info(LogEvent.TASK_OPEN, restore_s=round(self.opening.took_s, 3), changelog=self.restored.upto)

    @property
    def load(self) -> Load:
        return self.intake.load(calls=len(self._calls), state=self.restored.state)

    @property
    def stuck(self) -> bool:
        """Its commit takes far longer than commits take: Kafka is slow, or a topic that it writes to is gone."""
        return self._commit_began_s is not None and time.monotonic() - self._commit_began_s > _SLOW_COMMIT_S

    def wanted(self) -> Sequence[TopicPartition]:
        """The input partitions that have room for more records."""
        wanted = self.intake.wanted() if self.open and not self._closing else ()
        return [TopicPartition(topic, self.partition) for topic in wanted]

    def deliver(self, tp: TopicPartition, records: Sequence[InputRecord], position: int) -> None:
        """Records that were read, in order; the consumer then stands at `position`."""
        if self.inputs[tp].read(records, position):
            self._wake.set()
        if records:
            self._transactions.proof.saw(records[-1], self._clock.now_ms())
            self._pump()

    async def run(self) -> None:
        """Commit what finishes, paced, until closed. Raises what makes the task useless."""
        while not self._closing:
            await self._wake.wait()
            self._wake.clear()
            await self._commit()
            await wait_at_most(self._hurry, rest_s(self._pace.rest_s, self._busy_s))

    async def close(self, deadline_s: float) -> RestoredState[S] | None:
        """Take no more, wait for calls in flight, commit, close. The state that may be kept, None after a failure."""
        self._closing = True
        if self._calls:
            await asyncio.wait(self._calls, timeout=deadline_s)
        self.abandon()
        try:
            await asyncio.wait_for(self._commit(), _LAST_COMMIT_S)  # raises, too, when one has failed meanwhile
        except Exception as error:  # noqa: BLE001  (the next owner goes on from the last commit)
            self._log.warning(LogEvent.LAST_COMMIT_FAILED, error=repr(error))
            return None
        finally:
            self.open = False
            await self._transactions.close()
        return self.restored

    def abandon(self) -> None:
        """Cut calls short. Whoever comes next repeats them with the same Idempotency-Key."""
        self._closing = True
        self.intake.close()
        self.role.calls_cut_short(self.partition)
        if self._timer is not None:
            self._timer.cancel()
        for call in self._calls:
            call.cancel()

    async def discard(self) -> None:
        """End after a failure: nothing of it counts."""
        self.abandon()
        self.open = False
        await self._transactions.close()

    def _pump(self) -> None:
        """Take what may be taken, and start what may run."""
        self._pump_scheduled = False
        if self._closing or not self.open:
            return
        filled = self.intake.fill(self._clock.now_ms(), pending=self._pending.records, full=self.restored.state.full)
        for gap in filled.gaps:
            self._pending.add(gap.decision)
            self.counts.passed(gap, self.role.dead_letters)
            self._wake.set()
        while (begun := self._next_call()) is not None:
            runner = asyncio.create_task(self._carry_out(begun))
            self._calls.add(runner)
            runner.add_done_callback(self._calls.discard)
        if filled.taken >= SLICE:
            self._pump_soon()
        if filled.again_ms is not None:
            self._pump_in(filled.again_ms / 1000)

    def _pump_soon(self) -> None:
        """Once for all calls that end in the same turn of the loop."""
        if not self._pump_scheduled:
            self._pump_scheduled = True
            asyncio.get_running_loop().call_soon(self._pump)

    def _pump_in(self, delay_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(min(delay_s, 1.0) + 0.001, self._pump)

    def _next_call(self) -> tuple[Hashable, InputRecord, RoleCall[S]] | None:
        """Start records until one of them asks for a call; None when no more may start."""
        while self._may_call() and (started := self.intake.lanes.start()) is not None:
            lane, record = started
            self._uncommitted += 1
            maybe, crowded = self.intake.maybe_attempted(record), self.intake.crowded(lane)
            take = partial(self.role.take, self.restored.state, record, maybe_attempted=maybe, crowded=crowded)
            if not isinstance(decided := self._decided(record, take), Decision):
                return lane, record, decided
            self._finish(lane, record, decided)
        return None

    def _may_call(self) -> bool:
        """A few may wait for a slot, so that one that comes free is taken at once; more would only take memory."""
        if not self._transactions.proof.sure:  # the next commit proves it
            self._pending.touch()
            self._wake.set()
            return False
        return not self._closing and self._slots.waiting < _WAITING_CALLS and self._limit.admits(self._uncommitted)

    async def _carry_out(self, begun: tuple[Hashable, InputRecord, RoleCall[S]] | None) -> None:
        """One call after the other: to go on with the next lane's record is cheaper than another task for it."""
        while begun is not None:
            lane, record, call = begun
            decided: Decision | RoleCall[S] = call
            while not isinstance(decided, Decision):
                decided = await self._in_a_slot(record, decided)
            self._finish(lane, record, decided)
            self._pump_soon()
            begun = self._next_call()

    async def _in_a_slot(self, record: InputRecord, call: RoleCall[S]) -> Decision | RoleCall[S]:
        """Carry a call out, and those that continue it: a look-up keeps its slot, and is one call for the watchdog."""
        if call.delay_ms:
            await asyncio.sleep(call.delay_ms / 1000)
        if not self._slots.enter_now():
            await self._slots.enter()
            self._pump_soon()
        under_way = self._under_way.began()
        try:
            decided: Decision | RoleCall[S] = call
            while not isinstance(decided, Decision) and (decided is call or decided.continues):
                reply = await decided.carry_out()
                decided = self._decided(record, partial(decided.settle, self.restored.state, reply))
        finally:
            self._under_way.ended(under_way)
            self._slots.leave()
        return decided

    def _decided(self, record: InputRecord, decide: Callable[..., Decision | RoleCall[S]]) -> Decision | RoleCall[S]:
        """A fault in deciding about one record ends that record only."""
        try:
            return decide(now_ms=self._clock.now_ms())
        except Exception as error:  # noqa: BLE001
            self._log.error(LogEvent.DECISION_FAILED, topic=record.topic, offset=record.offset, exc_info=error)
            return self.role.broken(self.restored.state, record, error)

    def _finish(self, lane: Hashable, record: InputRecord, decision: Decision) -> None:
        self._notices.put(*decision.notices)
        if (waits := decision.waits) is not None and self.intake.stays(lane, record, waits, self._clock.now_ms()):
            self._change(waits.changes)
            self._uncommitted -= 1
            self._pump_soon()  # it says when it is time for the next
        else:
            self.restored.apply(decision.changes)
            self._pending.add(decision)
            if self._pending.records == MAX_PENDING // 2:
                self._hurry.set()
            count(self.counts, record, decision, self.role.dead_letters)
            self.intake.finish(lane, record)
        if self._pending:
            self._wake.set()

    def _change(self, changes: Sequence[StateChange]) -> None:
        self._pending.change(changes)
        self.restored.apply(changes)

    async def _commit(self) -> None:
        async with self._committing:
            if not self.open:
                raise KafkaError("an earlier commit failed: what it held must not be skipped by a later one")
            self._expire()
            pending, self._pending = self._pending, Pending()
            self._hurry.clear()
            offsets = commit_offsets(self.inputs)
            keep = self._cache.image(self.restored.state, self.restored.upto) if self._cache and pending else None
            self._pump()  # what waited for this commit alone need not wait for its end
            if pending or offsets:
                await self._publish(pending, offsets)
            if keep is not None:
                keep(self.restored.upto)
        self._pump()

    async def _publish(self, pending: Pending, offsets: CommitOffsets) -> None:
        self._commit_began_s = began_s = time.monotonic()
        used_s = time.thread_time()
        try:
            upto = await self._transactions.commit(pending, offsets)
            self._busy_s, ended_s = time.thread_time() - used_s, time.monotonic()
            self.counts.committed(ended_s - began_s, pending.records)
            self._limit.committed(pending.records, ended_s)
            self._pace.committed(ended_s, ended_s - began_s)
            self._uncommitted -= pending.records
            self.role.committed(pending.outputs)
        except BaseException:
            self.open = False
            self._limit.failed(began_s)
            raise
        finally:
            self._commit_began_s = None
        self.restored.upto = self.restored.upto if upto is None else upto

    def _expire(self) -> None:
        if (now_s := time.monotonic()) >= self._expire_at_s:
            self._expire_at_s = now_s + _EXPIRE_EVERY_S
            self._change(tuple(self.role.expired(self.restored.state, self._clock.now_ms())))
