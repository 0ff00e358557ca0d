"""The rate gate before Stripe: how fast a connection may call, and whether Stripe still accepts its key. Pure.

Pacing. A token bucket per connection and one per endpoint of it, at this process's share of the limits. A call whose
turn comes within `PACE_MS` waits for it in memory; beyond that the command waits in a tier, so that a connection at its
limit never fills the call slots that others need. A 429 halves the rate, and time without a 429 restores it.
Breaker. A 401 says that the key is revoked: the connection's commands wait, in order and without losing an attempt,
until the key is replaced. Then one call tries the new key, and the others follow once Stripe has accepted it.
https://docs.stripe.com/rate-limits
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from msgspec import Struct

from stripeline.contracts.definitions import Rate
from stripeline.contracts.vocabulary import Code
from stripeline.workers.executor.stripe_answer import Failed, Outcome
from stripeline.workers.executor.stripe_lookup import Missing

PACE_MS = 6_000  # longer than the first tier: what comes back from it finds work still in hand
PAUSE_MIN_MS, PAUSE_MAX_MS = 1_000, 600_000
_SLOWEST = 1 / 32
_RECOVERY_S = 60.0
_UNAUTHORIZED = 401


class Pass(Struct, frozen=True, kw_only=True):
    """The call may be made, after this time, with the key of this name. `probe`: it tries a key that was replaced."""

    delay_ms: int = 0
    key: str | None = None
    probe: bool = False


class Observation(Enum):
    """What an outcome says about its connection."""

    ACCEPTED = auto()
    KEY_REFUSED = auto()  # the first 401 of its key: the command ends with it, and the other processes learn of it
    REFUSED_AGAIN = auto()  # called before the first 401 was known: the command waits with the others


class Hold(Struct, frozen=True, kw_only=True):
    """No call now; ask again after about this time. `turn_ms`: its turn in the line of its connection."""

    wait_ms: int
    why: str
    turn_ms: int | None = None


class ConnectionStatus(Struct, frozen=True, kw_only=True):
    """A connection as the gate sees it, for the metrics.

    paused: Stripe refused its key, which has not been replaced.
    line_ms: how long the last of its line still waits.
    rates: calls per second now and at most, by endpoint; the account's under "".
    """

    connection: str
    paused: bool
    line_ms: float
    rates: Mapping[str, tuple[float, float]]


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
class _Connection:
    buckets: dict[str, Bucket] = field(default_factory=dict)
    line_ms: float = 0.0
    refused_key: str | None = None
    refused_ms: int = 0
    probing: bool = False


@dataclass(slots=True, kw_only=True)
class RateGate:
    """The gate of one process.

    limits: calls per second of a connection and of each endpoint; None: no limit.
    share: the part of them that this process may use.
    key: the name of a connection's key, which does not reveal it; another key has another name.
    refused: the key's name that Stripe refused, and since when, as the control table has it.
    """

    limits: Callable[[str], Rate]
    share: Callable[[], float]
    key: Callable[[str], str | None]
    refused: Callable[[str], tuple[str, int] | None]
    _known: dict[str, _Connection] = field(default_factory=dict)

    def ask(self, connection: str, endpoint: str, now_ms: int, turn_ms: int | None = None) -> Pass | Hold:
        """Whether a call may be made now; `turn_ms` is the turn that it was promised. A `Pass` has taken its turn."""
        mine = self._connection(connection)
        closed = self._closed(mine, connection, now_ms)
        if isinstance(closed, Hold):
            return closed
        buckets = self._buckets(mine, connection, endpoint)
        wait_ms = max((bucket.wait_ms(now_ms) for bucket in buckets), default=0.0)
        if buckets and self._must_line_up(mine, now_ms, turn_ms, wait_ms):
            return self._in_line(mine, min(bucket.rate for bucket in buckets), now_ms, turn_ms, wait_ms)
        for bucket in buckets:
            bucket.take(now_ms)
        mine.probing = closed
        return Pass(delay_ms=int(wait_ms), key=self.key(connection), probe=closed)

    @staticmethod
    def _must_line_up(mine: _Connection, now_ms: int, turn_ms: int | None, wait_ms: float) -> bool:
        """Before its turn, or beyond what may wait in memory. No call overtakes a line that has formed."""
        soon_ms = now_ms + PACE_MS
        return wait_ms > PACE_MS or (mine.line_ms if turn_ms is None else turn_ms) > soon_ms

    @staticmethod
    def _in_line(mine: _Connection, rate: float, now_ms: int, turn_ms: int | None, wait_ms: float) -> Hold:
        if turn_ms is None or turn_ms <= now_ms + PACE_MS:
            mine.line_ms = max(mine.line_ms, now_ms + wait_ms) + 1000 / rate
            turn_ms = int(mine.line_ms)
        return Hold(wait_ms=turn_ms - now_ms, why="waits for its connection's rate", turn_ms=turn_ms)

    def observe(
        self, connection: str, endpoint: str, outcome: Outcome | Missing, permit: Pass, now_ms: int
    ) -> Observation:
        """Learn from the outcome of a call that was let pass."""
        mine = self._connection(connection)
        if isinstance(outcome, Failed) and outcome.error["code"] == Code.RATE_LIMITED:
            for bucket in self._buckets(mine, connection, endpoint):
                bucket.slow(now_ms)
        mine.probing = mine.probing and not permit.probe
        refused = isinstance(outcome, Failed) and outcome.error.get("http_status") == _UNAUTHORIZED
        if not refused or permit.key is None:
            if permit.key != mine.refused_key:
                mine.refused_key = None
            return Observation.ACCEPTED
        if permit.key == mine.refused_key or permit.key != self.key(connection):
            return Observation.REFUSED_AGAIN
        mine.refused_key, mine.refused_ms = permit.key, now_ms
        return Observation.KEY_REFUSED

    def _connection(self, name: str) -> _Connection:
        known = self._known.get(name)
        if known is None:
            known = self._known[name] = _Connection()
        return known

    def connections(self, now_ms: int) -> Iterator[ConnectionStatus]:
        """Every connection that has called since this process began."""
        for name, mine in self._known.items():
            key, noted = self.key(name), self.refused(name)
            refused = {mine.refused_key, None if noted is None else noted[0]} - {None}
            for bucket in mine.buckets.values():
                bucket.wait_ms(now_ms)  # time without a 429 has restored its rate
            yield ConnectionStatus(
                connection=name,
                paused=key in refused,
                line_ms=max(0.0, mine.line_ms - now_ms),
                rates={endpoint: (bucket.rate, bucket.ceiling) for endpoint, bucket in mine.buckets.items()},
            )

    def _closed(self, mine: _Connection, connection: str, now_ms: int) -> Hold | bool:
        """Held while the key is refused or being tried; True for the call that tries a new one."""
        key, noted = self.key(connection), self.refused(connection)
        if noted is not None and noted[0] == key:
            mine.refused_key, mine.refused_ms = noted  # another process got the 401
        if mine.refused_key is None:
            return False
        if mine.refused_key == key:
            wait_ms = min(max(now_ms - mine.refused_ms, PAUSE_MIN_MS), PAUSE_MAX_MS)
            return Hold(wait_ms=wait_ms, why="waits for its connection's key to be replaced")
        if mine.probing:
            return Hold(wait_ms=PAUSE_MIN_MS, why="waits for the call that tries the new key")
        return True

    def _buckets(self, mine: _Connection, connection: str, endpoint: str) -> list[Bucket]:
        limits = self.limits(connection)
        if limits.account is None and limits.endpoint is None:
            return []
        share = self.share()
        wanted = (("", limits.account), (endpoint, limits.endpoint))
        return [_bucket(mine, name, rate * share) for name, rate in wanted if rate is not None and share > 0]


def _bucket(mine: _Connection, name: str, ceiling: float) -> Bucket:
    bucket = mine.buckets.get(name)
    if bucket is None:
        bucket = mine.buckets[name] = Bucket(ceiling, ceiling)
    elif bucket.ceiling != ceiling:  # the limit or the share has changed
        bucket.rate, bucket.ceiling = bucket.rate / bucket.ceiling * ceiling, ceiling
    return bucket


def open_gate() -> RateGate:
    """A gate that lets every call pass: no limits, and keys without names."""
    return RateGate(limits=lambda _: Rate(), share=lambda: 1.0, key=lambda _: None, refused=lambda _: None)
