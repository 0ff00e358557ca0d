"""Key lanes: records of one key in order, one at a time; different keys side by side.

Pure: it decides which item may start, and never runs one. An item starts when it is the oldest unfinished one of its
lane and fewer than `limit` items run. Lanes that wait are served in the order in which they became ready.

What waits in a lane beyond `CROWD` items is counted by itself, so that a long lane is no reason to take no items of
others.
"""

from collections import deque
from collections.abc import Hashable
from typing import Final, Generic, TypeVar

T = TypeVar("T")
CROWD: Final = 16


class KeyLanes(Generic[T]):
    """Items by lane. `add` an item, `start` what may run, `finish` a lane's running item."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        # A lane is here while one of its items runs or is ready; most have no other one, and need no queue.
        self._waiting: dict[Hashable, deque[T] | None] = {}
        self._ready: deque[tuple[Hashable, T]] = deque()
        self.running = 0
        self.held = self.beyond = 0

    @property
    def ready(self) -> int:
        """Items that could run, and wait for the limit alone."""
        return len(self._ready)

    def __len__(self) -> int:
        """Items that are not finished: running, ready, or behind one of their lane."""
        return self.held

    @property
    def blocked(self) -> int:
        """Items that wait behind one of their lane, without those beyond `CROWD`."""
        return self.held - self.beyond - len(self._waiting)

    def add(self, lane: Hashable, item: T) -> None:
        self.held += 1
        if lane not in self._waiting:
            self._waiting[lane] = None
            self._ready.append((lane, item))
            return
        behind = self._waiting[lane]
        if behind is None:
            self._waiting[lane] = deque((item,))
        else:
            self.beyond += len(behind) >= CROWD
            behind.append(item)

    def behind(self, lane: Hashable) -> int:
        """How many items wait behind the first of a lane."""
        return len(self._waiting[lane] or ())

    def start(self) -> tuple[Hashable, T] | None:
        """The next item that may run now, with its lane; None when nothing is ready or the limit is reached."""
        if not self._ready or self.running >= self.limit:
            return None
        self.running += 1
        return self._ready.popleft()

    def finish(self, lane: Hashable) -> None:
        """The running item of a lane has ended: the next of its lane becomes ready."""
        self.running -= 1
        self.held -= 1
        behind = self._waiting[lane]
        if behind:
            self.beyond -= len(behind) > CROWD
            self._ready.append((lane, behind.popleft()))
        else:
            del self._waiting[lane]
