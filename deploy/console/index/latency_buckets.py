"""How long commands take, as counts in buckets: enough for a median and a 95th percentile of a minute. Pure.

A result counts once, in the first bucket that holds it, under a name such as `latency<=250`. The time is from the
command's append to its result, with all its waits in retry tiers.
"""

from bisect import bisect_left
from collections.abc import Mapping
from typing import Final

BOUNDS_MS: Final = (
    50, 75, 100, 150, 200, 300, 400, 500, 750, 1_000, 1_500, 2_000, 3_000, 5_000, 7_500, 10_000, 15_000, 30_000,
    60_000, 120_000, 300_000, 600_000, 1_800_000, 3_600_000, 21_600_000, 86_400_000,
)  # fmt: skip
PREFIX: Final = "latency<="
_LONGER: Final = f"{PREFIX}inf"
_NAMES: Final = (*(f"{PREFIX}{bound}" for bound in BOUNDS_MS), _LONGER)


def latency_name(took_ms: int) -> str:
    """The bucket of one result."""
    return _NAMES[bisect_left(BOUNDS_MS, took_ms)]


def quantile_ms(counts: Mapping[str, int], share: float) -> float | None:
    """The time that a share of the results stayed below, such as 0.95: between the bounds of its bucket, by its rank.

    counts: by name; other names are left out. None without a result. Beyond the last bound it is that bound.
    """
    found = [counts.get(name, 0) for name in _NAMES]
    wanted = share * sum(found)
    if not sum(found):
        return None
    below, lower = 0, 0
    for count, bound in zip(found, BOUNDS_MS, strict=False):
        if count and below + count >= wanted:
            return lower + (bound - lower) * (wanted - below) / count
        below, lower = below + count, bound
    return float(BOUNDS_MS[-1])
