"""What a task takes, and when: from its inputs in turn, into key lanes, within bounds. Pure.

- What waits on a retry topic is read ahead and waits in the waiting room, so nothing is held by what is not due.
- Bounded: the records taken and not finished, their bytes, what waits for a commit, the state, a commit's metadata.
- Each input is first in its turn: otherwise one deep backlog would take all capacity that comes free.
"""

from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from operator import itemgetter
from typing import Final

from msgspec import Struct

from stripeline.workers.task.decision import InputRecord, TaskState, Waits
from stripeline.workers.task.gaps import Gap
from stripeline.workers.task.input_partition import InputPartition, Load, size
from stripeline.workers.task.key_lanes import CROWD, KeyLanes
from stripeline.workers.task.waiting.waiting_room import WaitingRoom
from stripeline.workers.task.watermark import MAX_METADATA_BYTES, Range

HELD_BYTES = 32 * 1024 * 1024  # of one task: records that are taken and not finished
MAX_HELD: Final = 20_000  # records of one task that are taken and not finished
MAX_PENDING = 1_000
SLICE = 200  # records taken in one go, so that heartbeats and other tasks get their turn
_FULL_AGAIN_MS = 1_000
_LOOK_EVERY_MS: Final = 20  # at the gates, and a tenth for each
_MOVE_EVERY_MS: Final = 1_000
_RUN_BYTES: Final = 8  # of a commit's metadata, by what it takes in practice
_ANY_BYTES: Final = 14  # at most, of a record that may come to be a gap of its own
_MANY_RUNS: Final = 200


class Filled(Struct, frozen=True):
    """How many records were taken, and when to try again: None where a finished record makes room.

    gaps: those that were passed. They count as finished with the commit that has their dead letters.
    """

    taken: int
    again_ms: int | None
    gaps: tuple[Gap, ...] = ()


class Waiting(Struct, frozen=True, kw_only=True):
    """What may wait in the room, and what for.

    topics: whose records may wait.
    waits: what a record that was read waits for, at a time; None where it may be taken.
    turn: the place of a lane's queue that may run; None without a queue.
    lets: how many records a gate lets through at a time: 0 none, 1 one, MANY all.
    """

    topics: frozenset[str]
    waits: Callable[[InputRecord, int], Waits | None]
    turn: Callable[[Hashable], int | None]
    lets: Callable[[Hashable, int], int]
    room: WaitingRoom


