"""Decides whether it is time for a new producer beside one that still works, and how often. Pure."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """The pause after the first replacement, doubled after each, to the longest; after so much quiet it is the first.

    A cause that a new producer does not remove must not cost one a second, nor hold up the next cause for long.
    """

    first_s: float
    longest_s: float


BROKEN: Final = Pace(first_s=0.5, longest_s=10.0)
"""The producer failed, or its numbers for a partition have a gap: deliveries get 503 until it is replaced."""
STALLED: Final = Pace(first_s=30.0, longest_s=600.0)
"""Kafka answers, and acknowledges nothing: most often the partitions' own trouble, which a new producer can't help."""


class Renewals:
    """The replacements for one kind of cause."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._pause_s = pace.first_s
        self._last_s: float | None = None

    def due(self, now_s: float) -> bool:
        """Whether a replacement may begin now; if so, it counts as begun."""
        if self._last_s is not None:
            quiet_s = now_s - self._last_s
            if quiet_s < self._pause_s:
                return False
            again = quiet_s < 2 * self._pause_s + self._pace.first_s
            self._pause_s = min(2 * self._pause_s, self._pace.longest_s) if again else self._pace.first_s
        self._last_s = now_s
        return True
