"""An event is missing when no note proves that it came; every one is found, and none is published twice in a sweep."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stripeline.contracts import headers
from stripeline.contracts.deliveries.delivery_vocabulary import EventReason
from stripeline.contracts.deliveries.seen_events import SeenEvent
from stripeline.contracts.families import families
from stripeline.deploy.stripe_side.sweeps import sweep_windows as windows
from stripeline.deploy.stripe_side.sweeps.event_comparison import (
    NEAR_MS,
    Comparison,
    LogRange,
    WantedNotes,
    lacking,
    of_one_reading,
    oldest_first,
    proves,
)
from stripeline.deploy.stripe_side.sweeps.event_listing import EventListing
from stripeline.deploy.stripe_side.sweeps.event_publication import Missed, publication
from stripeline.deploy.stripe_side.sweeps.listed_event import ListedEvent, listed_event
from stripeline.deploy.stripe_side.sweeps.sweep_plan import SweptTrigger, questions
from stripeline.deploy.stripe_side.sweeps.sweep_windows import DAY_S, MINUTE_S
from stripeline.ingest.routing import Rejected
from stripeline.ingest.webhook import MAX_BODY

TYPE = "payment_intent.succeeded"
PAY = SweptTrigger("pay", families()["stripe/payment-event"], "snapshot", (TYPE,), livemode=True)
ALSO = PAY._replace(name="also")
PEOPLE = SweptTrigger("people", families()["stripe/customer-event"], "snapshot", ("customer.created",), livemode=True)


def raw(name: str, created_s: int, **others: Any) -> dict[str, Any]:
    data = {"object": {"id": "pi_1", "object": "payment_intent"}}
    return {"id": name, "object": "event", "type": TYPE, "created": created_s, "livemode": True, "data": data} | others


def listed(name: str, created_s: int, **others: Any) -> ListedEvent:
    found = listed_event(raw(name, created_s, **others), "snapshot", None)
    assert found is not None
    return found


def note(offset: int, name: str = "evt_1") -> SeenEvent:
    return SeenEvent(name, "pay", 100, "stripe.payment-event", 0, offset)


def test_each_trigger_is_compared_by_itself():
    found = lacking(
        [listed("evt_1", 100)], [PAY, ALSO, PEOPLE], {(name, TYPE): 0 for name in ("pay", "also", "people")}
    )
    assert set(found) == {("evt_1", "pay"), ("evt_1", "also")}


def test_what_came_before_a_trigger_is_not_missing():
    events = [listed("evt_2", 101), listed("evt_1", 100)]
    assert set(lacking(events, [PAY, ALSO], {("pay", TYPE): 101})) == {("evt_2", "pay")}


@pytest.mark.parametrize(
    ("offset", "noted_ms", "kept_from_ms", "proved"),
    [
        (10, 0, 0, True),
        (19, 0, 0, True),
        (20, 0, 0, False),  # behind the end: the topic was created again, or its log was cut
        (9, 9_000_000, 5_000_000, False),  # deleted by a person
        (9, 9_000_000, 9_000_000, True),  # by retention
        (9, 9_000_000, None, False),  # nothing leaves by itself
    ],
)
def test_a_note_proves_what_is_or_was_on_its_topic(
    offset: int, noted_ms: int, kept_from_ms: int | None, *, proved: bool
):
    assert proves(note(offset), noted_ms, LogRange(10, 20), kept_from_ms) is proved
    assert not proves(note(offset), noted_ms, None, kept_from_ms)


PAIRS = st.tuples(st.sampled_from(["evt_1", "evt_2", "evt_3"]), st.sampled_from(["a", "b", "c"]))


@given(st.lists(st.sets(PAIRS, min_size=1), min_size=1, max_size=5), st.lists(PAIRS))
def test_a_shared_reading_strikes_what_one_for_each_would(wanted: list[set[tuple[str, str]]], noted: list[Any]):
    comparisons = [Comparison(dict.fromkeys(pairs), number) for number, pairs in enumerate(wanted)]  # type: ignore[arg-type]
    together, ended = WantedNotes(comparisons), list[Comparison]()
    for event, trigger in noted:
        of = SeenEvent(event, trigger, 100, "t", 0, 1)
        assert list(together.lacking(of)) == [one for one in comparisons if (event, trigger) in one.missing]
        ended += together.strike(of)
    assert [set(one.missing) for one in comparisons] == [pairs - set(noted) for pairs in wanted]
    assert set(ended) == {one for one in comparisons if not one.missing}
    assert bool(together) == any(one.missing for one in comparisons)


def test_a_reading_is_for_those_whose_times_are_near():
    far, first, near = (Comparison({}, at_ms) for at_ms in (0, NEAR_MS + 1, 2 * NEAR_MS + 1))
    assert of_one_reading([first, far, near]) == [first, near]
    assert of_one_reading([far, first]) == [far]
    assert of_one_reading([]) == []


def test_the_oldest_is_published_first():
    names = [listed("evt_a", 102), listed("evt_9", 101), listed("evt_c", 101), listed("evt_b", 100)]
    found = oldest_first(lacking(names, [PAY], {("pay", TYPE): 0}).values())
    assert [one.event.id for one in found] == ["evt_b", "evt_c", "evt_9", "evt_a"]


def missed(event: ListedEvent, trigger: SweptTrigger = PAY, now_ms: int = 700_000) -> Any:
    return publication(lacking([event], [trigger], {(trigger.name, TYPE): 0})[event.id, trigger.name], "acme", now_ms)


def test_it_is_published_as_by_ingest_and_says_it_is_late():
    found = missed(listed("evt_1", 100))
    assert isinstance(found, Missed)
    record = found.publication
    assert (record.topic, record.key, record.timestamp_ms) == ("payment-event", b"pi_1", 700_000)
    said = headers.read(record.headers)
    assert said[headers.SOURCE] == b"backfill"
    assert said[headers.LATE_BY] == b"600000"
    assert (said[headers.TRIGGER], said[headers.CONNECTION]) == (b"pay", b"acme")


def test_an_event_of_the_other_mode_is_not_published():
    assert missed(listed("evt_1", 100, livemode=False)) == Rejected(reason=EventReason.WRONG_MODE)


def test_an_event_too_large_for_a_delivery_is_not_published():
    data = {"object": {"id": "pi_1", "object": "payment_intent", "x": "y" * MAX_BODY}}
    assert missed(listed("evt_1", 100, data=data)) is None


@dataclass
class List:
    """Stripe's list. Ids say nothing of the order; within a second the newest is the one that came last."""

    events: list[tuple[int, str]] = field(default_factory=list)
    shown: set[str] = field(default_factory=set)

    def page(self, path: str, size: int) -> dict[str, Any]:
        asked = dict(parse_qsl(urlsplit(path).query))
        first_s, last_s, after = int(asked["created[gte]"]), int(asked["created[lte]"]), asked.get("starting_after")
        found = [one for one in sorted(self.events, key=lambda one: one[0], reverse=True) if one[1] in self.shown]
        found = [one for one in found if first_s <= one[0] <= last_s]
        if after is not None:
            found = found[[name for _, name in found].index(after) + 1 :]
        return {"data": [raw(name, at_s) for at_s, name in found[:size]], "has_more": len(found) > size}


