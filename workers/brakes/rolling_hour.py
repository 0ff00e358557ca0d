"""Counts over a rolling hour, in minutes. Pure.

Invariants:
- A minute counts until all of it is an hour ago: nothing is forgotten early.
- What began before a release counts no more after it, and what begins after it is in minutes of its own.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from stripeline.contracts.limits import HOUR_MS
from stripeline.contracts.operator.spending import Spending, SpentMinute

MINUTE_MS: Final = 60_000
NOTHING: Final = Spending(minutes=())


class Cost(NamedTuple):
    """What one more command counts for: an effect, and an amount in a currency where its action has one."""

    currency: str = ""
    amount: int = 0


@dataclass(slots=True, kw_only=True)
class Total:
    """A sum of spending."""

    count: int = 0
    amount: dict[str, int] = field(default_factory=dict)

    def add(self, cost: Cost) -> None:
        self.count += 1
        if cost.amount:
            self.amount[cost.currency] = self.amount.get(cost.currency, 0) + cost.amount


def total(spendings: Iterable[Spending], now_ms: int, released_ms: int = 0) -> Total:
    """All that counts now."""
    found = Total()
    for spending in spendings:
        for minute in spending.minutes:
            if counts(minute.since_ms, now_ms, released_ms):
                found.count += minute.count
                for currency, amount in minute.amount.items():
                    found.amount[currency] = found.amount.get(currency, 0) + amount
    return found


def counts(since_ms: int, now_ms: int, released_ms: int) -> bool:
    """Whether what began in a minute counts: it began after the release, and not all of the minute is an hour ago."""
    return since_ms >= released_ms and since_ms - since_ms % MINUTE_MS + MINUTE_MS > now_ms - HOUR_MS


def minute_of(at_ms: int, released_ms: int) -> int:
    """The beginning of the minute that a time counts in: after a release, its rest."""
    return max(at_ms - at_ms % MINUTE_MS, released_ms)


def with_cost(spending: Spending, cost: Cost, now_ms: int, released_ms: int = 0) -> Spending:
    """The spending with one more, and without what is over."""
    since_ms = minute_of(now_ms, released_ms)
    kept = [one for one in spending.minutes if counts(one.since_ms, now_ms, released_ms)]
    same = next((one for one in kept if one.since_ms == since_ms), SpentMinute(since_ms=since_ms))
    amount = dict(same.amount)
    if cost.amount:
        amount[cost.currency] = amount.get(cost.currency, 0) + cost.amount
    grown = SpentMinute(since_ms=since_ms, count=same.count + 1, amount=amount)
    return Spending(minutes=(*(one for one in kept if one is not same), grown))


def of_seconds(seconds: Mapping[int, int], released_ms: int) -> Spending:
    """Counts by the second that they began in, as minutes."""
    minutes: dict[int, int] = {}
    for second, count in seconds.items():
        last_ms = second * 1000 + 999
        # The second of the release counts as after it: what is paused begins nothing in between.
        since_ms = minute_of(last_ms, released_ms if released_ms <= last_ms else 0)
        minutes[since_ms] = minutes.get(since_ms, 0) + count
    return Spending(minutes=tuple(SpentMinute(since_ms=since, count=minutes[since]) for since in sorted(minutes)))


def in_seconds(seconds: Mapping[int, int], now_ms: int, released_ms: int) -> int:
    """How much of it counts now, of counts by the second."""
    oldest = max(now_ms - HOUR_MS, released_ms) // 1000
    return sum(count for second, count in seconds.items() if second >= oldest)


def is_over(spending: Spending, now_ms: int) -> bool:
    return not any(counts(one.since_ms, now_ms, 0) for one in spending.minutes)
