"""Carries the steps of a plan out: asks Stripe, seals and records secrets, in an order that a crash can end anywhere.

A destination's secret is on the control topic, acknowledged by all replicas, before anything that it replaces goes. The
act is on the audit topic before its first step.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

from stripeline.contracts.definitions import Definitions
from stripeline.contracts.internal_records import encode
from stripeline.contracts.operator.control_keys import DESTINATION
from stripeline.contracts.operator.stripe_side_records import Destination, Destinations
from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import AuditedAct
from stripeline.deploy.failure import FailureError
from stripeline.deploy.operations.acts.audit import Signed, record_act
from stripeline.deploy.stripe_side.endpoints.endpoint_calls import EndpointCalls
from stripeline.deploy.stripe_side.endpoints.endpoint_plan import Create, Delete, Enable, Forget, Step, Update
from stripeline.deploy.stripe_side.endpoints.endpoint_requests import MadeDestination, NotDone
from stripeline.deploy.stripe_side.endpoints.step_words import step_words
from stripeline.workers.kafka.control_table import Changes
from stripeline.workers.kafka.one_off_producer import one_off_producer
from stripeline.workers.secrets.vault import Vault, endpoint_secret

_AUDIT_S: Final = 30.0
_AGAIN: Final = "Run `stripeline endpoints apply` again: it goes on from where this one ended."


class NoRightError(FailureError):
    """The key may not do it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointWork:
    """The steps of one installation.

    calls: by connection. say: each step when it is done. read, write: the control topic; what is written is there.
    """

    vault: Vault
    installation: str
    calls: Mapping[str, EndpointCalls]
    read: Callable[[], Awaitable[Definitions]]
    write: Callable[[Changes], Awaitable[None]]
    say: Callable[[str], None] = lambda _: None
    made: dict[str, list[MadeDestination]] = field(default_factory=dict)

    async def carry_out(self, connection: str, step: Step) -> None:
        """Raises FailureError, NoRightError, KafkaError, TimeoutError: what was done before stays, and works."""
        match step:
            case Create():
                await self._create(connection, step)
            case Update() | Enable():
                await self._change(connection, step)
            case Delete():
                if step.lost and await self._is_recorded(step):
                    return
                await self._require_successors(connection)
                await self._change(connection, step)
            case Forget():
                await self._forget(step)
        self.say(step_words(step))

    async def _create(self, connection: str, step: Create) -> None:
        wanted = step.wanted
        made = await self.calls[connection].make(wanted, self.installation)
        if isinstance(made, NotDone):
            lost = " If it was made, its secret is lost, and the next run deletes it first." if made.may_be_done else ""
            _fail(made, f"The destination of endpoint {wanted.endpoint} was not made: {made.why}.{lost}")
        new = Destination(
            id=made.at.id, payload=wanted.payload, connection=connection,
            signing_secret=self.vault.seal(endpoint_secret(wanted.endpoint), made.secret),
            made_ms=int(time.time() * 1000),
        )  # fmt: skip
        await self._write(wanted.endpoint, lambda held: (*held, new))
        self.made.setdefault(connection, []).append(made)

    async def _change(self, connection: str, step: Update | Enable | Delete) -> None:
        failed = await self.calls[connection].change(step)
        if failed is not None:
            _fail(failed, f"Destination {step.at.id} of endpoint {step.at.endpoint} was not changed: {failed.why}.")

    async def _require_successors(self, connection: str) -> None:
        """Another `apply` at the same time may have taken what was just made for a lost one, and deleted it."""
        for made in self.made.pop(connection, []):
            failed = await self.calls[connection].is_there(made.at)
            if failed is not None:
                _fail(failed, f"Destination {made.at.id} was made, and is not there now: {failed.why}.")

    async def _is_recorded(self, step: Delete) -> bool:
        held = await self._held(step.at.endpoint or "")
        return any(one.id == step.at.id for one in held)

    async def _forget(self, step: Forget) -> None:
        await self._write(step.endpoint, lambda held: tuple(one for one in held if one.id != step.id))

    async def _write(self, endpoint: str, change: Callable[[tuple[Destination, ...]], tuple[Destination, ...]]) -> None:
        held = change(await self._held(endpoint))
        value = encode(Destinations(destinations=held)) if held else None
        await self.write({f"{DESTINATION}/{endpoint}": value})

    async def _held(self, endpoint: str) -> tuple[Destination, ...]:
        found = (await self.read()).destinations.get(endpoint)
        return () if found is None else found.destinations


def _fail(failed: NotDone, words: str) -> NoReturn:
    if failed.right:
        raise NoRightError(words)
    raise FailureError(f"{words} {_AGAIN}")


async def record_acts(
    topics: Topics, client: Mapping[str, Any], act: AuditedAct, endpoints: Iterable[str], signed: Signed
) -> None:
    """On the audit topic, before the first step. Raises KafkaError, TimeoutError."""
    async with one_off_producer(client) as producer, asyncio.timeout(_AUDIT_S):
        for name in sorted(endpoints):
            await record_act(producer, topics, act, signed, about=f"endpoint {name}")
