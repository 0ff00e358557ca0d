"""Asks Stripe about an account's destinations, and changes them, with one connection's key. Decides nothing.

A creation whose answer was lost is asked for again with the same Idempotency-Key: Stripe gives the same answer, with
the secret. https://docs.stripe.com/api/idempotent_requests
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

from pydantic import SecretStr

from stripeline.contracts.vocabulary import Fault
from stripeline.deploy.stripe_side.endpoints import endpoint_requests as requests
from stripeline.deploy.stripe_side.endpoints.endpoint_plan import Delete, Enable, Update
from stripeline.deploy.stripe_side.endpoints.endpoint_requests import (
    LISTS,
    EndpointRequest,
    MadeDestination,
    NotDone,
)
from stripeline.deploy.stripe_side.endpoints.stripe_destinations import StripeDestination, merged
from stripeline.deploy.stripe_side.endpoints.wanted_destinations import WantedDestination
from stripeline.workers.executor.stripe_answer import StripeAnswer

_PAGES: Final = 5
_PAUSES_S: Final = (1.0, 2.0, 4.0)
R = TypeVar("R")
Reply = StripeAnswer | Fault
Reads = Callable[[str, SecretStr, str | None], Awaitable[StripeAnswer | Fault]]


class StripeCalls(Protocol):
    """The client to Stripe."""

    async def read(self, path: str, key: SecretStr, account: str | None = None) -> StripeAnswer | Fault: ...
    async def manage(
        self, method: str, path: str, key: SecretStr, params: Mapping[str, Any] | None = None,
        *, idempotency_key: str | None = None,
    ) -> StripeAnswer | Fault: ...  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointCalls:
    """pauses_s: between attempts of a request that may succeed the next time."""

    stripe: StripeCalls
    key: SecretStr
    pauses_s: tuple[float, ...] = _PAUSES_S

    async def there(self) -> tuple[StripeDestination, ...] | NotDone:
        """All destinations of the account."""
        return await destinations_there(self.stripe.read, self.key)

    async def make(self, wanted: WantedDestination, installation: str) -> MadeDestination | NotDone:
        request, once = requests.creation(wanted, installation), f"stripeline-endpoint-{secrets.token_hex(16)}"
        return await self._until_known(lambda: self._sent(request, once), requests.made_by)

    async def change(self, step: Update | Enable | Delete) -> NotDone | None:
        request = requests.change(step)
        done = await self._until_known(lambda: self._sent(request), requests.done_by)
        if not isinstance(done, NotDone) or (done.gone and isinstance(step, Delete)):
            return None
        return done

    async def is_there(self, at: StripeDestination) -> NotDone | None:
        """Why it can't be said that it is still there."""
        found = requests.done_by(await self.stripe.read(at.path, self.key))
        return found if isinstance(found, NotDone) else None

    async def ping(self, at: StripeDestination) -> NotDone | None:
        request = requests.ping(at)
        if request is None:
            return NotDone(why="it is a webhook endpoint of the older API, which has no ping")
        found = requests.done_by(await self._sent(request))
        return found if isinstance(found, NotDone) else None

    async def _sent(self, request: EndpointRequest, once: str | None = None) -> StripeAnswer | Fault:
        return await self.stripe.manage(request.method, request.path, self.key, request.params, idempotency_key=once)

    async def _until_known(
        self,
        send: Callable[[], Awaitable[StripeAnswer | Fault]],
        meaning: Callable[[StripeAnswer | Fault], R | NotDone],
    ) -> R | NotDone:
        found = meaning(await send())
        for pause_s in self.pauses_s:
            if not (isinstance(found, NotDone) and found.again):
                break
            await asyncio.sleep(pause_s)
            found = meaning(await send())
        return found


async def destinations_there(read: Reads, key: SecretStr) -> tuple[StripeDestination, ...] | NotDone:
    """All destinations of the account of a key; those of the older API as far as it may see them: none is ours."""
    v2, v1 = [await _listed(read, key, first) for first in LISTS]
    if isinstance(v2, NotDone):
        return v2
    if isinstance(v1, NotDone):
        return merged(v2, ()) if v1.right else v1
    return merged(v2, v1)


async def _listed(read: Reads, key: SecretStr, first: str) -> list[StripeDestination] | NotDone:
    """All pages. A list that is cut would make a destination look as if it were gone."""
    path, found = first, list[StripeDestination]()
    for _ in range(_PAGES):
        page = requests.page_by(await read(path, key, None), path)
        if isinstance(page, NotDone):
            return page
        found += page.items
        if page.next is None:
            return found
        path = page.next
    return NotDone(why=f"Stripe's list of destinations has more than {_PAGES} pages")
