"""Looks at Stripe for all endpoints of an installation: what is there, and the plans. Changes nothing."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from stripeline.contracts.definitions import Definitions
from stripeline.contracts.topics import Topics
from stripeline.deploy.failure import FailureError
from stripeline.deploy.stripe_side.endpoints.endpoint_calls import EndpointCalls, StripeCalls, destinations_there
from stripeline.deploy.stripe_side.endpoints.endpoint_requests import NotDone
from stripeline.deploy.stripe_side.endpoints.endpoint_troubles import Looked
from stripeline.deploy.stripe_side.endpoints.installation_plans import (
    AccountPlan,
    Listings,
    account_plans,
    connections_to_ask,
)
from stripeline.workers.kafka.control_table import read_all
from stripeline.workers.secrets.vault import Vault, connection_secret

_AT_A_TIME: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class StripeLook:
    """What was seen at one moment. calls: by connection, with its key."""

    definitions: Definitions
    installation: str
    looked: Looked
    calls: Mapping[str, EndpointCalls]

    def failed(self) -> dict[str, NotDone]:
        return {name: one for name, one in self.looked.items() if isinstance(one, NotDone)}

    def plans(self) -> list[AccountPlan]:
        """Of the accounts that could be looked at."""
        there: Listings = {name: one for name, one in self.looked.items() if not isinstance(one, NotDone)}
        return account_plans(self.definitions, self.installation, there)


async def look(topics: Topics, client: Mapping[str, Any], vault: Vault, stripe: StripeCalls) -> StripeLook:
    """Raises FailureError, VaultError, ControlError, KafkaError, TimeoutError."""
    first = await read_all(topics.control, client)
    calls = {
        name: EndpointCalls(stripe=stripe, key=vault.open(connection_secret(name), first.connections[name].secret_key))
        for name in connections_to_ask(first)
    }
    room = asyncio.Semaphore(_AT_A_TIME)

    async def one(of: EndpointCalls) -> Any:
        async with room:
            return await destinations_there(stripe.read, of.key)

    answers = await asyncio.gather(*map(one, calls.values()))
    # Read after Stripe was asked: what another command made meanwhile is recorded by now, and not taken for lost.
    now = await read_all(topics.control, client)
    if now.installation is None:
        raise FailureError("This installation has no id yet. Run `stripeline topics apply` first.")
    looked = dict(zip(calls, answers, strict=True))
    return StripeLook(definitions=now, installation=now.installation.id, looked=looked, calls=calls)
