"""Keeps a log bounded: one line of a kind in a while, with the number of those that were left out.

What a client or an absent broker can cause a thousand times a second must not be able to fill a disk.
"""

import logging
import time
from collections.abc import Callable


class Quiet:
    """Logs at most one line of a kind every `every_s`, and says how many were left out before it."""

    def __init__(self, log: logging.Logger, *, every_s: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._every_s = every_s
        self._monotonic = monotonic
        self._next: dict[str, float] = {}
        self._left_out: dict[str, int] = {}

    def error(self, kind: str, message: str, *args: object) -> None:
        if not self.due(kind):
            return
        left_out = self._left_out.pop(kind, 0)
        self._log.error(
            message + " (and %d like it before)" if left_out else message, *args, *([left_out] * (left_out > 0))
        )

    def due(self, kind: str) -> bool:
        """Whether a line of this kind may go out now; counts it as left out when not."""
        now = self._monotonic()
        if now < self._next.get(kind, now):
            self._left_out[kind] = self._left_out.get(kind, 0) + 1
            return False
        self._next[kind] = now + self._every_s
        return True


class OncePer(logging.Filter):
    """A logger's lines, one of each message template in a while. For libraries whose lines others can provoke."""

    def __init__(self, *, every_s: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._quiet = Quiet(logging.getLogger(__name__), every_s=every_s, monotonic=monotonic)

    def filter(self, record: logging.LogRecord) -> bool:
        return self._quiet.due(str(record.msg))


def bound(*names: str, every_s: float = 10.0) -> None:
    """Bound these loggers. A filter holds for its own logger only, not for those below it."""
    for name in names:
        logger = logging.getLogger(name)
        if not any(isinstance(one, OncePer) for one in logger.filters):
            logger.addFilter(OncePer(every_s=every_s))
