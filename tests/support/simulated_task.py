"""An executor's task on one partition in virtual time, without Kafka: the real intake, waiting room and decisions.

It commits every 50 ms, and can be killed at any time: then a new one goes on from the last commit, as after a crash.
"""

import heapq
import itertools
from collections import Counter
from collections.abc import Callable
from typing import Any

import orjson

from stripeline.contracts.internal_records import encode
from stripeline.contracts.retry_tiers import parse_tiers
from stripeline.contracts.topics import Topics
from stripeline.workers.actions import actions
from stripeline.workers.executor.command_state import Call
from stripeline.workers.executor.connection.rate_gate import RateGate, open_gate
from stripeline.workers.executor.executor import Executor
from stripeline.workers.executor.ledger import Ledger
from stripeline.workers.executor.setup import Setup
from stripeline.workers.executor.stripe_answer import CallReply, StripeAnswer
from stripeline.workers.roles import ExecutorRole, StripeCall, waiting_of
from stripeline.workers.task.decision import Decision
from stripeline.workers.task.input_partition import InputPartition
from stripeline.workers.task.intake import SLICE, Intake
from stripeline.workers.task.pending import Pending
from stripeline.workers.task.waiting.waiting_room import RoomSize, WaitingRoom
from stripeline.workers.task.watermark import Watermark, decode
from tests.support.records import Record, any_owner, command, installation

TOPICS = Topics(tiers=parse_tiers("5s,30s,2m,10m,1h"))
START_MS = 1_700_000_000_000
COMMIT_MS = 50
DONE = StripeAnswer(
    status=200, headers={}, body=b'{"id":"cus_1","object":"customer","email":null,"name":null,"created":1}'
)
FAILS = StripeAnswer(status=500, headers={}, body=b'{"error":{"type":"api_error","message":"no"}}')


