"""How long the tasks of one worker rest between their commits, so that all of them together commit at a bearable rate.

A transaction costs the broker about a millisecond and five requests, whatever is in it. With sixteen partitions at the
interval that is 300 transactions a second of a few records each, which cost more than the work. So beyond a rate all
tasks rest longer, at most half a second; below it, as when work comes singly, nobody waits longer than the interval.
Pure.
"""

from typing import Final

MOST_PER_S: Final = 100.0
"""Transactions of one worker. Five tasks at an interval of 50 ms commit as often."""
_TASKS_AT_THE_INTERVAL: Final = 5
_REST_MAX_S: Final = 0.5
_WINDOW_S: Final = 0.25
_STEP: Final = 2.0
"""At most by this factor from one window to the next."""


class CommitPace:
    """interval_s: as it is set. A shorter one asks for more transactions, and gets them."""

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._most_per_s = max(MOST_PER_S, _TASKS_AT_THE_INTERVAL / interval_s)
        self._rest_s, self._commits, self._since_s = interval_s, 0, 0.0

    @property
    def rest_s(self) -> float:
        """Between two commits of a task, at least."""
        return self._rest_s

    def committed(self, now_s: float) -> None:
        """One task has committed."""
        self._commits += 1
        took_s = now_s - self._since_s
        if took_s < _WINDOW_S:
            return
        factor = min(_STEP, max(1 / _STEP, self._commits / took_s / self._most_per_s))
        longest_s = max(self._interval_s, _REST_MAX_S)
        self._rest_s = min(longest_s, max(self._interval_s, self._rest_s * factor))
        self._commits, self._since_s = 0, now_s
