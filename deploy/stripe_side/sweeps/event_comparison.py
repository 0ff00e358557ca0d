"""Compares listed events with the notes of what came, and says what is missing. Pure.

An event came to a trigger if a note says so whose record is still on its topic, or left it by the topic's retention
alone. A note of a record that was deleted earlier, or that is behind the log's end, proves nothing: the event is
published again, and its run is the same.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from stripeline.contracts.deliveries.seen_events import SeenEvent
from stripeline.deploy.stripe_side.sweeps.listed_event import ListedEvent
from stripeline.deploy.stripe_side.sweeps.sweep_plan import SweptTrigger

CLOCKS_APART_MS: Final = 3_600_000
"""Retention counts from the time that ingest's host wrote on a record; a note has the broker's."""
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
