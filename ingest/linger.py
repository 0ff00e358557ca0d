"""Decides when work that was gathered is done: together, and no more often than pays.

What costs much each time and little for each piece of work waits `linger_s` after the last time, or until enough pieces
wait. After a pause it is done at once. It knows no request, no record and no broker.
"""

import asyncio
from collections.abc import Callable


class Linger:
    """The times at which gathered work is done."""

    def __init__(self, loop: asyncio.AbstractEventLoop, linger_s: float, enough: int) -> None:
        self._loop, self._linger_s, self._enough = loop, linger_s, enough
        self._scheduled: list[Callable[[], None]] = []
        self._waiting = 0
        self._over_at = 0.0
        self._timer: asyncio.Handle | None = None

    def schedule(self, work: Callable[[], None]) -> None:
        """Call `work` when it is time, with all others that were scheduled until then; not before the next turn."""
        self._scheduled.append(work)
        if self._timer is None:
            now = self._loop.time()
            over = self._over_at <= now or self._waiting >= self._enough
            self._timer = self._loop.call_at(now if over else self._over_at, self._do)

    def count(self) -> None:
        """One more piece of work waits."""
        self._waiting += 1
        if self._waiting >= self._enough and self._timer is not None:
            self._timer.cancel()
            self._do()

    def _do(self) -> None:
        scheduled, self._scheduled = self._scheduled, []
        self._waiting, self._timer, self._over_at = 0, None, self._loop.time() + self._linger_s
        for work in scheduled:
            work()
