"""Memory for the events of many sweeps' slices. In all it is bounded; each slice takes what it needs, page by page.

A slice that finds no room for its next page gives up what it has, and waits for all that it may ever need while it
holds nothing: none that waits is waited for. Room that comes free goes to the one that has waited longest.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class SliceRoom:
    """size: bytes of all slices together."""

    def __init__(self, size: int) -> None:
        self.size = self._free = size
        self._queue: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def waiting(self) -> int:
        """How many slices wait for room."""
        return len(self._queue)

    @asynccontextmanager
    async def place(self, size: int) -> AsyncIterator["SlicePlace"]:
        """Wait for so much room, and hold it, with what is added to it, to the end of the block."""
        size = min(size, self.size)
        await self._enter(size)
        place = SlicePlace(self, size)
        try:
            yield place
        finally:
            place.shrink(0)

    def take(self, size: int) -> bool:
        """At once, or not at all; not while others wait."""
        if self._queue or size > self._free:
            return False
        self._free -= size
        return True

    def give(self, size: int) -> None:
        self._free += size
        while self._queue and self._queue[0][0] <= self._free:
            wanted, turn = self._queue.popleft()
            if not turn.done():  # it has not gone
                self._free -= wanted
                turn.set_result(None)

    async def _enter(self, size: int) -> None:
        if self.take(size):
            return
        waits = (size, asyncio.get_running_loop().create_future())
        self._queue.append(waits)
        try:
            await waits[1]
        except asyncio.CancelledError:
            if waits in self._queue:
                self._queue.remove(waits)
            self.give(0 if waits[1].cancelled() else size)  # what was given in the same turn of the loop
            raise


class SlicePlace:
    """What one slice holds."""

    __slots__ = ("_room", "size")

    def __init__(self, room: SliceRoom, size: int) -> None:
        self._room, self.size = room, size

    def covers(self, size: int) -> bool:
        """Whether it is so large, or could be made so."""
        more = size - self.size
        if more > 0:
            if not self._room.take(more):
                return False
            self.size = size
        return True

    def shrink(self, size: int) -> None:
        if size < self.size:
            self._room.give(self.size - size)
            self.size = size
