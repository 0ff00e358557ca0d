"""Decides when batches leave for Kafka: those of all partitions together, and no more often than pays.

A produce request costs about 200 µs of CPU here and some at the broker, whatever is in it: more than a few records.
So one leaves a rest after the last one, or as soon as enough records wait. What comes after a pause leaves at once.
Kafka's own clients let every batch wait for 5 ms: https://cwiki.apache.org/confluence/display/KAFKA/KIP-1030
It knows no record, no partition and no broker.
"""

import asyncio
from collections.abc import Callable
from typing import Final

REST_S: Final = 0.003
ENOUGH: Final = 16
"""So many records of 4 kB share a request's cost well."""


class Pace:
    """The departures of one producer."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._leaving: list[Callable[[], None]] = []
        self._records = 0
        self._rested_at = 0.0
        self._timer: asyncio.Handle | None = None

    def leave(self, send: Callable[[], None]) -> None:
        """Have `send` called when it is time, with whoever else asks until then; not before the next turn."""
        self._leaving.append(send)
        if self._timer is None:
            now = self._loop.time()
            rested = self._rested_at <= now or self._records >= ENOUGH
            self._timer = self._loop.call_at(now if rested else self._rested_at, self._go)

    def one_more(self) -> None:
        """A record waits."""
        self._records += 1
        if self._records >= ENOUGH and self._timer is not None:
            self._timer.cancel()
            self._go()

    def _go(self) -> None:
        leaving, self._leaving = self._leaving, []
        self._records, self._timer, self._rested_at = 0, None, self._loop.time() + REST_S
        for send in leaving:
            send()
