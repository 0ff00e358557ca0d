"""Decides when batches are sent: those of all partitions together, and no more often than pays.

A produce request costs about 200 µs of CPU here and some at the broker, whatever is in it: more than a few records.
So a request waits `LINGER_S` after the last one, or until enough records wait. After a pause it is sent at once.
Kafka's own clients let every batch wait for 5 ms: https://cwiki.apache.org/confluence/display/KAFKA/KIP-1030
It knows no record, no partition and no broker.
"""

import asyncio
from collections.abc import Callable
from typing import Final

LINGER_S: Final = 0.003
ENOUGH_RECORDS: Final = 16
"""So many records of 4 kB share a request's cost well."""


class Linger:
    """The times at which one producer sends."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._scheduled: list[Callable[[], None]] = []
        self._records = 0
        self._over_at = 0.0
        self._timer: asyncio.Handle | None = None

    def schedule(self, send: Callable[[], None]) -> None:
        """Call `send` when it is time, with all others that were scheduled until then; not before the next turn."""
        self._scheduled.append(send)
        if self._timer is None:
            now = self._loop.time()
            over = self._over_at <= now or self._records >= ENOUGH_RECORDS
            self._timer = self._loop.call_at(now if over else self._over_at, self._send)

    def count_record(self) -> None:
        """One more record waits."""
        self._records += 1
        if self._records >= ENOUGH_RECORDS and self._timer is not None:
            self._timer.cancel()
            self._send()

    def _send(self) -> None:
        scheduled, self._scheduled = self._scheduled, []
        self._records, self._timer, self._over_at = 0, None, self._loop.time() + LINGER_S
        for send in scheduled:
            send()
