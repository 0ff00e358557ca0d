"""Decides whether a member's reads may wait long at the broker. Pure.

A fetch that waits holds back a partition that it leaves out: one that had no room for records when it was sent, and has
some now. So only a member that takes from all of its partitions, and has got nothing for a while, waits long; and the
first record ends it, before the next fetch is sent.
"""

from typing import Final

QUIET_S: Final = 2.0


class IdleReads:
    """Whether the reads of one member are idle."""

    def __init__(self) -> None:
        self._since_s: float | None = None

    def look(self, now_s: float, *, takes_all: bool) -> bool:
        """Before a read. takes_all: whether every partition has an open task with room for records."""
        if not takes_all:
            self._since_s = None
        elif self._since_s is None:
            self._since_s = now_s
        return self._since_s is not None and now_s - self._since_s >= QUIET_S

    def got_records(self) -> None:
        self._since_s = None
