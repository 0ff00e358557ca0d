"""The requests that a thin event asks for, one after the other. Pure.

the event ── names its snapshot ──► the snapshot ── found ─► published
     │                                   └─ gone ─┐
     └────── names none ────────────────────────► the object ─► published as it is now, or as deleted
"""

from typing import Literal, assert_never
from urllib.parse import quote

from msgspec import Struct, field

from stripeline.contracts.deliveries.thin_events import RelatedObject
from stripeline.workers.executor.connection.call_shares import Account
from stripeline.workers.executor.connection.key_owner import KeyOwner
from stripeline.workers.executor.connection.rate_gate import Pass
from stripeline.workers.thin.fetched_event import FetchedEvent
from stripeline.workers.thin.thin_record import ThinRecord

Asked = Literal["event", "snapshot", "object"]


class Fetching(Struct, frozen=True, kw_only=True):
    """A thin event, and how far it has come. `fetched`: None before the event itself was."""

    thin: ThinRecord
    asks: Asked = "event"
    fetched: FetchedEvent = field(default_factory=FetchedEvent)

    @property
    def related(self) -> RelatedObject | None:
        """What it is about, as far as is known."""
        return self.thin.event.related_object or self.fetched.related

    @property
    def path(self) -> str:
        match self.asks:
            case "event":
                return f"/v2/core/events/{quote(self.thin.event.id, safe='')}"
            case "snapshot":
                return f"/v1/events/{quote(self.fetched.snapshot or '', safe='')}"
            case "object":
                return "" if self.related is None else self.related.url
            case never:
                assert_never(never)

    @property
    def endpoint(self) -> str:
        """What Stripe limits: the path without an object's id."""
        parts = self.path.split("/")
        return "/".join(parts[:4] if parts[1] == "v2" else parts[:3])


class Fetch(Struct, frozen=True, kw_only=True):
    """A GET to make now.

    owner: whose key it must be made with.
    account: the connected account whose limits count; None for the connection's own.
    permit: the gate's: how long to wait first, and with which key.
    """

    state: Fetching
    owner: KeyOwner
    account: str | None
    permit: Pass

    @property
    def connection(self) -> str:
        return self.state.thin.connection

    @property
    def limits(self) -> Account:
        """Whose limits and share of the call slots count."""
        return self.connection, self.account

    @property
    def context(self) -> str | None:
        """Whose event it is. https://docs.stripe.com/context."""
        return self.state.thin.event.context
