"""Asks Kafka once for all the tasks that wait for an answer of its kind.

The tasks of a process open together, and each question that no open client asks takes a client of its own, with its
connections and logins.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Final, Generic, TypeVar

from aiokafka.errors import KafkaError

K = TypeVar("K")
V = TypeVar("V")
_SHARED_S: Final = 3.0


class _Round(Generic[K, V]):
    """Those that share one question."""

    def __init__(self) -> None:
        self.wanted: set[K] = set()
        self.asked = False
        self.found: Mapping[K, V] | None = None


class SharedQuestion(Generic[K, V]):
    """One kind of question, about things such as partitions.

    An answer is never older than `of`: a task asks after it has fenced its former owner, and what was true before that
    does not count. Where the shared question fails, or takes long, each asks for itself: one partition without a leader
    holds no other task back.
    """

    def __init__(self, ask: Callable[[Collection[K]], Awaitable[Mapping[K, V]]]) -> None:
        self._ask, self._turn = ask, asyncio.Lock()
        self._next: _Round[K, V] = _Round()

    async def of(self, wanted: Collection[K]) -> Mapping[K, V]:
        """The answers about these; those that have none are left out. Raises what the question raises."""
        shared = self._next
        shared.wanted.update(wanted)
        async with self._turn:
            if not shared.asked:
                shared.asked, self._next = True, _Round()  # who asks from now on waits for the next
                with contextlib.suppress(KafkaError, OSError, TimeoutError):
                    async with asyncio.timeout(_SHARED_S):
                        shared.found = await self._ask(shared.wanted)
        found = await self._ask(wanted) if shared.found is None else shared.found
        return {one: found[one] for one in wanted if one in found}
