"""What a task takes, and when: from its inputs in turn, into key lanes, within bounds. Pure.

- Bounded: the records taken and not finished, their bytes, what waits for a commit, the state, a commit's metadata.
- Each input is first in its turn: otherwise one deep backlog would take all capacity that comes free.
"""

from collections import deque
from collections.abc import Callable, Hashable, Mapping, Sequence

from msgspec import Struct

from stripeline.workers.task.decision import InputRecord, TaskState
from stripeline.workers.task.gaps import Gap
from stripeline.workers.task.input_partition import InputPartition, Load, size
from stripeline.workers.task.key_lanes import KeyLanes

HELD_BYTES = 32 * 1024 * 1024  # of one task: records that are taken and not finished
MAX_PENDING = 4_000
SLICE = 200  # records taken in one go, so that heartbeats and other tasks get their turn
_FULL_AGAIN_MS = 1_000


class Filled(Struct, frozen=True):
    """How many records were taken, and when to try again: None where a finished record makes room.

    gaps: those that were passed. They count as finished with the commit that has their dead letters.
    """

    taken: int
    again_ms: int | None
    gaps: tuple[Gap, ...] = ()


class Intake:
    """The inputs of one task, by topic, and its lanes."""

    def __init__(
        self,
        inputs: Mapping[str, InputPartition],
        lane: Callable[[InputRecord], Hashable],
        due_ms: Callable[[InputRecord], int],
        limit: int,
    ) -> None:
        self.inputs, self._lane, self._due_ms = inputs, lane, due_ms
        self.lanes: KeyLanes[InputRecord] = KeyLanes(limit)
        self.held_bytes = 0
        self._window = max(512, 2 * limit)
        self._turn = deque(inputs.values())

    def wanted(self) -> Sequence[str]:
        """The topics of which more may be read."""
        return [topic for topic, source in self.inputs.items() if source.wants]

    def fill(self, now_ms: int, *, pending: int, full: bool) -> Filled:
        """Take what there is room for. `pending` records wait for the commit; `full` is the state."""
        taken, again_ms = 0, None
        gaps: tuple[Gap, ...] = ()
        self._turn.rotate(-1)
        for source in self._turn:
            while source.buffer and taken < SLICE and self._room(source, pending):
                head = source.buffer[0]
                if isinstance(head, Gap):
                    gaps += (_passed(source, head),)
                    continue
                wait_ms = _FULL_AGAIN_MS if full and source.grows else self._due_ms(head) - now_ms
                if wait_ms > 0:
                    again_ms = wait_ms if again_ms is None else min(again_ms, wait_ms)
                    break
                self._take(source)
                taken += 1
        return Filled(taken, again_ms, gaps)

    def finish(self, lane: Hashable, record: InputRecord) -> None:
        self.held_bytes -= size(record)
        self.inputs[record.topic].watermark.finish(record.offset)
        self.lanes.finish(lane)

    def load(self, *, calls: int, state: TaskState) -> Load:
        """What is in hand now, for those who watch it."""
        sources = self.inputs.values()
        return Load(
            records_waiting=sum(len(source.buffer) for source in sources),
            bytes_waiting=sum(source.bytes for source in sources),
            records_held=len(self.lanes),
            bytes_held=self.held_bytes,
            running=self.lanes.running,
            ready=self.lanes.ready,
            room=self.lanes.limit,
            calls=calls,
            state=state.sizes,
            full=state.full,
            head_due_ms=state.head_due_ms,
        )

    def _room(self, source: InputPartition, pending: int) -> bool:
        if len(self.lanes) >= self._window or self.held_bytes >= HELD_BYTES or pending >= MAX_PENDING:
            return False
        return source.watermark.may_take()

    def _take(self, source: InputPartition) -> None:
        record = source.pop()
        if source.watermark.take(record.offset):
            self.held_bytes += size(record)
            self.lanes.add(self._lane(record), record)


def _passed(source: InputPartition, gap: Gap) -> Gap:
    source.pop()
    source.watermark.advance(gap.offset + 1)
    return gap
