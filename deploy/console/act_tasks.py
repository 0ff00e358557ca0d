"""The work of acts that goes on when the browser that asked for it has gone. Knows no act."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

MAX_AT_ONCE: Final = 4


class ActTasks:
    """Tasks by the ids of their acts: at most `MAX_AT_ONCE`. Close it: what still works is cancelled."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[None]] = {}

    @property
    def count(self) -> int:
        return len(self._tasks)

    @property
    def full(self) -> bool:
        return self.count >= MAX_AT_ONCE

    def start(self, act_id: str, work: Coroutine[Any, Any, None]) -> None:
        task = self._tasks[act_id] = asyncio.create_task(work, name=f"act {act_id}")
        task.add_done_callback(lambda ended: self._ended(act_id, ended))

    def _ended(self, act_id: str, task: asyncio.Task[None]) -> None:
        if self._tasks.get(act_id) is task:
            del self._tasks[act_id]

    async def settled(self, act_id: str, timeout_s: float) -> None:
        """Wait until the work of an act has ended, but not longer."""
        if (task := self._tasks.get(act_id)) is not None:
            await asyncio.wait([task], timeout=timeout_s)

    async def close(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
