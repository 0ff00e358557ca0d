"""Compares one window of one account's events, in slices from the oldest on: lists, strikes out, routes what is left.

Memory is one slice: at most `MAX_EVENTS` events, and `MAX_BYTES` of their bodies, within the room of all sweeps. Stripe
lists the newest first; so a slice whose events do not fit is listed again with a shorter time, which the next slices
keep to.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import structlog

from stripeline.contracts.deliveries.delivery_vocabulary import SweepTrouble
from stripeline.contracts.vocabulary import LogEvent
from stripeline.deploy.stripe_side.sweeps.event_comparison import Lacking, Pair, Since, lacking, oldest_first
from stripeline.deploy.stripe_side.sweeps.event_listing import EventListing
from stripeline.deploy.stripe_side.sweeps.event_publication import Missed, publication
from stripeline.deploy.stripe_side.sweeps.list_answer import SweepError
from stripeline.deploy.stripe_side.sweeps.listed_event import ListedEvent
from stripeline.deploy.stripe_side.sweeps.slice_room import SlicePlace, SliceRoom
from stripeline.deploy.stripe_side.sweeps.stripe_lists import AskedFor, StripeLists
from stripeline.deploy.stripe_side.sweeps.sweep_plan import SweptTrigger, questions

MAX_EVENTS: Final = 10_000
MAX_BYTES: Final = 32 * 1_048_576
MAX_OF_A_SECOND: Final = 10
"""How many times as much one second may hold, which can't be cut."""
FIRST_BYTES: Final = 1_048_576
"""The room that a slice begins with: most need less."""
Strike = Callable[[dict[Pair, Lacking], int], Awaitable[None]]
"""Takes out what is proved to have come since a time in ms. Raises FailureError, KafkaError, TimeoutError."""
log = structlog.get_logger(__name__)


class _NoRoomError(Exception):
    """Others have the room."""


class SliceFound(NamedTuple):
    """upto_s: all before it was compared. missed: the oldest first."""

    upto_s: int
    listed: int
    missed: tuple[Missed, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowSweep:
    """asked: whose events. triggers: that take them, from since_s on. room: for the slices of all sweeps."""

    lists: StripeLists
    strike: Strike
    room: SliceRoom
    now_ms: Callable[[], int]
    asked: AskedFor
    triggers: Sequence[SweptTrigger]
    since_s: Since

    async def slices(self, first_s: int, last_s: int) -> AsyncGenerator[SliceFound, None]:
        """Raises SweepError, AccountGoneError, FailureError, KafkaError, TimeoutError."""
        at_s, span_s = max(first_s, min(self.since_s.values(), default=last_s + 1)), last_s - first_s + 1
        needed = FIRST_BYTES
        while at_s <= last_s:
            end_s = min(at_s + span_s - 1, last_s)
            async with self.room.place(needed) as place:
                try:
                    events, oldest_s = await self._listed(at_s, end_s, place)
                except _NoRoomError:
                    needed = MAX_BYTES * MAX_OF_A_SECOND if at_s == end_s else MAX_BYTES
                    continue
                if events is None:
                    span_s = max(1, min((end_s - at_s + 1) // 2, end_s - oldest_s))
                    continue
                place.shrink(sum(len(one.body) for one in events))
                yield await self._compared(events, at_s, end_s)
            if len(events) < MAX_EVENTS // 4:
                span_s *= 2
            at_s, needed = end_s + 1, FIRST_BYTES

    async def _listed(self, first_s: int, last_s: int, place: SlicePlace) -> tuple[list[ListedEvent] | None, int]:
        """The events, newest first, a family after the other; None for too many, with the oldest that was seen.

        Raises _NoRoomError while others have the room that they need.
        """
        found: list[ListedEvent] = []
        size, times = 0, 1 if first_s < last_s else MAX_OF_A_SECOND
        most_bytes = min(MAX_BYTES * times, self.room.size)
        for question in questions(self.triggers):
            listing = EventListing(question, first_s, last_s, self.asked.account)
            while not listing.done:
                page = await self.lists.page(listing, self.asked)
                found.extend(page)
                size += sum(len(one.body) for one in page)
                if len(found) > MAX_EVENTS * times or size > most_bytes:
                    if first_s == last_s:
                        raise SweepError(SweepTrouble.FAILED, "one second has more events than fit into memory")
                    return None, min((one.created_s for one in page), default=first_s)
                if not place.covers(size):
                    raise _NoRoomError
        return found, first_s

    async def _compared(self, events: Sequence[ListedEvent], first_s: int, last_s: int) -> SliceFound:
        missing = lacking(events, self.triggers, self.since_s)
        await self.strike(missing, first_s * 1000)
        now_ms = self.now_ms()
        routed = [self._routed(one, now_ms) for one in oldest_first(missing.values())]
        return SliceFound(last_s + 1, len(events), tuple(one for one in routed if one is not None))

    def _routed(self, one: Lacking, now_ms: int) -> Missed | None:
        found = publication(one, self.asked.connection, now_ms)
        if isinstance(found, Missed):
            return found
        why = "too_large" if found is None else str(found.reason)
        log.warning(LogEvent.EVENT_NOT_BACKFILLED, id=one.event.id, trigger=one.trigger.name, reason=why)
        return None
