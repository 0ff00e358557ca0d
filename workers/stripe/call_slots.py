"""Call slots: how many calls a process makes at a time, shared fairly among its tasks.

- A slot that comes free goes to the waiting task that has the fewest, so a deep partition does not take them all.
- A task without a call may always make one, so slow calls of others never stop it. The size is exceeded by that.
- While slots are free, entering one waits for nothing and costs no future.
"""

import asyncio
from collections import deque


class CallSlots:
    """The slots of one process; each of its tasks has `TaskSlots`."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.taken = 0
        self.waiting: dict[TaskSlots, None] = {}

    def of_a_task(self) -> "TaskSlots":
        return TaskSlots(self)


class TaskSlots:
    """One task's slots: `await enter()`, make the call, `leave()`."""

    __slots__ = ("_all", "_queue", "taken")

    def __init__(self, slots: CallSlots) -> None:
        self.taken = 0
        self._all = slots
        self._queue: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        return len(self._queue)

    def enter_now(self) -> bool:
        """Take a slot if there is one."""
        if self._all.taken >= self._all.size and self.taken:
            return False
        self._take()
        return True

    async def enter(self) -> None:
        """Wait for a slot, and take it."""
        slot = asyncio.get_running_loop().create_future()
        self._queue.append(slot)
        self._all.waiting[self] = None
        try:
            await slot
        except asyncio.CancelledError:
            if slot.cancelled():
                self._forget(slot)
            else:  # it was given in the same turn of the loop: the next one has it
                self.leave()
            raise

    def leave(self) -> None:
        slots = self._all
        self.taken -= 1
        slots.taken -= 1
        if not self.taken and self._queue:
            self.give()
        while slots.taken < slots.size and slots.waiting:
            min(slots.waiting, key=_taken).give()

    def _take(self) -> None:
        self.taken += 1
        self._all.taken += 1

    def give(self) -> None:
        """The call that has waited longest gets a slot."""
        slot = self._queue.popleft()
        if not self._queue:
            del self._all.waiting[self]
        if not slot.done():
            self._take()
            slot.set_result(None)

    def _forget(self, slot: asyncio.Future[None]) -> None:
        if slot in self._queue:
            self._queue.remove(slot)
            if not self._queue:
                del self._all.waiting[self]


def _taken(slots: TaskSlots) -> int:
    return slots.taken
