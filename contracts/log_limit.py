"""Whether a log line may go out now: one of a kind in a while. Pure; the caller brings the time and writes the line.

What a client or an absent broker can cause a thousand times a second must not fill a disk.
"""

from collections.abc import Hashable


class LogLimit:
    """At most one line of a kind every `every_s`. Kinds must be few: each is kept for ever."""

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._next_s: dict[Hashable, float] = {}
        self._left_out: dict[Hashable, int] = {}

    def admit(self, kind: Hashable, now_s: float) -> int | None:
        """How many lines of this kind were left out since the last one; None where this one is left out too."""
        if now_s < self._next_s.get(kind, now_s):
            self._left_out[kind] = self._left_out.get(kind, 0) + 1
            return None
        self._next_s[kind] = now_s + self._every_s
        return self._left_out.pop(kind, 0)
