"""Looks at the endpoints at Stripe from time to time, in the process that owns executor partition 0.

What is wrong is on that process's report, so that nobody who shows it must ask Stripe. It looks again soon after what
the endpoints want, or what was made for them, has changed.
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
from stripeline.deploy.stripe_side.endpoints.endpoint_calls import destinations_there
from stripeline.deploy.stripe_side.endpoints.endpoint_requests import NotDone
from stripeline.deploy.stripe_side.endpoints.endpoint_troubles import endpoint_troubles
from stripeline.deploy.stripe_side.endpoints.stripe_destinations import StripeDestination
from stripeline.deploy.stripe_side.endpoints.wanted_destinations import wanted_destinations
from stripeline.workers.executor.stripe_answer import StripeAnswer

EVERY_S: Final = 900.0
CHANGED_S: Final = 10.0
_TICK_S: Final = 1.0
_REPORTED: Final = 100


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
    _due_s: float = 0.0
    _seen: Definitions | None = None
    _about: object = field(default=None)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.once()
            await asyncio.sleep(_TICK_S)

    async def once(self) -> None:
        """Look, if it is time."""
        if not self.owns():
            self.troubles, self._due_s = (), 0.0
            return
        now = self.definitions()
        if now is not self._seen:
            self._note(now)
        if self.monotonic() >= self._due_s:
            self._due_s = self.monotonic() + EVERY_S
            self.troubles = tuple(await self._found(now))[:_REPORTED]

    def reported(self, report: WorkerReport) -> WorkerReport:
        return replace(report, endpoints=self.troubles)

    def _note(self, now: Definitions) -> None:
        """The table changes for many reasons: only what is about endpoints is one to look."""
        about = (wanted_destinations(now), dict(now.destinations))
        if self._about is not None and about != self._about:
            self._due_s = min(self._due_s, self.monotonic() + CHANGED_S)
        self._seen, self._about = now, about

    async def _found(self, now: Definitions) -> list[EndpointTrouble]:
        looked: dict[str, tuple[StripeDestination, ...] | NotDone] = {}
        for name in sorted({one.connection for one in now.endpoints.values()}):
            key = self.key(name)
            closed = NotDone(why="the executor can't open its connection's key")
            looked[name] = closed if key is None else await destinations_there(self.read, key)
        return endpoint_troubles(now, self.installation(), looked)


@asynccontextmanager
async def checking(checker: EndpointChecker) -> AsyncIterator[None]:
    """Look beside a block."""
    task = asyncio.create_task(checker.run(), name="looks at endpoints at Stripe")
    try:
        yield
    finally:
        task.cancel()
