"""The broker's clock, derived from the append times of the records that this process writes.

The 24 hours of an Idempotency-Key are timed by it, so a host whose clock is wrong, or jumps, charges nobody twice: a
task appends a record before it opens, and nothing is decided until the clock is known. Between two appends it advances
with a clock that also counts the time in which the host was suspended.
"""

import time
from collections.abc import Callable

import structlog

from stripeline.contracts.vocabulary import LogEvent
from stripeline.workers.kafka.watch.standstill import Standstill

_MAX_ROUND_TRIP_S = 1.0
_FIRST_ROUND_TRIP_S = 20.0
"""Better some seconds behind than the host's clock: no decision is that close to Stripe's 24 hours."""
_SKEW_REPORTED_MS = 60_000
log = structlog.get_logger()


def elapsed_s() -> float:
    """Monotonic, and where the system has such a clock, running while the host is suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class BrokerClock:
    """The broker's time now. Until it is `known` it is the host's, which is for words and metrics only."""

    def __init__(self, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = elapsed_s) -> None:
        self._wall, self._monotonic = wall, monotonic
        self._base_ms, self._base_s = wall() * 1000, monotonic()
        self.known = False
        self._reported = False
        self.still = Standstill(monotonic)

    def now_ms(self) -> int:
        return int(self._base_ms + (self._monotonic() - self._base_s) * 1000)

    @property
    def skew_ms(self) -> int:
        """How far the host's clock is ahead of the broker's."""
        return int(self._wall() * 1000) - self.now_ms()

    def stopwatch_s(self) -> float:
        """When something is sent, for `observe`."""
        return self._monotonic()

    def observe(self, appended_ms: int, sent_s: float) -> None:
        """Set the clock: a record sent at `sent_s` (`stopwatch_s`) got this append time, and was acknowledged now."""
        now_s = self._monotonic()
        if now_s - sent_s > (_MAX_ROUND_TRIP_S if self.known else _FIRST_ROUND_TRIP_S):
            return  # the process was suspended, or the broker slow: the append time is not close to now
        self._base_ms, self._base_s, self.known = float(appended_ms), now_s, True
        skewed = abs(self.skew_ms) > _SKEW_REPORTED_MS
        if skewed and not self._reported:
            advice = "set this host's clock; until then the broker's is used"
            log.warning(LogEvent.CLOCK_SKEW, skew_ms=self.skew_ms, advice=advice)
        self._reported = skewed
