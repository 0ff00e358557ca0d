"""Compares listed events with the notes of what came, and says what is missing. Pure.

An event came to a trigger if a note says so whose record is still on its topic, or left it by the topic's retention
alone. A note of a record that was deleted earlier, or that is behind the log's end, proves nothing: the event is
published again, and its run is the same.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from stripeline.contracts.deliveries.seen_events import SeenEvent
from stripeline.deploy.stripe_side.sweeps.listed_event import ListedEvent
from stripeline.deploy.stripe_side.sweeps.sweep_plan import SweptTrigger

CLOCKS_APART_MS: Final = 3_600_000
"""Retention counts from the time that ingest's host wrote on a record; a note has the broker's."""
NEAR_MS: Final = 3_600_000
"""Comparisons whose times are so near one another share a reading: what it reads for one, it reads for all."""
_NEVER: Final = 1 << 62
Since = Mapping[tuple[str, str], int]
"""By a trigger's name and an event type: the first second that is compared."""
Pair = tuple[str, str]
"""An event's id, and the name of a trigger."""


class LogRange(NamedTuple):
    """The offsets that a partition has, from the first one up to its end, exclusive."""

    first: int
    end: int


class Lacking(NamedTuple):
    """An event, and a trigger that has no note of it. place: among all that were listed, which is newest first."""

    event: ListedEvent
    trigger: SweptTrigger
    place: int


def lacking(events: Sequence[ListedEvent], triggers: Sequence[SweptTrigger], since_s: Since) -> dict[Pair, Lacking]:
    """What would be missing if nothing had come."""
    return {
        (event.id, trigger.name): Lacking(event, trigger, place)
        for place, event in enumerate(events)
        for trigger in triggers
        if trigger.takes(event.listed, event.type)
        and event.created_s >= since_s.get((trigger.name, event.type), _NEVER)
    }


@dataclass(slots=True, eq=False)
class Comparison:
    """What a slice lacks, until notes since a time prove that it came. What is proved is taken out of `missing`."""

    missing: dict[Pair, Lacking]
    from_ms: int


class WantedNotes:
    """What some comparisons lack, as one reading of the notes asks for it."""

    def __init__(self, comparisons: Sequence[Comparison]) -> None:
        self.from_ms = min(one.from_ms for one in comparisons)
        self._unended = set(comparisons)
        self._of: dict[str, list[Comparison]] = {}  # by trigger
        for one in comparisons:
            for trigger in {name for _, name in one.missing}:
                self._of.setdefault(trigger, []).append(one)

    def __bool__(self) -> bool:
        """Whether anything is still missing."""
        return bool(self._unended)

    def lacking(self, note: SeenEvent) -> Sequence[Comparison]:
        """Those that lack the event of a note."""
        of = self._of.get(note.trigger)
        return () if of is None else [one for one in of if (note.id, note.trigger) in one.missing]

    def strike(self, note: SeenEvent) -> Iterator[Comparison]:
        """Take the event of a note out, and return the comparisons that lack nothing any more."""
        for one in self.lacking(note):
            del one.missing[note.id, note.trigger]
            if not one.missing:
                self._unended.discard(one)
                yield one


def of_one_reading(waiting: Sequence[Comparison]) -> Sequence[Comparison]:
    """Whom the next reading is for: the one that has waited longest, and all whose times are near its own."""
    return [one for one in waiting if abs(one.from_ms - waiting[0].from_ms) <= NEAR_MS]


def proves(note: SeenEvent, noted_ms: int, found: LogRange | None, kept_from_ms: int | None) -> bool:
    """Whether the record that a note names was there until its topic's retention ended.

    kept_from_ms: the time of the oldest records that retention keeps; None where it keeps all.
    """
    if found is None or note.offset >= found.end:
        return False
    if note.offset >= found.first:
        return True
    return kept_from_ms is not None and noted_ms < kept_from_ms + CLOCKS_APART_MS


def oldest_first(missing: Iterable[Lacking]) -> list[Lacking]:
    """In the order in which Stripe made them. Within one second the order of the list is all there is."""
    return sorted(missing, key=lambda one: (one.event.created_s, -one.place))