@dataclass
class Rig:
    """One connection, its notes, and what was published."""

    stripe: List
    size: int
    notes: set[str] = field(default_factory=set)
    published: list[str] = field(default_factory=list)
    lost_anchors: list[bool] = field(default_factory=list)

    def sweep(self, window: windows.SweepWindow, appearing: Sequence[str]) -> list[str]:
        late, found = list(appearing), []
        for question in questions([PAY]):
            listing = EventListing(question, window.first_s, window.last_s)
            while not listing.done:
                if listing.anchored and self.lost_anchors and self.lost_anchors.pop():
                    listing.restart()
                found += listing.take(self.stripe.page(listing.path(), self.size))
                if late:
                    self.stripe.shown.add(late.pop())
        missing = [one for one in lacking(found, [PAY], {("pay", TYPE): 0}).values() if one.event.id not in self.notes]
        names = [one.event.id for one in oldest_first(missing)]
        self.published += names
        self.notes.update(names)
        return names


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_every_event_is_found_and_none_twice_in_a_sweep(data: st.DataObject):
    now_s, rig = 1_800_000_000, Rig(List(), size=data.draw(st.integers(1, 5)))
    known = windows.begun(None, "live", now_s * 1000)
    rig.lost_anchors = data.draw(st.lists(st.booleans(), max_size=3))
    hidden: list[tuple[int, str]] = []
    for number in range(data.draw(st.integers(1, 30))):
        at_s = now_s + data.draw(st.integers(0, 2 * 60 * MINUTE_S)) // 60 * 60  # many in one second
        name = f"evt_{data.draw(st.integers(0, 9))}{number}"
        rig.stripe.events.append((at_s, name))
        shown = data.draw(st.sampled_from(["at once", "at once", "late", "very late"]))
        late_s = {"at once": 0, "late": 20 * MINUTE_S, "very late": DAY_S}[shown]
        hidden.append((at_s + late_s, name))
        if data.draw(st.booleans()):
            rig.notes.add(name)
    came = set(rig.notes)
    for pause_s in [*data.draw(st.lists(st.integers(60, 90 * MINUTE_S), max_size=20)), 6 * DAY_S, DAY_S]:
        now_s += pause_s
        while (window := windows.due(known, now_s)) is not None:
            ready = [name for at_s, name in hidden if at_s <= now_s and name not in rig.stripe.shown]
            during = [name for name in ready if data.draw(st.booleans())]
            rig.stripe.shown.update(set(ready) - set(during))
            once = rig.sweep(window, during)
            assert len(once) == len(set(once))
            rig.stripe.shown.update(during)
            known = windows.after(known, window, len(once), 0)
    everything = {name for _, name in rig.stripe.events}
    assert set(rig.published) == everything - came
    assert len(rig.published) == len(set(rig.published))