class SimulatedTask:
    """stays: whether records may wait on their retry topics; without, as every release before did it."""

    def __init__(
        self, stripe: Callable[[Call, int], CallReply], *, gate: RateGate | None = None, stays: bool = True,
        latency_ms: Callable[[Call], int] = lambda _: 100, concurrency: int = 256, room_bytes: int = 1 << 40,
    ) -> None:  # fmt: skip
        setup = Setup(topics=TOPICS, installation=installation, actions=actions(), owner=any_owner)
        self._gate, self._setup, self.stays, self._room_bytes = gate, setup, stays, room_bytes
        self._stripe, self._latency_ms, self._concurrency = stripe, latency_ms, concurrency
        self.now_ms = START_MS
        self.logs: dict[str, list[Record]] = {TOPICS.command: [], **{topic: [] for topic in TOPICS.retries}}
        self.state: dict[str, bytes] = {}  # the changelog
        self.offsets: dict[str, tuple[int, str]] = {}
        self.results: list[tuple[bytes | None, str, str]] = []
        self.ended_ms: dict[str, int] = {}
        self.dead: list[str] = []
        self.written: Counter[str] = Counter()  # to retry topics, by command
        self.attempts: Counter[str] = Counter()
        self.commits = self.decisions = 0
        self._role: ExecutorRole | None = None
        self.kill()

    def kill(self) -> None:
        """Everything since the last commit is lost, and calls under way with it; a new task takes over."""
        if self._role is not None:
            self._role.calls_cut_short(0)
        executor = Executor(setup=self._setup, gate=self._gate or open_gate())
        self._role = ExecutorRole(TOPICS, executor, lambda _: None, self._concurrency)  # type: ignore[arg-type, return-value]
        self.ledger = Ledger()
        for key, value in self.state.items():
            self.ledger.restore(key, value)
        self.inputs = {}
        for topic, log in self.logs.items():
            position, metadata = self.offsets.get(topic, (0, ""))
            source = InputPartition(grows=topic == TOPICS.command)
            source.begin(Watermark(position, decode(position, metadata)), position, len(log))
            self.inputs[topic] = source
        self.room = WaitingRoom(RoomSize(limit=self._room_bytes))
        waiting = waiting_of(self._role, lambda: self.ledger, self.room) if self.stays else None
        self._intake = Intake(self.inputs, self._role.lane, self._role.due_ms, 2 * self._concurrency, waiting)
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._pending, self._slots, self._queued = Pending(), 0, []
        self._pumps = False
        self._commits, self._timer = False, 0
        self._soon()

    # What a test does

    def send(self, command_id: str, key: bytes | None, **fields: Any) -> None:
        log = self.logs[TOPICS.command]
        value = orjson.dumps(command(command_id, **fields))
        log.append(Record(topic=TOPICS.command, offset=len(log), timestamp=self.now_ms, key=key, value=value))
        self._soon()

    def run_until(self, when: Callable[[], bool] | int, limit_ms: int = 1 << 40) -> None:
        """Until a time, or until a condition holds."""
        end_ms = when if isinstance(when, int) else self.now_ms + limit_ms
        while self._events and self._events[0][0] <= end_ms:
            if not isinstance(when, int) and when():
                return
            at_ms, _, event = heapq.heappop(self._events)
            self.now_ms = max(self.now_ms, at_ms)
            event()
        if isinstance(when, int):
            self.now_ms = max(self.now_ms, end_ms)
        else:
            assert when(), "it never came to that"

    @property
    def unread(self) -> int:
        return sum(len(log) - self.inputs[topic].read_to for topic, log in self.logs.items())

    # What a task does

    def _at(self, at_ms: int, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (at_ms, next(self._numbers), event))

    def _commit_soon(self) -> None:
        if not self._commits:
            self._commits = True
            self._at(self.now_ms + COMMIT_MS, self._commit)

    def _soon(self) -> None:
        if not self._pumps:
            self._pumps = True
            self._at(self.now_ms, self._pump)

    def _pump(self) -> None:
        self._pumps = False
        for topic in self._intake.wanted():
            source, log = self.inputs[topic], self.logs[topic]
            records = log[source.read_to : source.read_to + 500]
            if records:
                source.put(records, source.read_to + len(records))
                self._commit_soon()
        filled = self._intake.fill(self.now_ms, pending=self._pending.records, full=self.ledger.full)
        self._start()
        if filled.taken >= SLICE or (filled.taken and self.unread):
            self._soon()
        elif filled.again_ms is not None:
            self._timer += 1  # the one before is over, as in the task
            mine = self._timer
            self._at(self.now_ms + min(filled.again_ms, 1_000) + 1, lambda: self._timed(mine))

    def _timed(self, timer: int) -> None:
        if timer == self._timer:
            self._soon()

    def _start(self) -> None:
        while len(self._queued) < 8 and (started := self._intake.lanes.start()) is not None:
            lane, record = started
            crowded = self._intake.crowded(lane)
            maybe = self._intake.maybe_attempted(record)
            self.decisions += 1
            self._go_on(lane, record, self._role.take(self.ledger, record, self.now_ms, maybe, crowded=crowded))

    def _go_on(self, lane: Any, record: Any, decided: Any) -> None:
        if isinstance(decided, Decision):
            self._finish(lane, record, decided)
            return
        assert isinstance(decided, StripeCall)
        ready = (lane, record, decided)
        self._at(self.now_ms + decided.delay_ms, lambda: self._enter(ready))

    def _enter(self, ready: tuple[Any, Any, StripeCall]) -> None:
        if self._slots >= self._concurrency:
            self._queued.append(ready)
            return
        self._slots += 1
        lane, record, call = ready
        if call.call.look_up is None:
            self.attempts[call.call.command.command_id] += 1
        reply = self._stripe(call.call, self.now_ms)
        self._at(self.now_ms + self._latency_ms(call.call), lambda: self._answered(lane, record, call, reply))

    def _answered(self, lane: Any, record: Any, call: StripeCall, reply: CallReply) -> None:
        self._slots -= 1
        self._go_on(lane, record, call.settle(self.ledger, reply, self.now_ms))
        if self._queued:
            self._enter(self._queued.pop(0))
        self._start()
        self._soon()

    def _finish(self, lane: Any, record: Any, decision: Decision) -> None:
        waits = decision.waits
        if waits is not None and self._intake.stays(lane, record, waits, self.now_ms):
            for change in waits.changes:
                self.ledger.apply(change.key, change.record)
                self._pending.changes[change.key] = change.record
            self._soon()
            if waits.changes:
                self._commit_soon()
            return
        for change in decision.changes:
            self.ledger.apply(change.key, change.record)
        self._pending.add(decision)
        self._intake.finish(lane, record)
        self._commit_soon()

    def _commit(self) -> None:
        self._commits = False
        pending, self._pending = self._pending, Pending()
        moved = {topic: source.offset_to_commit() for topic, source in self.inputs.items()}
        self.offsets.update({topic: now for topic, now in moved.items() if now is not None})
        for key, record in pending.changes.items():
            if record is None:
                self.state.pop(key, None)
            else:
                self.state[key] = encode(record)
        for output in pending.outputs:
            self._append(output)
        self.commits += bool(pending)
        if pending:
            self._soon()

    def _append(self, output: Any) -> None:
        if output.topic == TOPICS.result:
            result = orjson.loads(output.value)
            self.results.append((output.key, result["command_id"], result["status"]))
            self.ended_ms[result["command_id"]] = self.now_ms
        elif output.topic == TOPICS.dead_letter:
            self.dead.append(orjson.loads(output.value)["command_id"])
        elif output.topic in self.logs:
            log = self.logs[output.topic]
            self.written[orjson.loads(output.value)["command_id"]] += 1
            log.append(
                Record(
                    topic=output.topic, offset=len(log), timestamp=self.now_ms, key=output.key, value=output.value,
                    headers=output.headers,
                )
            )  # fmt: skip
