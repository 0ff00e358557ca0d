"""What a task could start now, had it the room: what more processes would help with. Pure.

- A record in a tier is not ready before it is due, and none behind it is: the head of a tier holds it.
- Kafka's transaction markers are read like records and count only until then, so an idle task has 0.
- What can't be read, because a batch is spoiled or a transaction is open, is not ready: more processes read it no more.
- What waits for a connection's rate, a pause or an answer of Stripe was started.
"""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass

from stripeline.workers.task.decision import InputRecord
from stripeline.workers.task.input_partition import InputPartition


@dataclass(frozen=True, slots=True)
class ReadyRecords:
    """How many, and since when the oldest that was read is ready; None where none was read."""

    count: int = 0
    since_ms: int | None = None

    def __add__(self, other: "ReadyRecords") -> "ReadyRecords":
        since = [at for at in (self.since_ms, other.since_ms) if at is not None]
        return ReadyRecords(self.count + other.count, min(since, default=None))

    def age_s(self, now_ms: int) -> float:
        return 0.0 if self.since_ms is None else max(0.0, (now_ms - self.since_ms) / 1000)


def ready_records(
    source: InputPartition, end: int | None, now_ms: int, due_ms: Callable[[InputRecord], int]
) -> ReadyRecords:
    """Of one input partition. end: its end as of the last fetch; None where what lies behind can't be read now."""
    unread = 0 if end is None else max(0, end - max(source.read_to, source.watermark.next))
    buffer = source.buffer
    if not buffer:
        return ReadyRecords(unread)
    head_due_ms = due_ms(buffer[0])
    if head_due_ms > now_ms:
        return ReadyRecords()
    due = bisect_right(buffer, now_ms, key=due_ms)  # a tier's records are due in about their order
    since_ms = max(head_due_ms, buffer[0].timestamp)
    return ReadyRecords(due + (unread if due == len(buffer) else 0), since_ms)
