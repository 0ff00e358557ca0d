"""Writes of many, to the control topic: one call for all that came while the last one ran.

Each sweep writes how far it came. A producer for each of seventeen records a second would cost more than the sweeps.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

Changes = Mapping[str, bytes | None]


@dataclass(slots=True)
class _Group:
    changes: dict[str, bytes | None] = field(default_factory=dict)
    written: bool = False
    error: Exception | None = None


class GroupedWrites:
    """Called with changes: returns when they are written. write: of all of a group."""

    def __init__(self, write: Callable[[Changes], Awaitable[None]]) -> None:
        self._write, self._turn, self._next = write, asyncio.Lock(), _Group()

    async def __call__(self, changes: Changes) -> None:
        """Raises what the write of the group raises."""
        group = self._next
        group.changes |= changes
        async with self._turn:
            if group is self._next:
                self._next = _Group()
            if not group.written and group.error is None:  # else one that came before did it for all of them
                await self._carry_out(group)
        if group.error is not None:
            raise group.error

    async def _carry_out(self, group: _Group) -> None:
        try:
            await self._write(group.changes)
        except Exception as error:  # noqa: BLE001  each of the group raises it
            group.error = error
        else:
            group.written = True
