"""One input partition of a task: what was read and not yet taken, and how far it is finished. Pure."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from msgspec import Struct

from stripeline.workers.task.decision import InputRecord
from stripeline.workers.task.waiting.waiting_room import WaitingTopic
from stripeline.workers.task.watermark import Watermark

BUFFER_RECORDS = 1_000
BUFFER_BYTES = 16 * 1024 * 1024


@dataclass(slots=True)
class InputPartition:
    """One input partition.

    grows: what is taken from it makes the state grow.
    end_at_start: its end when the task began. What lies before it may have been taken by another task.
    bytes: of the records in the buffer.
    read_to: what lies before it was read, transaction markers included.
    was_read: a read of it has succeeded. Before that no offset of it is committed: Kafka refuses the whole commit where
        this user may not read one of its topics.
    """

    grows: bool
    end_at_start: int = 0
    bytes: int = 0
    read_to: int = 0
    was_read: bool = False
    watermark: Watermark = field(default_factory=lambda: Watermark(0))
    buffer: deque[InputRecord] = field(default_factory=deque)
    committed: tuple[int, str] | None = None

    @property
    def wants(self) -> bool:
        """Whether more may be read. Half of the buffer is what it lives on until the next read comes."""
        return len(self.buffer) < BUFFER_RECORDS // 2 and self.bytes < BUFFER_BYTES

    def begin(self, watermark: Watermark, read_from: int, end: int, lost: Sequence[InputRecord] = ()) -> None:
        """The task goes on from here, behind what was lost; the partition's end was `end`."""
        self.watermark, self.end_at_start = watermark, end
        self.put(lost, read_from)
        self.was_read = bool(lost)

    def put(self, records: Sequence[InputRecord], read_to: int) -> None:
        self.read_to, self.was_read = read_to, True
        self.buffer.extend(records)
        self.bytes += sum(map(size, records))

    def read(self, records: Sequence[InputRecord], position: int) -> bool:
        """Records that were read, in order; the consumer then is at `position`. Whether there is more to commit.

        The first read of a partition is committed before any record: that it is in use. Transaction markers at its end
        move its position too.
        """
        first = not self.was_read
        self.put(records, position)
        moved = not records and not self.buffer and position > self.watermark.next
        if moved:
            self.watermark.advance(position)
        return first or moved

    def offset_to_commit(self) -> tuple[int, str] | None:
        """Offset and metadata to commit; None when they are those of the last time, or nothing was read yet."""
        if not self.was_read:
            return None
        now = (self.watermark.position, self.watermark.metadata())
        if now == self.committed:
            return None
        self.committed = now
        return now

    def pop(self) -> InputRecord:
        record = self.buffer.popleft()
        self.bytes -= size(record)
        return record


class Load(Struct, frozen=True, kw_only=True):
    """What a task has in hand.

    `waiting`: read and not taken; `held`: taken and not finished; `running`: at work; `ready`: waits for room alone.
    waiting: what waits in the waiting room, by topic.
    """

    records_waiting: int
    bytes_waiting: int
    records_held: int
    bytes_held: int
    running: int
    ready: int
    room: int
    calls: int
    state: Mapping[str, int]
    full: bool
    head_due_ms: int | None
    waiting: Mapping[str, WaitingTopic] = {}


def size(record: InputRecord) -> int:
    return len(record.value or b"") + len(record.key or b"")
