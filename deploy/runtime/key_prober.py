"""Tries refused keys again, in the process that owns executor partition 0; `key_probe.py` decides when.

An accepted key's refusal is deleted from the control topic, which opens the gate of every process.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

import structlog
from aiokafka.errors import KafkaError
from pydantic import SecretStr

from stripeline.contracts.definitions import Definitions
from stripeline.contracts.operator.control_keys import refusal_key
from stripeline.contracts.vocabulary import Fault, LogEvent
from stripeline.workers.executor.connection.key_probe import PATH, ProbePlan, ProbeVerdict, verdict
from stripeline.workers.executor.stripe_answer import StripeAnswer

log = structlog.get_logger(__name__)
_TICK_S: Final = 1.0


@dataclass(slots=True, kw_only=True)
class KeyProber:
    """definitions: now. key: a connection's, None where it can't be opened. owns: whether partition 0 is ours.

    read: a GET with a key, for an account. delete: a record of the control topic.
    each_tick: what else looks at the control table as often.
    """

    definitions: Callable[[], Definitions]
    key: Callable[[str], SecretStr | None]
    owns: Callable[[], bool]
    read: Callable[[str, SecretStr, str | None], Awaitable[StripeAnswer | Fault]]
    delete: Callable[[str], Awaitable[None]]
    now_ms: Callable[[], int]
    each_tick: Callable[[], None] = lambda: None
    _plan: ProbePlan = field(default_factory=ProbePlan)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self.each_tick()
            if self.owns():
                await self.once()
            await asyncio.sleep(_TICK_S)

    async def once(self) -> None:
        """Try what is due now, one after the other."""
        now = self.definitions()
        for name in list(self._plan.due(now.refusals(), now.probes, now.pauses, self.now_ms())):
            connection, _, account = name.partition("/")
            key = self.key(connection)
            if key is not None:
                self._plan.tried(name, now.probes, await self._tried(connection, account or None, key), self.now_ms())

    async def _tried(self, connection: str, account: str | None, key: SecretStr) -> ProbeVerdict:
        found = verdict(await self.read(PATH, key, account), account)
        if found is ProbeVerdict.ACCEPTED:
            try:
                await self.delete(refusal_key(connection, account))
            except (KafkaError, TimeoutError):
                found = ProbeVerdict.UNKNOWN  # tried again soon
        event = LogEvent.KEY_ACCEPTED if found is ProbeVerdict.ACCEPTED else LogEvent.KEY_NOT_ACCEPTED
        log.info(event, connection=connection, account=account, verdict=found.name.lower())
        return found
