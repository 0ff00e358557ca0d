"""Decides which webhook endpoint is sent what happened, and writes the event as Stripe does. Pure.

An endpoint takes the events of its own account; a Connect endpoint (`connect`) those of the accounts that are connected
to it, and they name the account. A live Connect endpoint gets test events too, as at Stripe:
docs.stripe.com/connect/webhooks.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from pydantic import SecretStr

EVENT_VERSION = "2026-06-24.dahlia"
MAX_WAITING = 10_000
"""Deliveries that nobody has taken yet. What comes on top is dropped and counted: the sandbox keeps all in memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEndpoint:
    """A destination. `account` None: each account's; `livemode` None: both modes."""

    url: str
    secret: SecretStr
    account: str | None = None
    connect: bool = False
    livemode: bool | None = None
    types: tuple[str, ...] = ("*",)

    def takes(self, happened: "Happened", platforms: frozenset[str]) -> bool:
        whose = platforms if self.connect else {happened.account}
        mode = self.livemode in (None, happened.livemode) or bool(self.connect and self.livemode)
        ours = bool(whose) if self.account is None else self.account in whose
        return ours and mode and ("*" in self.types or happened.type in self.types)


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """Something that an account is notified of."""

    type: str
    object: Mapping[str, Any]
    account: str
    livemode: bool
    request: Mapping[str, str | None]
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxDelivery:
    url: str
    secret: SecretStr
    body: bytes


class SandboxWebhooks:
    """`platforms_of` names the platforms that an account is connected to."""

    def __init__(self, platforms_of: Callable[[str], frozenset[str]], salt: str) -> None:
        self.endpoints: list[WebhookEndpoint] = []
        self.counts = {"sent": 0, "delivered": 0, "failed": 0, "dropped": 0}
        self._platforms_of, self._salt, self._events = platforms_of, salt, 0
        self._waiting: deque[SandboxDelivery] = deque()

    def happened(self, happened: Happened) -> None:
        if not self.endpoints:
            return
        platforms = self._platforms_of(happened.account)
        self._events += 1
        event_id = f"evt_{self._salt}{self._events:08x}"
        for endpoint in self.endpoints:
            if endpoint.takes(happened, platforms):
                body = orjson.dumps(_event(event_id, happened, named=endpoint.connect))
                self._wait(SandboxDelivery(url=endpoint.url, secret=endpoint.secret, body=body))

    def take(self) -> list[SandboxDelivery]:
        """What is to be sent. Whoever takes it counts what became of it in `counts`."""
        taken = list(self._waiting)
        self._waiting.clear()
        self.counts["sent"] += len(taken)
        return taken

    def listing(self) -> dict[str, Any]:
        rows = [
            {"url": e.url, "account": e.account, "connect": e.connect, "livemode": e.livemode, "types": e.types}
            for e in self.endpoints
        ]
        return {"endpoints": rows, "deliveries": {**self.counts, "waiting": len(self._waiting)}}

    def _wait(self, delivery: SandboxDelivery) -> None:
        if len(self._waiting) == MAX_WAITING:
            self.counts["dropped"] += 1
        else:
            self._waiting.append(delivery)


def _event(event_id: str, happened: Happened, *, named: bool) -> dict[str, Any]:
    account = {"account": happened.account} if named else {}
    return {
        "id": event_id,
        "object": "event",
        **account,
        "api_version": EVENT_VERSION,
        "created": happened.at_ms // 1000,
        "data": {"object": happened.object},
        "livemode": happened.livemode,
        "pending_webhooks": 1,
        "request": happened.request,
        "type": happened.type,
    }
