"""How long the tasks of one worker rest between their commits, so that all of them together do not overload Kafka.

A transaction costs the broker milliseconds of CPU and five requests, whatever is in it. With sixteen partitions at the
interval that is 300 transactions a second of a few records each, which cost more than the work: they wait for each
other, and every record with them. So where commits are slow, and together more than `MOST_PER_S`, all tasks rest
longer, half a second at most. Where they are fast, as with few partitions or a large cluster, the interval holds; and
where they are slow for being far away, few tasks are not held up. Pure.
"""

from typing import Final

MOST_PER_S: Final = 40.0
"""Transactions of one worker whose commits are slow."""
SLOW_S: Final = 0.03
"""A commit takes 5 to 20 ms on a broker that has CPU left."""
_REST_MAX_S: Final = 0.5
_WINDOW_S: Final = 0.25
_STEP: Final = 2.0
"""At most by this factor from one window to the next."""


class CommitPace:
    """interval_s: as it is set."""

    def __init__(self, interval_s: float) -> None:
        self._interval_s = self._rest_s = interval_s
        self._commits, self._took_s, self._since_s = 0, 0.0, 0.0

    @property
    def rest_s(self) -> float:
        """Between two commits of a task, at least."""
        return self._rest_s

    def committed(self, now_s: float, took_s: float) -> None:
        """One task has committed."""
        self._commits += 1
        self._took_s += took_s
        window_s = now_s - self._since_s
        if window_s < _WINDOW_S:
            return
        slow = self._took_s / self._commits >= SLOW_S
        factor = self._commits / window_s / MOST_PER_S if slow else 1 / _STEP
        rest_s = self._rest_s * min(_STEP, max(1 / _STEP, factor))
        self._rest_s = max(self._interval_s, min(_REST_MAX_S, rest_s))
        self._commits, self._took_s, self._since_s = 0, 0.0, now_s