class Intake:
    """The inputs of one task, by topic, and its lanes. waiting: None where no record waits."""

    def __init__(
        self,
        inputs: Mapping[str, InputPartition],
        lane: Callable[[InputRecord], Hashable],
        due_ms: Callable[[InputRecord], int],
        limit: int,
        waiting: Waiting | None = None,
    ) -> None:
        self._waiting = waiting
        self._in_hand: Counter[str] = Counter()  # taken, and neither finished nor in the room
        self._look_ms = self._move_ms = 0
        self.inputs, self._lane, self._due_ms = inputs, lane, due_ms
        self.lanes: KeyLanes[InputRecord] = KeyLanes(limit)
        self.held_bytes = 0
        self._window = max(512, 2 * limit)
        self._turn = deque(inputs.items())

    def wanted(self) -> Sequence[str]:
        """The topics of which more may be read."""
        return [topic for topic, source in self.inputs.items() if source.wants]

    def fill(self, now_ms: int, *, pending: int, full: bool) -> Filled:
        """Take what there is room for. `pending` records wait for the commit; `full` is the state."""
        taken, again_ms = 0, None
        gaps: tuple[Gap, ...] = ()
        self._turn.rotate(-1)
        for topic, source in self._turn:
            while source.buffer and taken < SLICE and self._room(topic, pending):
                head = source.buffer[0]
                if isinstance(head, Gap):
                    gaps += (_passed(source, head),)
                    continue
                if self._may_wait(source, head, now_ms):
                    taken += 1
                    continue
                wait_ms = _FULL_AGAIN_MS if full and source.grows else self._due_ms(head) - now_ms
                if wait_ms > 0:
                    again_ms = wait_ms if again_ms is None else min(again_ms, wait_ms)
                    break
                self._take(source)
                taken += 1
        if self._waiting is not None:
            taken += self._take_ready(self._waiting, now_ms, SLICE - taken, pending)
            if len(self._waiting.room):
                again_ms = self._again_ms(self._waiting.room, now_ms, again_ms)
        return Filled(taken, again_ms, gaps)

    def maybe_attempted(self, record: InputRecord) -> bool:
        """Whether a former owner of the task may have taken it."""
        return record.offset < self.inputs[record.topic].end_at_start

    def crowded(self, lane: Hashable) -> bool:
        """Whether what waits behind a record in its lane should wait elsewhere.

        So it is where that is much, or where such records fill the window and no other lane could use what comes free.
        """
        behind = self.lanes.behind(lane)
        return behind > CROWD or (behind > 0 and not self.lanes.ready and self.lanes.blocked >= self._window // 2)

    @property
    def _in_window(self) -> int:
        return len(self.lanes) - self.lanes.beyond

    def finish(self, lane: Hashable, record: InputRecord) -> None:
        """A record has ended, and the state has changed: the next one of its lane may go on."""
        self.inputs[record.topic].watermark.finish(record.offset)
        self._leave(lane, record)
        if self._waiting is not None:
            self._waiting.room.ended(record)
            self._waiting.room.turn(lane, partial(self._waiting.turn, lane))

    def stays(self, lane: Hashable, record: InputRecord, waits: Waits, now_ms: int) -> bool:
        """A record that was taken waits on its topic, and its lane goes on; False where it goes back to a tier."""
        waiting = self._waiting
        if waiting is None or record.topic not in waiting.topics or not waiting.room.keeps(record, now_ms):
            return False
        waiting.room.add(lane, record, waits)
        self._leave(lane, record)
        return True

    def close(self) -> None:
        if self._waiting is not None:
            self._waiting.room.clear()

    def _leave(self, lane: Hashable, record: InputRecord) -> None:
        self.held_bytes -= size(record)
        self._in_hand[record.topic] -= 1
        self.lanes.finish(lane)

    def _may_wait(self, source: InputPartition, head: InputRecord, now_ms: int) -> bool:
        """A record that waits goes into the room. One that may be taken, or finds no room, stays where it is."""
        waiting = self._waiting
        if waiting is None or head.topic not in waiting.topics or not waiting.room.keeps(head, now_ms):
            return False
        waits = waiting.waits(head, now_ms)
        if waits is None:
            return False
        if source.watermark.take(source.pop().offset):
            waiting.room.add(self._lane(head), head, waits)
        return True

    def _take_ready(self, waiting: Waiting, now_ms: int, limit: int, pending: int) -> int:
        """Of what waits no more, what there is room for."""
        room = waiting.room
        room.wake_due(now_ms)
        if _is_time(now_ms, self._look_ms, _MOVE_EVERY_MS):
            self._look_ms = now_ms + _LOOK_EVERY_MS + room.gates // 10
            room.look_at_gates(lambda gate: waiting.lets(gate, now_ms))
        self._move_scattered(waiting, now_ms)
        taken = 0
        while room.ready and taken < limit and self._room(room.first(), pending):
            lane, record = room.pop()
            self._to_lane(lane, record)
            taken += 1
        return taken

    def _move_scattered(self, waiting: Waiting, now_ms: int) -> None:
        """Where many gaps lie between what waits, the smaller half of its runs moves to the end of a topic."""
        if not _is_time(now_ms, self._move_ms, _MOVE_EVERY_MS):
            return
        self._move_ms = now_ms + _MOVE_EVERY_MS
        for topic in waiting.topics & self.inputs.keys():
            runs = self.inputs[topic].watermark.runs
            if len(runs) > _MANY_RUNS:
                small = sorted(runs, key=_length)[: len(runs) // 2]
                waiting.room.move(topic, within_runs(sorted(small)))

    def _again_ms(self, room: WaitingRoom, now_ms: int, again_ms: int | None) -> int:
        next_ms = _FULL_AGAIN_MS if room.next_ms is None else max(0, room.next_ms - now_ms)
        return min(next_ms, _FULL_AGAIN_MS if again_ms is None else again_ms)

    def load(self, *, calls: int, state: TaskState) -> Load:
        """What is in hand now, for those who watch it."""
        sources, room = self.inputs.values(), None if self._waiting is None else self._waiting.room
        waiting, waiting_bytes = (0, 0) if room is None else (len(room), room.bytes)
        return Load(
            records_waiting=sum(len(source.buffer) for source in sources) + waiting,
            bytes_waiting=sum(source.bytes for source in sources) + waiting_bytes,
            records_held=len(self.lanes),
            bytes_held=self.held_bytes,
            running=self.lanes.running,
            ready=self.lanes.ready,
            room=self.lanes.limit,
            calls=calls,
            state=state.sizes,
            full=state.full,
            head_due_ms=state.head_due_ms(() if room is None else room.heads),
            waiting={} if room is None else room.topics(),
        )

    def _room(self, topic: str, pending: int) -> bool:
        if self._in_window >= self._window or len(self.lanes) >= MAX_HELD:
            return False
        if self.held_bytes >= HELD_BYTES or pending >= MAX_PENDING:
            return False
        watermark = self.inputs[topic].watermark
        if self._waiting is None or topic not in self._waiting.topics:
            return watermark.may_take()
        # Wherever the records in hand finish among those that wait, a commit's metadata has room for the gaps.
        return len(watermark.runs) * _RUN_BYTES + self._in_hand[topic] * _ANY_BYTES < MAX_METADATA_BYTES

    def _take(self, source: InputPartition) -> None:
        record = source.pop()
        if source.watermark.take(record.offset):
            self._to_lane(self._lane(record), record)

    def _to_lane(self, lane: Hashable, record: InputRecord) -> None:
        self.held_bytes += size(record)
        self._in_hand[record.topic] += 1
        self.lanes.add(lane, record)


def _passed(source: InputPartition, gap: Gap) -> Gap:
    source.pop()
    source.watermark.skip(gap.offset + 1)
    return gap


def _is_time(now_ms: int, at_ms: int, every_ms: int) -> bool:
    """Also where the clock was put back."""
    return now_ms >= at_ms or at_ms - now_ms > every_ms


def _length(run: Range) -> int:
    return run[1] - run[0]


def within_runs(runs: Sequence[Range]) -> Callable[[int], bool]:
    """Whether an offset lies in one of these runs, which ascend."""

    def within(offset: int) -> bool:
        at = bisect_right(runs, offset, key=itemgetter(0)) - 1
        return at >= 0 and runs[at][1] >= offset

    return within
