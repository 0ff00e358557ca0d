"""Measures the lag of the event loop with one timer.

A late loop sends heartbeats late. If its lag exceeds the session timeout, the worker loses its partitions.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from stripeline.workers.task.counters import Histogram

LAG_S: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0)
_EVERY_S: Final = 0.25
_WINDOW_S: Final = 60.0


class LoopLag:
    """The lag of the running loop. `turned_s`: its last iteration, by the monotonic clock."""

    def __init__(self) -> None:
        self.lag_s = Histogram(LAG_S)
        self.turned_s = 0.0
        self._worst_s = [0.0, 0.0]  # of the current window and the previous one
        self._window_ends_s = 0.0

    @property
    def worst_s(self) -> float:
        """The worst lag of the last one to two minutes, so that every scrape sees it."""
        return max(self._worst_s)

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Measure the running loop until the end of the block."""
        self.late(time.monotonic(), 0.0)
        ticking = asyncio.get_running_loop().create_task(self._tick(), name="loop lag")
        try:
            yield
        finally:
            ticking.cancel()

    async def _tick(self) -> None:
        while True:
            due_s = time.monotonic() + _EVERY_S
            await asyncio.sleep(_EVERY_S)
            now_s = time.monotonic()
            # uvloop's timers have whole milliseconds, and may be early by less than one.
            self.late(now_s, max(0.0, now_s - due_s))

    def late(self, now_s: float, lag_s: float) -> None:
        """Record one iteration of the loop and its lag."""
        self.turned_s = now_s
        self.lag_s.add(lag_s)
        if now_s >= self._window_ends_s:
            self._worst_s = [0.0, self._worst_s[0]]
            self._window_ends_s = now_s + _WINDOW_S
        self._worst_s[0] = max(self._worst_s[0], lag_s)
