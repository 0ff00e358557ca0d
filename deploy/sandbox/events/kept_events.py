"""Keeps the events of all accounts: by id and in the order of their time. Pure.

- What is kept is bounded: `EVENTS_KEPT` events, of which the oldest to arrive are forgotten first, and counted.
- As at Stripe ids are not ordered, `created` has whole seconds, and events of one second are in no promised order.
- An event holds the bytes of its object, which the objects' store has too: a hundred thousand events are 60 MB.
"""

import hashlib
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

EVENTS_KEPT: Final = 200_000
LISTED_FOR_MS: Final = 30 * 24 * 3600 * 1000
"""docs.stripe.com/api/events: what is older is neither listed nor retrieved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """Something that an account is notified of."""

    type: str
    object: bytes = field(repr=False)  # as JSON, as it was then
    account: str
    livemode: bool
    request: Mapping[str, str | None]
    at_ms: int
    api_version: str  # of the account then
    previous_attributes: Mapping[str, Any] | None = None
    listed_from_ms: int = 0  # the listing has it only then, though it has its place by `created`


@dataclass(slots=True, kw_only=True, eq=False)
class KeptEvent:
    """An event, and how many destinations have not taken it yet or never will."""

    id: str
    happened: Happened
    pending: int = 0
    failed: int = 0

    @property
    def place(self) -> tuple[int, str]:
        """Where it is in a listing: ties are in the order of ids, which is none."""
        return self.happened.at_ms // 1000, self.id


class EventLog:
    def __init__(self, salt: str, keep: int = EVENTS_KEPT) -> None:
        self.forgotten = 0
        self._salt, self._keep, self._made = salt, keep, 0
        self._by_id: dict[str, KeptEvent] = {}
        self._arrived: deque[KeptEvent] = deque()
        self._by_time: dict[tuple[str, bool], list[KeptEvent]] = {}

    def add(self, happened: Happened, event_id: str | None = None) -> KeptEvent:
        event = KeptEvent(id=event_id or self._new_id(), happened=happened)
        self._by_id[event.id] = event
        self._arrived.append(event)
        insort(self._by_time.setdefault((happened.account, happened.livemode), []), event, key=_place)
        if len(self._arrived) > self._keep:
            self._forget(self._arrived.popleft())
        return event

    def get(self, event_id: str) -> KeptEvent | None:
        """Of whichever account."""
        return self._by_id.get(event_id)

    def of(self, account: str, *, livemode: bool) -> Sequence[KeptEvent]:
        """Oldest first."""
        return self._by_time.get((account, livemode), ())

    def __len__(self) -> int:
        return len(self._arrived)

    def __iter__(self) -> Iterator[KeptEvent]:
        """In the order in which they were made."""
        return iter(self._arrived)

    def _new_id(self) -> str:
        self._made += 1
        return f"evt_1{hashlib.blake2b(f'{self._salt} {self._made}'.encode(), digest_size=11).hexdigest()}"

    def _forget(self, event: KeptEvent) -> None:
        self.forgotten += 1
        del self._by_id[event.id]
        events = self._by_time[event.happened.account, event.happened.livemode]
        del events[bisect_left(events, event.place, key=_place)]


def _place(event: KeptEvent) -> tuple[int, str]:
    return event.place
