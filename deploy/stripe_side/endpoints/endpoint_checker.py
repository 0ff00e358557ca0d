"""Looks at the endpoints at Stripe from time to time, in the process that owns executor partition 0.

Each connection by itself, some at a time. What is wrong is on that process's report, so that `status` and the console
need not ask Stripe. A connection is looked at again soon after what its endpoints want, or what was made for them, has
changed.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from msgspec.structs import replace
from pydantic import SecretStr

from stripeline.contracts.definitions import Definitions
from stripeline.contracts.operator.worker_report import EndpointTrouble, WorkerReport
from stripeline.contracts.vocabulary import Fault
from stripeline.deploy.runtime.derived.connection_parts import ConnectionParts
from stripeline.deploy.stripe_side.endpoints.endpoint_calls import destinations_there
from stripeline.deploy.stripe_side.endpoints.endpoint_requests import NotDone
from stripeline.deploy.stripe_side.endpoints.endpoint_troubles import endpoint_troubles
from stripeline.deploy.stripe_side.endpoints.wanted_destinations import wanted_destinations
from stripeline.workers.executor.stripe_answer import StripeAnswer

EVERY_S: Final = 900.0
CHANGED_S: Final = 10.0
_TICK_S: Final = 1.0
_REPORTED: Final = 100
_AT_A_TIME: Final = 32
_AT_ONCE: Final = 50
_A_TICK: Final = 256
"""Looked at before changes are noted again: the first look at ten thousand connections takes minutes."""


@dataclass(slots=True)
class _Connection:
    """about: what its endpoints want, and what was made for them. due_s: when it is looked at. found: the last time."""

    about: object
    due_s: float
    found: list[EndpointTrouble] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class EndpointChecker:
    """installation: its id, once it is known. key: a connection's, None where it can't be opened.

    owns: whether partition 0 is ours. read: a GET with a key, for an account. monotonic: seconds.
    """

    installation: Callable[[], str]
    definitions: Callable[[], Definitions]
    key: Callable[[str], SecretStr | None]
    owns: Callable[[], bool]
    read: Callable[[str, SecretStr, str | None], Awaitable[StripeAnswer | Fault]]
    monotonic: Callable[[], float] = time.monotonic
    troubles: tuple[EndpointTrouble, ...] = ()
    _parts: ConnectionParts = field(default_factory=ConnectionParts)
    _connections: dict[str, _Connection] = field(default_factory=dict)
    _room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_A_TIME))

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            if not await self.once():
                await asyncio.sleep(_TICK_S)

    async def once(self) -> bool:
        """Look, where it is time. Whether there is more to look at."""
        if not self.owns():
            self.troubles, self._parts, self._connections = (), ConnectionParts(), {}
            return False
        now = self.definitions()
        for number, name in enumerate(sorted(self._parts.changed(now)), start=1):
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)  # commands are not to wait for it
            self._note(name, self._parts.of(name))
        now_s = self.monotonic()
        due = [name for name, one in self._connections.items() if one.due_s <= now_s]
        await asyncio.gather(*(self._look(name, now) for name in due[:_A_TICK]))
        self._show()
        return len(due) > _A_TICK

    def reported(self, report: WorkerReport) -> WorkerReport:
        return replace(report, endpoints=self.troubles)

    def _note(self, name: str, own: Definitions) -> None:
        """A connection changes for many reasons: only what is about endpoints is one to look."""
        known = self._connections.get(name)
        if not own.endpoints:
            self._connections.pop(name, None)
            return
        about = (wanted_destinations(own), dict(own.destinations))
        if known is None:
            self._connections[name] = _Connection(about, self.monotonic())
        elif known.about != about:
            known.about, known.due_s = about, min(known.due_s, self.monotonic() + CHANGED_S)

    async def _look(self, name: str, now: Definitions) -> None:
        async with self._room:
            if not self.owns():
                return
            key, closed = self.key(name), NotDone(why="the executor can't open its connection's key")
            looked = closed if key is None else await destinations_there(self.read, key)
        known = self._connections.get(name)
        if known is not None:
            known.due_s = self.monotonic() + EVERY_S
            known.found = endpoint_troubles(self._parts.of(name), self.installation(), {name: looked}, around=now)

    def _show(self) -> None:
        found = (trouble for one in self._connections.values() for trouble in one.found)
        self.troubles = tuple(sorted(found, key=lambda one: one.endpoint))[:_REPORTED]


@asynccontextmanager
async def checking(checker: EndpointChecker) -> AsyncIterator[None]:
    """Look beside a block."""
    task = asyncio.create_task(checker.run(), name="looks at endpoints at Stripe")
    try:
        yield
    finally:
        task.cancel()
