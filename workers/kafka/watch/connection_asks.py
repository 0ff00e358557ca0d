"""Asks the connections of a worker's producers whether they still lead anywhere, a few at a time.

A connection that a firewall or a balancer forgot takes what is sent, and answers nothing: a commit on it waits for a
request timeout, and on two of them for two, of the 20 s that it has. aiokafka closes one whose request is not answered
in time, so asking finds it before a commit does. What forgets connections mostly forgets all of them at once: a few are
asked every `ASK_S`, and all when one of these has no answer after `LATE_S`. Each is asked once in `ROUND_S` in any
case, which is also what keeps an idle connection from being forgotten.
"""

import asyncio
from collections.abc import Awaitable, Callable
from math import ceil
from typing import Any, Final

from stripeline.workers.kafka.aiokafka_internals import ask_open_connections

ASK_S: Final = 2.0
ROUND_S: Final = 20.0
LATE_S: Final = 1.0


class ConnectionAsks:
    """Of one worker: the clients of its tasks' producers."""

    def __init__(self, ask: Callable[[Any], Awaitable[None]] = ask_open_connections, every_s: float = ASK_S) -> None:
        self._ask, self._every_s = ask, every_s
        self._clients: list[Any] = []
        self._asking: set[asyncio.Task[None]] = set()
        self._rounds: asyncio.Task[None] | None = None

    def add(self, client: Any) -> None:
        """A producer that has begun."""
        self._clients.append(client)
        if self._rounds is None:
            self._rounds = asyncio.create_task(self._run(), name="connections of the producers")

    def remove(self, client: Any) -> None:
        """A producer that ends; it may never have begun."""
        if client in self._clients:
            self._clients.remove(client)
        if not self._clients and self._rounds is not None:
            self._rounds.cancel()
            self._rounds = None

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            some = ceil(len(self._clients) * ASK_S / ROUND_S)
            # Those asked go to the end.
            asked, rest = self._clients[:some], self._clients[some:]
            self._clients = [*rest, *asked]
            if not await self._answer(asked):
                await self._answer(rest)

    async def _answer(self, clients: list[Any]) -> bool:
        """Whether all of them answer soon. What does not goes on, until aiokafka closes the connection."""
        asked = {asyncio.ensure_future(self._ask(client)) for client in clients}
        self._asking |= asked
        for one in asked:
            one.add_done_callback(self._asking.discard)
        return not asked or not (await asyncio.wait(asked, timeout=LATE_S))[1]
