"""The broker's clock, derived from the append times of the records that this process writes.

The 24 hours of an Idempotency-Key are timed by it, so a host whose clock is wrong, or jumps, charges nobody twice.
Between two appends it advances with the monotonic clock.
"""

import time
from collections.abc import Callable

import structlog

from stripeline.contracts.vocabulary import LogEvent

_MAX_ROUND_TRIP_S = 1.0
_SKEW_REPORTED_MS = 60_000
log = structlog.get_logger()


class BrokerClock:
    """The broker's time now; before the first append, the host's."""

    def __init__(self, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._wall, self._monotonic = wall, monotonic
        self._base_ms, self._base_s = wall() * 1000, monotonic()
        self._reported = False

    def now_ms(self) -> int:
        return int(self._base_ms + (self._monotonic() - self._base_s) * 1000)

    @property
    def skew_ms(self) -> int:
        """How far the host's clock is ahead of the broker's."""
        return int(self._wall() * 1000) - self.now_ms()

    def observe(self, appended_ms: int, sent_s: float) -> None:
        """Set the clock: a record sent at `sent_s` (monotonic) got this append time, and was acknowledged just now."""
        now_s = self._monotonic()
        if now_s - sent_s > _MAX_ROUND_TRIP_S:
            return  # the process was suspended, or the broker slow: the append time is not close to now
        self._base_ms, self._base_s = float(appended_ms), now_s
        skewed = abs(self.skew_ms) > _SKEW_REPORTED_MS
        if skewed and not self._reported:
            advice = "set this host's clock; until then the broker's is used"
            log.warning(LogEvent.CLOCK_SKEW, skew_ms=self.skew_ms, advice=advice)
        self._reported = skewed
