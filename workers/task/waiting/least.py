"""The least of things that come and go, each with a number: one look, however many there are. Pure."""

import heapq
from collections.abc import Callable, Iterator
from typing import Final, Generic, TypeVar

T = TypeVar("T")
_FEW: Final = 64


class Least(Generic[T]):
    """A heap of (number, thing). What has gone is left out when it is met; there is never more of it than of others.

    has_gone: whether a thing counts no more. Each that goes is said by `one_has_gone`. Things compare by `<`.
    """

    __slots__ = ("_gone", "_has_gone", "_heap")

    def __init__(self, has_gone: Callable[[T], bool]) -> None:
        self._has_gone = has_gone
        self._heap: list[tuple[int, T]] = []
        self._gone = 0

    def __len__(self) -> int:
        return len(self._heap)

    def __iter__(self) -> Iterator[T]:
        return (thing for _, thing in self._heap if not self._has_gone(thing))

    def add(self, number: int, thing: T) -> None:
        heapq.heappush(self._heap, (number, thing))

    def first(self) -> tuple[int, T] | None:
        while self._heap and self._has_gone(self._heap[0][1]):
            heapq.heappop(self._heap)
            self._gone -= 1
        return self._heap[0] if self._heap else None

    def one_has_gone(self) -> None:
        self._gone += 1
        if self._gone > len(self._heap) // 2 + _FEW:
            self._heap = [(number, thing) for number, thing in self._heap if not self._has_gone(thing)]
            heapq.heapify(self._heap)
            self._gone = 0
