"""Whether a task is surely the owner of its partition after its process may have stood still.

A process that was frozen, or a host that was suspended, may have lost its partitions without knowing it. Its commits
are fenced, but its calls to Stripe are not, and a fetch asks for no membership: it could carry out what was appended
after its successor had begun, which the successor takes for never attempted, whenever its turn comes. So after a
standstill a task takes nothing until a commit has proved that it has its partition still.

A standstill shows as a gap between two looks at a clock; or, where that clock stood still too, as records that were
appended later than the broker's time as this process knows it.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from stripeline.workers.task.decision import InputRecord

APPEND_TIME: Final = 1
"""Kafka's number for a time that the broker wrote. https://kafka.apache.org/documentation/#recordbatch"""
LIMIT_S: Final = 3.0
"""Below the shortest session of a group, 6 s by the brokers' default."""
_EVERY_S: Final = 0.5


class Standstill:
    """Of one process. doubts: how often it may have stood still."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s, self._seen_s = now_s, now_s()
        self.doubts = 0

    def look(self) -> None:
        now_s = self._now_s()
        if now_s - self._seen_s > LIMIT_S:
            self.doubts += 1
        self._seen_s = now_s

    async def watch(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(_EVERY_S)


class PartitionProof:
    """Of one task's partition: proved by each commit that began after the last doubt."""

    def __init__(self, still: Standstill) -> None:
        self._still, self._proved = still, -1

    def saw(self, record: InputRecord, now_ms: int) -> None:
        """A record was read. `now_ms`: the broker's time as this process knows it. Not all times are the broker's."""
        by_broker = getattr(record, "timestamp_type", APPEND_TIME) == APPEND_TIME
        if by_broker and record.timestamp - now_ms > LIMIT_S * 1_000:
            self._still.doubts += 1

    @property
    def sure(self) -> bool:
        self._still.look()
        return self._proved == self._still.doubts

    def commits(self) -> Callable[[], None]:
        """A commit begins; what to call once Kafka has taken it."""
        doubts = self._still.doubts

        def proved() -> None:
            self._proved = doubts

        return proved
