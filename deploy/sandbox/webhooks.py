"""Sends what happened to the endpoints that take it, but for what a rule does to a delivery on its way. Pure.

What happened is a snapshot and a thin event, which are twins, each with an id of its own and known to the other. An
endpoint takes one of the two kinds. Endpoints are those of the control API and of Stripe's own APIs.
"""

import hashlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, assert_never

from pydantic import SecretStr

from stripeline.contracts.deliveries.thin_events import PING
from stripeline.deploy.sandbox.api.resources import EVENT_DESTINATION
from stripeline.deploy.sandbox.delivery_rules import DeliveryRules
from stripeline.deploy.sandbox.destinations.destination_store import SandboxDestination, SandboxDestinations
from stripeline.deploy.sandbox.events.kept_events import EventLog, Happened, KeptEvent, RelatedPath
from stripeline.deploy.sandbox.events.snapshot_events import snapshot_body
from stripeline.deploy.sandbox.events.thin_event_api import notification_body
from stripeline.deploy.sandbox.events.twins import is_snapshot, thin_type
from stripeline.deploy.sandbox.webhook_endpoints import WebhookEndpoint

EVENT_VERSION = "2026-06-24.dahlia"
MAX_ATTEMPTS = 6
MAX_WAITING = 50_000
"""Deliveries that nobody has taken yet, or that are held. What comes on top is dropped and counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxDelivery:
    """An event on its way to an endpoint. Its body is written when it is sent: many wait."""

    endpoint: WebhookEndpoint
    event: KeptEvent

    @property
    def url(self) -> str:
        return self.endpoint.url

    @property
    def secret(self) -> SecretStr:
        return self.endpoint.secret

    @property
    def body(self) -> bytes:
        account = self.event.happened.account if self.endpoint.connect else None
        if self.event.thin:
            return notification_body(self.event, context=account)
        return snapshot_body(self.event, api_version=self.endpoint.api_version, account=account)


class SandboxWebhooks:
    """`platforms_of` names the platforms that an account is connected to."""

    def __init__(self, platforms_of: Callable[[str], frozenset[str]], salt: str, rules: DeliveryRules) -> None:
        self.endpoints: list[WebhookEndpoint] = []
        self.destinations = SandboxDestinations(salt)
        self.counts = {"sent": 0, "delivered": 0, "failed": 0, "dropped": 0, "lost": 0}
        self.snapshots, self.thin, self.rules = EventLog(), EventLog(), rules
        self.api_version = EVENT_VERSION
        self.listed_after_ms = 0
        self.attempts = MAX_ATTEMPTS
        self._platforms_of, self._salt, self._made = platforms_of, salt, 0
        self._waiting: deque[SandboxDelivery] = deque()
        self._held: list[SandboxDelivery] = []

    def happened(self, happened: Happened, *, event_id: str | None = None, deliver: bool = True) -> list[KeptEvent]:
        """The snapshot and its thin twin, or the one of them that there is."""
        self._made += 1
        snapshot_id = (event_id or f"evt_1{self._noise('snapshot')}") if is_snapshot(happened.type) else None
        thin_name = thin_type(happened.type)
        thin_id = f"evt_{'' if happened.livemode else 'test_'}65{self._noise('thin')}" if thin_name else None
        made = []
        if snapshot_id is not None:
            made.append(KeptEvent(id=snapshot_id, type=happened.type, happened=happened, twin_id=thin_id))
        if thin_id is not None and thin_name is not None:
            made.append(KeptEvent(id=thin_id, type=thin_name, happened=happened, thin=True, twin_id=snapshot_id))
        for event in made:
            (self.thin if event.thin else self.snapshots).add(event)
            if deliver:
                self.deliver(event)
        return made

    def deliver(self, event: KeptEvent) -> None:
        """To each endpoint that takes it."""
        platforms = self._platforms_of(event.happened.account)
        for endpoint in (*self.endpoints, *self.destinations.targets()):
            if endpoint.takes(event, platforms):
                self._dispatch(SandboxDelivery(endpoint=endpoint, event=event))

    def deliver_failed(self) -> None:
        """Again, to each endpoint that takes it, whichever had not."""
        for event in (*self.snapshots, *self.thin):
            if event.failed:
                event.failed = 0
                self.deliver(event)

    def ping(self, destination: SandboxDestination, now_ms: int) -> KeptEvent:
        """An event for this destination alone, whatever it takes."""
        url = f"{EVENT_DESTINATION.url}/{destination.id}"
        happened = Happened(
            type=PING,
            object=b"null",
            account=destination.account,
            livemode=destination.livemode,
            request={},
            at_ms=now_ms,
            api_version=self.api_version,
            related=RelatedPath(id=destination.id, type="event_destination", url=url),
        )
        (event,) = self.happened(happened, deliver=False)
        self._dispatch(SandboxDelivery(endpoint=next(destination.targets()), event=event))
        return event

    def may_go(self, delivery: SandboxDelivery) -> bool:
        """Not to a destination that was disabled or deleted meanwhile."""
        return self.destinations.takes_deliveries(delivery.endpoint)

    def take(self) -> list[SandboxDelivery]:
        """What is to be sent. `ended` is told what became of each."""
        taken = list(self._waiting)
        self._waiting.clear()
        self.counts["sent"] += len(taken)
        return taken

    def ended(self, delivery: SandboxDelivery, outcome: Literal["delivered", "failed", "dropped"]) -> None:
        self.counts[outcome] += 1
        delivery.event.pending -= 1
        delivery.event.failed += outcome != "delivered"

    def release(self, shuffle: Callable[[list[SandboxDelivery]], None] | None = None) -> int:
        """Send what was held back: as it came, or shuffled."""
        held, self._held = self._held, []
        if shuffle is not None:
            shuffle(held)
        for delivery in held:
            self._wait(delivery)
        return len(held)

    def listing(self) -> dict[str, Any]:
        rows = [
            {
                "url": e.url,
                "account": e.account,
                "connect": e.connect,
                "livemode": e.livemode,
                "types": e.types,
                "thin": e.thin,
            }
            for e in self.endpoints
        ]
        return {"endpoints": rows, "deliveries": self.deliveries()}

    def deliveries(self) -> dict[str, int]:
        return {**self.counts, "waiting": len(self._waiting), "held": len(self._held)}

    def _noise(self, kind: str) -> str:
        """Ids are not ordered."""
        return hashlib.blake2b(f"{self._salt} {self._made} {kind}".encode(), digest_size=11).hexdigest()

    def _dispatch(self, delivery: SandboxDelivery) -> None:
        match self.rules.strike(delivery.event.type):
            case None:
                self._wait(delivery)
            case "lose":
                self.counts["lost"] += 1
            case "hold" if len(self._held) < MAX_WAITING:
                self._held.append(delivery)
            case "hold":
                self.counts["dropped"] += 1
            case "repeat":
                self._wait(delivery)
                self._wait(delivery)
            case never:
                assert_never(never)

    def _wait(self, delivery: SandboxDelivery) -> None:
        if len(self._waiting) < MAX_WAITING:
            delivery.event.pending += 1
            self._waiting.append(delivery)
        else:
            delivery.event.failed += 1
            self.counts["dropped"] += 1
