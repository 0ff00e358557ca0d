"""Keeps the events of all accounts: by id and in the order of their time. Pure.

- What is kept is bounded: `EVENTS_KEPT` snapshots and as many thin events. The oldest to arrive are forgotten first.
- As at Stripe ids are not ordered, a snapshot's `created` has whole seconds, and ties are in no promised order.
- An event holds the bytes of its object, which the objects' store has too: a hundred thousand are about 100 MB.
"""

from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

EVENTS_KEPT: Final = 200_000
LISTED_FOR_MS: Final = 30 * 24 * 3600 * 1000
"""docs.stripe.com/api/events: what is older is neither listed nor retrieved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelatedPath:
    """The object that a thin event names."""

    id: str | None  # None: it has none, its parent has one such object
    type: str
    url: str


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
    related: RelatedPath | None = None
    previous_attributes: Mapping[str, Any] | None = None
    data: Mapping[str, Any] | None = None  # what a fetched thin event has besides
    listed_from_ms: int = 0  # the listing has it only then, though it has its place by `created`


@dataclass(slots=True, kw_only=True, eq=False)
class KeptEvent:
    """An event of one kind, and how many destinations have not taken it yet or never will."""

    id: str
    type: str
    happened: Happened
    thin: bool = False
    twin_id: str | None = None
    pending: int = 0
    failed: int = 0

    @property
    def place(self) -> tuple[int, str]:
        """Where it is in a listing, by `created`: ties are in the order of ids, which is none."""
        at_ms = self.happened.at_ms
        return at_ms if self.thin else at_ms // 1000 * 1000, self.id


class EventLog:
    """Snapshots, or thin events."""

    def __init__(self, keep: int = EVENTS_KEPT) -> None:
        self.forgotten = 0
        self._keep = keep
        self._by_id: dict[str, KeptEvent] = {}
        self._arrived: deque[KeptEvent] = deque()
        self._by_time: dict[tuple[str, bool], list[KeptEvent]] = {}

    def add(self, event: KeptEvent) -> None:
        whose = (event.happened.account, event.happened.livemode)
        self._by_id[event.id] = event
        self._arrived.append(event)
        events = self._by_time.setdefault(whose, [])
        if events and event.place < events[-1].place:
            insort(events, event, key=_place)
        else:
            events.append(event)
        if len(self._arrived) > self._keep:
            self._forget(self._arrived.popleft())

    def get(self, event_id: str) -> KeptEvent | None:
        """Of whichever account."""
        return self._by_id.get(event_id)

    def own(self, event_id: str, account: str, *, livemode: bool, now_ms: int) -> KeptEvent | None:
        """As the account finds it."""
        event = self._by_id.get(event_id)
        if event is None or event.happened.at_ms < now_ms - LISTED_FOR_MS:
            return None
        return event if (event.happened.account, event.happened.livemode) == (account, livemode) else None

    def walk(self, account: str, *, livemode: bool, span: "ListedSpan", now_ms: int) -> Iterator[KeptEvent]:
        """What is listed by now, from the cursor on: newest first, or oldest first when it goes backwards."""
        events = self._by_time.get((account, livemode), ())
        start = bisect_left(events, max(span.first_ms, now_ms - LISTED_FOR_MS), key=_created_ms)
        end = bisect_right(events, span.last_ms, key=_created_ms)
        if span.cursor is not None:
            place = bisect_left(events, span.cursor.place, key=_place)
            start, end = (max(start, place + 1), end) if span.backwards else (start, min(end, place))
        positions = range(start, end) if span.backwards else range(end - 1, start - 1, -1)
        found = (events[position] for position in positions)
        return (event for event in found if event.happened.listed_from_ms <= now_ms)

    def __len__(self) -> int:
        return len(self._arrived)

    def __iter__(self) -> Iterator[KeptEvent]:
        """In the order in which they were made."""
        return iter(self._arrived)

    def _forget(self, event: KeptEvent) -> None:
        self.forgotten += 1
        self._by_id.pop(event.id, None)
        events = self._by_time[event.happened.account, event.happened.livemode]
        del events[bisect_left(events, event.place, key=_place)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedSpan:
    """A part of a listing. Both ends are in it, the cursor is not."""

    first_ms: int
    last_ms: int
    cursor: KeptEvent | None = None
    backwards: bool = False


def _place(event: KeptEvent) -> tuple[int, str]:
    return event.place


def _created_ms(event: KeptEvent) -> int:
    return event.place[0]
