"""Decides which process of a group gets the next connection: the one with the fewest open ones. Pure.

Connections live long and are unequal in number after a restart: turns alone would leave a process that was started
again with nothing but new ones. Among equals the one whose last connection is the longest ago is first.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(slots=True)
class _Load:
    open: int = 0
    latest: int = 0


class ConnectionSpread:
    """The processes that serve, by number, and how many connections each has."""

    def __init__(self) -> None:
        self._loads: dict[int, _Load] = {}
        self._given = 0

    def serves(self, number: int) -> None:
        self._loads[number] = _Load()

    def ends(self, number: int) -> None:
        self._loads.pop(number, None)

    def given(self, number: int) -> None:
        self._given += 1
        load = self._loads[number]
        load.open, load.latest = load.open + 1, self._given

    def closed(self, number: int, count: int) -> None:
        if (load := self._loads.get(number)) is not None:
            load.open -= count

    def order(self) -> Sequence[int]:
        """The processes, the one for the next connection first. Empty when none serves."""
        return sorted(self._loads, key=lambda number: (self._loads[number].open, self._loads[number].latest))
