"""How fast one account of a connection may call: token buckets, and the line of those that are beyond them. Pure.

A call whose turn comes within `PACE_MS` waits for it in memory; beyond that it lines up, on a retry topic. No call
overtakes a line that has formed. A 429 halves the rate, and time without a 429 restores it. https://docs.stripe.com/rate-limits
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

PACE_MS = 200
"""A call that waits in memory takes a lane, and delays others by so much at most."""
TURN_LEAD_MS = 100
"""A command is asked for so long before its turn: its call then waits in memory, and keeps its connection busy."""
_SLOWEST = 1 / 32
_RECOVERY_S = 60.0


@dataclass(slots=True)
class Bucket:
    """Calls per second, one after the other: `next_ms` is when the next one has its turn."""

    ceiling: float
    rate: float
    next_ms: float = 0.0
    slowed_ms: float = 0.0

    def wait_ms(self, now_ms: float) -> float:
        self._recover(now_ms)
        return max(0.0, self.next_ms - now_ms)

    def take(self, now_ms: float) -> None:
        self.next_ms = max(self.next_ms, now_ms) + 1000 / self.rate

    def slow(self, now_ms: float) -> None:
        """After a 429: half of the rate. Answers of one burst count once."""
        if now_ms - self.slowed_ms >= 1000:  # noqa: PLR2004
            self.rate, self.slowed_ms = max(self.rate / 2, self.ceiling * _SLOWEST), now_ms

    def _recover(self, now_ms: float) -> None:
        if self.rate < self.ceiling and now_ms > self.slowed_ms:
            grown = self.ceiling * (now_ms - self.slowed_ms) / 1000 / _RECOVERY_S
            if grown >= self.ceiling * 0.01:
                self.rate, self.slowed_ms = min(self.ceiling, self.rate + grown), now_ms


@dataclass(slots=True)
class AccountPace:
    """The buckets of an account, all endpoints together under "", and its line."""

    buckets: dict[str, Bucket] = field(default_factory=dict)
    line_ms: float = 0.0

    def buckets_of(self, ceilings: Iterable[tuple[str, float]]) -> list[Bucket]:
        return [self._bucket(name, ceiling) for name, ceiling in ceilings]

    def _bucket(self, name: str, ceiling: float) -> Bucket:
        bucket = self.buckets.get(name)
        if bucket is None:
            bucket = self.buckets[name] = Bucket(ceiling, ceiling)
        elif bucket.ceiling != ceiling:  # the limit or the share has changed
            bucket.rate, bucket.ceiling = bucket.rate / bucket.ceiling * ceiling, ceiling
        return bucket

    def take(self, buckets: Iterable[Bucket], now_ms: int, turn_ms: int | None) -> tuple[float, int | None]:
        """How long the call waits for its turn, which it takes; or its turn in the line, if it has to line up."""
        buckets = list(buckets)
        wait_ms = max((bucket.wait_ms(now_ms) for bucket in buckets), default=0.0)
        if buckets and self._must_line_up(now_ms, turn_ms, wait_ms):
            return wait_ms, self._in_line(min(bucket.rate for bucket in buckets), now_ms, turn_ms, wait_ms)
        return self.go_on(buckets, now_ms), None

    def go_on(self, buckets: Iterable[Bucket], now_ms: int) -> float:
        """How long a further call of one that had its turn waits: it lines up no second time."""
        buckets = list(buckets)
        wait_ms = max((bucket.wait_ms(now_ms) for bucket in buckets), default=0.0)
        for bucket in buckets:
            bucket.take(now_ms)
        return wait_ms

    def _must_line_up(self, now_ms: int, turn_ms: int | None, wait_ms: float) -> bool:
        """Before its turn, or beyond what may wait in memory."""
        return wait_ms > PACE_MS or (self.line_ms if turn_ms is None else turn_ms) > now_ms + PACE_MS

    def _in_line(self, rate: float, now_ms: int, turn_ms: int | None, wait_ms: float) -> int:
        if turn_ms is None or turn_ms <= now_ms + PACE_MS:
            self.line_ms = max(self.line_ms, now_ms + wait_ms) + 1000 / rate
            turn_ms = int(self.line_ms)
        return turn_ms

    def idle(self, now_ms: int) -> bool:
        """Whether forgetting it changes nothing."""
        return self.line_ms <= now_ms and all(
            bucket.wait_ms(now_ms) == 0 and bucket.rate == bucket.ceiling for bucket in self.buckets.values()
        )
