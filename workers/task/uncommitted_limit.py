"""Limits how many records of a partition may be taken and not committed, while Kafka is slow. Pure.

A commit that fails repeats the calls of everything it would have committed. So after one, no more may be in hand than
was committed lately: a Kafka that commits nothing then costs one repeated call at a time, and not a full window of
them. Every commit of a record doubles the limit, until it is gone: slow start, as in RFC 5681.

    no limit ── a commit fails ──► committed lately, at least 1 ── each commit doubles it ──► no limit

Invariants: the limit is at least 1; a failure never raises it.
"""

from collections import deque
from typing import Final

LATELY_S: Final = 10.0
"""As long as a commit may take."""

_NO_LIMIT_FROM: Final = 1_024
"""A limit that is larger than what a task ever has in hand."""


class UncommittedLimit:
    """One partition's, for as long as the process runs: it outlives the task whose commit failed."""

    def __init__(self) -> None:
        self._limit: int | None = None
        self._lately: deque[tuple[float, int]] = deque()

    @property
    def records(self) -> int | None:
        """How many records may be taken and not committed; None for no limit."""
        return self._limit

    def admits(self, uncommitted: int) -> bool:
        """Whether one more record may be taken beside so many that are not committed."""
        return self._limit is None or uncommitted < self._limit

    def committed(self, records: int, now_s: float) -> None:
        self._lately.append((now_s, records))
        self._forget(now_s)
        if self._limit is not None and records:
            doubled = 2 * self._limit
            self._limit = doubled if doubled < _NO_LIMIT_FROM else None

    def failed(self, began_s: float) -> None:
        """A commit that began at `began_s` failed: what was committed before it is what Kafka can take."""
        self._forget(began_s)
        lately = max(1, sum(records for _, records in self._lately))
        self._limit = lately if self._limit is None else min(lately, self._limit)

    def _forget(self, now_s: float) -> None:
        while self._lately and now_s - self._lately[0][0] > LATELY_S:
            self._lately.popleft()
