"""What is noted of published events: each once, with its place, within a bound."""

from collections.abc import Iterator
from typing import Any

import msgspec
import orjson
from hypothesis import given
from hypothesis import strategies as st

from stripeline.contracts.deliveries.seen_events import SeenEvents
from stripeline.contracts.topics import RECORD_MAX_BYTES
from stripeline.ingest.routing import Publication, route
from stripeline.ingest.seen_buffer import RECORD_EVENTS, EventNote, SeenBuffer, note_of
from stripeline.ingest.trigger import TriggerView
from stripeline.ingest.webhook_path import PathView

PAYMENTS = TriggerView(name="payments", family_kind="stripe/payment-event", connection="acme")
ENDPOINT = PathView(name="shop", triggers=(PAYMENTS,), secrets=(b"whsec_x",))


def notes(*ids: str) -> list[EventNote | None]:
    return [EventNote(one, "payments", 1_790_000_000) for one in ids]


def taken(buffer: SeenBuffer) -> Iterator[tuple[Any, ...]]:
    """All that it holds, as a reader of the topic finds it."""
    while (record := buffer.take()) is not None:
        events = msgspec.json.decode(record.value, type=SeenEvents).events
        assert len(events) == record.events <= RECORD_EVENTS
        assert len(record.value) < RECORD_MAX_BYTES
        yield from (msgspec.structs.astuple(event) for event in events)


def test_an_event_is_noted_with_its_place() -> None:
    buffer = SeenBuffer()
    assert buffer.add("s.payment-event", 3, 40, notes("evt_a", "evt_b")) == 0
    assert list(taken(buffer)) == [
        ("evt_a", "payments", 1_790_000_000, "s.payment-event", 3, 40),
        ("evt_b", "payments", 1_790_000_000, "s.payment-event", 3, 41),
    ]


def test_a_record_without_a_note_keeps_the_others_places() -> None:
    buffer = SeenBuffer()
    buffer.add("s.payment-event", 0, 7, [None, *notes("evt_a"), None, *notes("evt_b")])
    assert [(event[0], event[5]) for event in taken(buffer)] == [("evt_a", 8), ("evt_b", 10)]


@given(st.lists(st.integers(1, 3_000), max_size=6), st.integers(1, 5_000))
def test_each_event_is_noted_once_or_counted(batches: list[int], limit: int) -> None:
    buffer, offset, dropped = SeenBuffer(limit), 0, 0
    for size in batches:
        dropped += buffer.add("s.charge-event", 1, offset, notes(*(f"evt_{offset + at}" for at in range(size))))
        assert len(buffer) <= limit
        offset += size
    noted = list(taken(buffer))
    assert all(event[0] == f"evt_{event[5]}" for event in noted)
    assert len({event[0] for event in noted}) == len(noted) == offset - dropped == min(offset, limit)


def test_the_longest_names_fit_a_record() -> None:
    buffer = SeenBuffer()
    long = EventNote("e" * 128, "t" * 40, 1_790_000_000)
    buffer.add("p" * 249, 99_999, 10**15, [long] * RECORD_EVENTS)
    assert len(list(taken(buffer))) == RECORD_EVENTS


def test_a_test_event_of_the_dashboard_is_not_noted() -> None:
    assert note_of("evt_00000000000000", "payments", 1, livemode=False) is None
    assert note_of("evt_charge_00000000000000", "payments", 1, livemode=False) is None
    assert note_of("evt_00000000000000", "payments", 1, livemode=True) is not None
    assert note_of("evt_1", "payments", 1, livemode=False) is not None


def test_a_routed_event_has_its_note() -> None:
    event = {
        "object": "event", "id": "evt_1", "type": "payment_intent.succeeded", "created": 1_790_000_000,
        "livemode": False, "data": {"object": {"id": "pi_1"}},
    }  # fmt: skip
    routed = [
        route(orjson.dumps({**event, "id": one}), path=ENDPOINT, received_at_ms=1, traceparent=None)
        for one in ("evt_1", "evt_00000000000000")
    ]
    assert [one.note for one in routed if isinstance(one, Publication)] == [*notes("evt_1"), None]
