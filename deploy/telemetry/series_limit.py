"""Bounds the series of a metric that has one for each trigger, connection or workflow. Pure.

Ten thousand tenants would make a hundred thousand series a process: seconds of its time at each scrape, and as many for
Prometheus to keep. Beyond `MOST` the rest is shown together, under `(others)`:

- of a counter the first that were counted stay by themselves, so that no series ever falls;
- of a gauge those that need a look stay: the highest, or the lowest where the lowest matters.
"""

from collections.abc import Iterable, Sequence
from typing import Final, Literal

MOST: Final = 1_000
OTHERS: Final = "(others)"
_OF_TENANTS: Final = frozenset({"trigger", "connection", "workflow", "name", "secret"})
Labels = tuple[str, ...]
Over = Literal["sum", "max", "min"]


def limited(
    labels: Labels, found: Sequence[tuple[Labels, float]], *, counter: bool, over: Over, most: int = MOST
) -> Sequence[tuple[Labels, float]]:
    """The samples of a metric with these labels. over: how several values become one."""
    if len(found) <= most or not _OF_TENANTS.intersection(labels):
        return found
    ordered = found if counter else sorted(found, key=lambda one: one[1], reverse=over != "min")
    return [*ordered[:most], *_together(labels, ordered[most:], "sum" if counter else over)]


def _together(labels: Labels, rest: Iterable[tuple[Labels, float]], over: Over) -> Iterable[tuple[Labels, float]]:
    """By the labels that are no tenant's."""
    found: dict[Labels, float] = {}
    for values, value in rest:
        key = tuple(OTHERS if label in _OF_TENANTS else text for label, text in zip(labels, values, strict=True))
        before = found.get(key)
        found[key] = value if before is None else _one(before, value, over)
    return found.items()


def _one(first: float, second: float, over: Over) -> float:
    match over:
        case "sum":
            return first + second
        case "max":
            return max(first, second)
        case "min":
            return min(first, second)
