"""Call slots: how many calls a process makes at a time, shared fairly among its tasks, and never exceeded.

- A slot that comes free goes to the waiting task that has the fewest, so a deep partition does not take them all.
- A sixteenth of the slots, one at least of several, is kept for tasks without a call, one each, so that slow calls of
  others never stop them. Where there are more such tasks than kept slots, they have the next ones that come free.
- While slots are free, entering one waits for nothing and costs no future.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

_KEPT: Final = 16
"""One slot of so many is kept: of 256 one for each of 16 tasks. A task that is alone with its work has the others."""


class CallSlots:
    """The slots of one process; each of its tasks has `TaskSlots`. tasks: how many there are now."""

    def __init__(self, size: int, tasks: Callable[[], int] = lambda: 0) -> None:
        self.size, self._tasks = size, tasks
        self.taken = self.busy = 0  # busy: tasks with a call
        self.waiting: dict[TaskSlots, None] = {}

    def of_a_task(self) -> "TaskSlots":
        return TaskSlots(self)

    def is_free(self, mine: int) -> bool:
        """Whether a task that has so many slots may take one more."""
        return self.taken < (self.size - self._kept() if mine else self.size)

    def _kept(self) -> int:
        return min(max(0, self._tasks() - self.busy), max(1, self.size // _KEPT), self.size - 1)


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
        if not self._all.is_free(self.taken):
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
        slots.busy -= not self.taken
        while slots.waiting:
            fewest = min(slots.waiting, key=_taken)
            if not slots.is_free(fewest.taken):
                return
            fewest.give()

    def _take(self) -> None:
        self._all.busy += not self.taken
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
