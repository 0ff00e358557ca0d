"""Room for the calls of one process: so many at a time, shared fairly among its tasks.

- A place that comes free goes to the task that has the fewest, so a deep partition does not take it all.
- A task without a call may always make one, so slow calls of others never stop it. The size is exceeded by that.
- Where there is room, entering waits for nothing and costs no future.
"""

import asyncio
from collections import deque


class Room:
    """The places of one process; each of its tasks has a `Share`."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.taken = 0
        self.waiting: dict[Share, None] = {}

    def share(self) -> "Share":
        return Share(self)


class Share:
    """One task's part: `await enter()`, make the call, `leave()`."""

    __slots__ = ("_places", "_room", "inside")

    def __init__(self, room: Room) -> None:
        self.inside = 0
        self._room = room
        self._places: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        return len(self._places)

    def enter_now(self) -> bool:
        """Take a place if there is one."""
        room = self._room
        if room.taken >= room.size and self.inside:
            return False
        self._take()
        return True

    async def enter(self) -> None:
        """Take a place, and wait for it."""
        place = asyncio.get_running_loop().create_future()
        self._places.append(place)
        self._room.waiting[self] = None
        try:
            await place
        except asyncio.CancelledError:
            if place.cancelled():
                self._forget(place)
            else:  # it was given in the same turn of the loop: the next one has it
                self.leave()
            raise

    def leave(self) -> None:
        room = self._room
        self.inside -= 1
        room.taken -= 1
        if not self.inside and self._places:
            self.give()
        while room.taken < room.size and room.waiting:
            min(room.waiting, key=_inside).give()

    def _take(self) -> None:
        self.inside += 1
        self._room.taken += 1

    def give(self) -> None:
        place = self._places.popleft()
        if not self._places:
            del self._room.waiting[self]
        if not place.done():
            self._take()
            place.set_result(None)

    def _forget(self, place: asyncio.Future[None]) -> None:
        if place in self._places:
            self._places.remove(place)
            if not self._places:
                del self._room.waiting[self]


def _inside(share: Share) -> int:
    return share.inside
