"""Gathers what was published until it is noted on `stripe.event-seen`, and makes the records that name it. Pure.

Invariants:
- It holds at most `limit` events. What finds no room is not noted: its event is published a second time by a sweep, and
  its run is known.
- An event is in one record, in the order in which Kafka acknowledged them.
"""

from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from stripeline.contracts.deliveries.seen_events import SeenEvent, SeenEvents
from stripeline.contracts.ids import is_test_event

LIMIT: Final = 50_000
"""Some 15 MB, and what a busy process publishes while Kafka is away for ten seconds."""
RECORD_EVENTS: Final = 1_000
"""Of one record: 100 kB as a rule, and 500 kB with the longest names."""
_encoded = msgspec.json.Encoder().encode


class EventNote(Struct, frozen=True, gc=False):
    """What a note says of an event, beside its place."""

    id: str
    trigger: str
    created_s: int


def note_of(event_id: str, trigger: str, created_s: int, livemode: bool | None) -> EventNote | None:
    """The note of an event; None for a test event of Stripe's dashboard, whose id is the same each time."""
    return None if is_test_event(event_id, livemode) else EventNote(event_id, trigger, created_s)


class SeenRecord(NamedTuple):
    value: bytes
    events: int


class SeenBuffer:
    """The events of one process that are not noted yet."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._events: deque[SeenEvent] = deque()

    def __len__(self) -> int:
        return len(self._events)

    def add(self, topic: str, partition: int, first_offset: int, notes: Sequence[EventNote | None]) -> int:
        """Keep the events of a batch, and return how many found no room."""
        left = self._limit - len(self._events)
        seen = [
            SeenEvent(note.id, note.trigger, note.created_s, topic, partition, offset)
            for offset, note in enumerate(notes, first_offset)
            if note is not None
        ]
        self._events.extend(seen if len(seen) <= left else seen[:left])
        return max(0, len(seen) - left)

    def take(self) -> SeenRecord | None:
        """The next record, which is forgotten with that; None where there is nothing to note."""
        events = tuple(islice(self._events, RECORD_EVENTS))
        if not events:
            return None
        for _ in events:
            self._events.popleft()
        return SeenRecord(_encoded(SeenEvents(events=events)), len(events))

    def clear(self) -> int:
        """Forget everything, and return how many events that were."""
        events = len(self._events)
        self._events.clear()
        return events
