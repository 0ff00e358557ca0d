"""Keeps the destinations that were made through Stripe's APIs, and says to whom events go. Pure.

- An account has at most 16 in one mode, of both APIs together: docs.stripe.com/event-destinations.
- A disabled destination gets nothing, and never what was made meanwhile: Stripe does not send it afterwards.
- A secret is in the answer to the creation alone.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from pydantic import SecretStr

from stripeline.deploy.sandbox.webhook_endpoints import WebhookEndpoint

MAX_DESTINATIONS: Final = 16
OWN, CONNECTED = "@self", "@accounts"


@dataclass(slots=True, kw_only=True, eq=False)
class SandboxDestination:
    id: str
    account: str
    livemode: bool
    url: str
    secret: SecretStr
    types: tuple[str, ...]
    created_ms: int
    updated_ms: int
    v2: bool  # made by API v2
    thin: bool = False
    events_from: tuple[str, ...] = (OWN,)
    api_version: str | None = None
    name: str = ""
    description: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    disabled_for: str | None = None  # the reason; None: it is enabled

    def targets(self) -> Iterator[WebhookEndpoint]:
        """One for its own events, one for those of connected accounts."""
        for source in self.events_from:
            yield WebhookEndpoint(
                url=self.url,
                secret=self.secret,
                account=self.account,
                connect=source == CONNECTED,
                livemode=self.livemode,
                types=self.types,
                thin=self.thin,
                api_version=self.api_version,
                destination_id=self.id,
            )


class SandboxDestinations:
    def __init__(self, salt: str) -> None:
        self.in_both_apis = False
        self._salt, self._made = salt, 0
        self._by_id: dict[str, SandboxDestination] = {}

    def new_name(self, prefix: str) -> tuple[str, SecretStr]:
        """An id and a secret."""
        self._made += 1
        noise = hashlib.blake2b(f"{self._salt} {self._made}".encode(), digest_size=28).hexdigest()
        return prefix + noise[:24], SecretStr("whsec_" + noise[24:])

    def add(self, destination: SandboxDestination) -> None:
        self._by_id[destination.id] = destination

    def remove(self, destination: SandboxDestination) -> None:
        del self._by_id[destination.id]

    def get(self, destination_id: str) -> SandboxDestination | None:
        return self._by_id.get(destination_id)

    def own(self, destination_id: str, account: str, *, livemode: bool, v2: bool) -> SandboxDestination | None:
        """As the account finds it in one of the APIs."""
        found = self._by_id.get(destination_id)
        return found if found in self.of(account, livemode=livemode, v2=v2) else None

    def of(self, account: str, *, livemode: bool, v2: bool) -> list[SandboxDestination]:
        """Newest first."""
        return [one for one in self._of(account, livemode=livemode) if self._is_in(one, v2=v2)][::-1]

    def _is_in(self, destination: SandboxDestination, *, v2: bool) -> bool:
        """Each API has what it made. Stripe does not say whether it has the other's: a test tries both."""
        return destination.v2 is v2 or (self.in_both_apis and (v2 or not destination.thin))

    def is_full(self, account: str, *, livemode: bool) -> bool:
        return len(list(self._of(account, livemode=livemode))) >= MAX_DESTINATIONS

    def targets(self) -> Iterator[WebhookEndpoint]:
        for destination in self._by_id.values():
            if destination.disabled_for is None:
                yield from destination.targets()

    def takes_deliveries(self, endpoint: WebhookEndpoint) -> bool:
        """Whether what is on its way there may still be sent."""
        if endpoint.destination_id is None:
            return True
        destination = self._by_id.get(endpoint.destination_id)
        return destination is not None and destination.disabled_for is None

    def __iter__(self) -> Iterator[SandboxDestination]:
        return iter(self._by_id.values())

    def _of(self, account: str, *, livemode: bool) -> Iterator[SandboxDestination]:
        return (one for one in self._by_id.values() if (one.account, one.livemode) == (account, livemode))
