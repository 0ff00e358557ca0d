"""Retry tiers: how long a command waits after a retryable failure. Each tier has a topic named after it.

| attempt | waits in tier | since the first attempt |
|--------:|---------------|-------------------------|
|       1 |               | 0 s                     |
|       2 | 5s            | 5 s                     |
|       3 | 30s           | 35 s                    |
|       4 | 2m            | 2 min 35 s              |
|       5 | 10m           | 12 min 35 s             |
|       6 | 1h            | 1 h 12 min 35 s         |

After the last tier the command fails. The sum of the tiers must stay below the horizon: Stripe forgets an
Idempotency-Key after 24 h (https://docs.stripe.com/api/idempotent_requests), so no POST is sent later than 23 h after
the command was appended.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

HORIZON_MS = 23 * 3_600_000
DAY_MS = 24 * 3_600_000
WINDOW_MS = 30 * DAY_MS
"""How long ids are remembered. Stripe retries for 3 days, and a person can resend for 30."""

RETRY_TOPIC = "action-retry."
DEFAULT_TIERS = "5s,30s,2m,10m,1h"
_UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000}
_DURATION = re.compile(r"^([0-9]{1,9})(ms|s|m|h)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """One retry topic. All its records have the same delay, so they are ordered by due time."""

    name: str
    delay_ms: int

    @property
    def topic(self) -> str:
        return RETRY_TOPIC + self.name


def parse_duration_ms(text: str) -> int:
    """`5s`, `2m`, `1h`, `250ms` in milliseconds. Raises ValueError."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a duration: write a number and a unit, like 5s, 2m or 1h")
    return int(match[1]) * _UNITS_MS[match[2]]


@lru_cache(maxsize=64)
def duration_of(name: str) -> int:
    """The delay of a tier, by its name; 0 where the name is no duration."""
    try:
        return parse_duration_ms(name)
    except ValueError:
        return 0


def parse_tiers(text: str) -> tuple[Tier, ...]:
    """`5s,30s,2m` as tiers. Raises ValueError unless the delays increase and their sum is below the horizon."""
    tiers = tuple(Tier(name=name.strip(), delay_ms=parse_duration_ms(name)) for name in text.split(",") if name.strip())
    delays = [tier.delay_ms for tier in tiers]
    if not tiers or delays != sorted(set(delays)) or delays[0] <= 0:
        raise ValueError(f"retry tiers {text!r} must be one or more durations, each longer than the one before")
    if sum(delays) >= HORIZON_MS:
        raise ValueError(f"retry tiers {text!r} add up to 23 h or more: Stripe forgets an idempotency key after 24 h")
    return tiers


def tier_for(tiers: Sequence[Tier], *, attempt: int, at_least_ms: int = 0) -> Tier | None:
    """The tier after failed attempt number `attempt` (1 is the first); None after the last attempt.

    It is the scheduled tier, or a longer one that covers `at_least_ms`, but at most the last one.
    """
    if attempt > len(tiers):
        return None
    return next((tier for tier in tiers[attempt - 1 :] if tier.delay_ms >= at_least_ms), tiers[-1])


def within(tiers: Sequence[Tier], wait_ms: int) -> Tier:
    """The largest tier that ends within a wait, but at least the first. A command that returns early waits again."""
    return next((tier for tier in reversed(tiers) if tier.delay_ms <= wait_ms), tiers[0])


def covering(tiers: Sequence[Tier], wait_ms: int) -> Tier:
    """The smallest tier that covers a wait, but at most the last one."""
    return next((tier for tier in tiers if tier.delay_ms >= wait_ms), tiers[-1])
