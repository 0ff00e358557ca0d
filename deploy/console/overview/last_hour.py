"""The last hour, minute by minute: events, results, failures and how long commands took. Pure.

The minute that is under way is left out: it would look like a fall.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from stripeline.deploy.console.index.latency_buckets import quantile_ms
from stripeline.deploy.console.overview.sparkline import Curve

MINUTES: Final = 60
MINUTE_MS: Final = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Minute:
    """What came in one minute. median_ms, slow_ms: half, and 95 of 100 commands, took less; None without a result."""

    at_ms: int
    events: int
    results: int
    failed: int
    median_ms: float | None
    slow_ms: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LastHour:
    """The minutes, oldest first, with the same of the whole hour."""

    minutes: Sequence[Minute]
    whole: Minute

    @property
    def most_events(self) -> int:
        return max(one.events for one in self.minutes)

    @property
    def events(self) -> list[Curve]:
        return [Curve([one.events for one in self.minutes])]

    @property
    def failed(self) -> list[Curve]:
        return [Curve([one.failed for one in self.minutes], "bad")]

    @property
    def took(self) -> list[Curve]:
        return [
            Curve([one.slow_ms for one in self.minutes], "second"),
            Curve([one.median_ms for one in self.minutes], "first"),
        ]


def minutes_of(now_ms: int) -> tuple[int, int]:
    """The first and the last whole minute of the last hour, since the epoch."""
    last = now_ms // MINUTE_MS - 1
    return last - MINUTES + 1, last


def last_hour(counts: Mapping[int, Mapping[str, int]], now_ms: int) -> LastHour:
    """counts: by minute and name, as the table `tally` has them."""
    first, last = minutes_of(now_ms)
    minutes = [_minute(number, counts.get(number, {})) for number in range(first, last + 1)]
    whole: Counter[str] = Counter()
    for number in range(first, last + 1):
        whole.update(counts.get(number, {}))
    return LastHour(minutes=minutes, whole=_minute(first, whole))


def _minute(number: int, counts: Mapping[str, int]) -> Minute:
    return Minute(
        at_ms=number * MINUTE_MS, events=counts.get("events", 0), results=counts.get("results", 0),
        failed=counts.get("failed", 0), median_ms=quantile_ms(counts, 0.5), slow_ms=quantile_ms(counts, 0.95),
    )  # fmt: skip
