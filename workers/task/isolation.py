"""Finds the input partition that a read of several fails at, and the record in it. Pure.

A consumer's read of several partitions fails as a whole, and does not say at which of them. So:

    together ── fails ──► each alone ── fails ──► record by record ── fails ──► its position is the one to examine
        ▲                     │                          │
        └──── no failure for a while ────────────────────┘

Record by record, because a failed read also drops the good records before the failure.
"""

from collections.abc import Iterator, Sequence
from typing import Final, Generic, TypeVar

from msgspec import Struct

P = TypeVar("P")

CALM_S: Final = 5.0
"""A partition that has not failed for so long is read together with the others again."""


class Ask(Struct, Generic[P], frozen=True):
    """One read: which partitions, and whether together, as most are, or one of them, or one of them by record."""

    partitions: tuple[P, ...]
    together: bool = True
    by_record: bool = False


class Isolation(Generic[P]):
    """Which partitions of a member are read how."""

    def __init__(self) -> None:
        self._alone: dict[P, float] = {}
        self._by_record: dict[P, float] = {}

    def asks(self, wanted: Sequence[P], now_s: float) -> Iterator[Ask[P]]:
        """The reads to make of what is wanted: those of one partition first, because only the last one waits."""
        self._alone, self._by_record = _until(self._alone, now_s), _until(self._by_record, now_s)
        for one in wanted:
            if one in self._by_record:
                yield Ask((one,), together=False, by_record=True)
            elif one in self._alone:
                yield Ask((one,), together=False)
        together = tuple(one for one in wanted if one not in self._by_record and one not in self._alone)
        if together:
            yield Ask(together)

    def failed(self, ask: Ask[P], now_s: float) -> P | None:
        """A read failed. The partition whose next record can't be read; None where that is not known yet."""
        one = ask.partitions[0]
        if ask.by_record:
            return one
        if ask.together and len(ask.partitions) > 1:
            self._alone.update(dict.fromkeys(ask.partitions, now_s + CALM_S))
        else:
            self._alone.pop(one, None)
            self._by_record[one] = now_s + CALM_S
        return None

    def watch(self, one: P, now_s: float) -> None:
        """Read a partition record by record for a while: it is known to have failed."""
        self._by_record[one] = now_s + CALM_S


def _until(modes: dict[P, float], now_s: float) -> dict[P, float]:
    return {one: end_s for one, end_s in modes.items() if end_s > now_s} if modes else modes
