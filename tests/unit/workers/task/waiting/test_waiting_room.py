"""The waiting room: what a record waits for, what wakes it, and how much is kept."""

import pytest

from stripeline.workers.task.decision import Waits
from stripeline.workers.task.waiting import waiting_room
from stripeline.workers.task.waiting.waiting_room import MANY, STAYS_MS, RoomSize, WaitingRoom, WaitingTopic
from tests.support.records import Record

NOW = 1_000_000
TOPIC = "stripe.action-retry.5s"


def record(offset: int, **fields) -> Record:
    return Record(topic=TOPIC, offset=offset, timestamp=NOW, value=b"{}", headers=(("a", b"b"),), **fields)


def waiting(*waits: Waits, lane=b"k1") -> WaitingRoom:
    room = WaitingRoom()
    for offset, one in enumerate(waits):
        room.add(lane, record(offset), one)
    return room


def popped(room: WaitingRoom) -> list[int]:
    found = []
    while room.ready:
        assert room.first() == TOPIC
        found.append(room.pop()[1].offset)
    return found


def test_a_record_comes_back_as_it_was_read():
    room = WaitingRoom()
    room.add(b"k1", record(7, partition=3), Waits(until_ms=NOW))
    assert (len(room), room.bytes > 0, room.size.bytes) == (1, True, room.bytes)
    room.wake_due(NOW)
    lane, back = room.pop()
    assert lane == b"k1"
    for name in ("topic", "partition", "offset", "timestamp", "key", "value", "headers"):
        assert getattr(back, name) == getattr(record(7, partition=3), name)
    assert (len(room), room.bytes, room.size.bytes) == (0, 0, 0)


def test_what_is_due_is_ready_oldest_first():
    room = waiting(Waits(until_ms=NOW + 2), Waits(until_ms=NOW + 1), Waits(until_ms=NOW + 3))
    assert room.next_ms == NOW + 1
    room.wake_due(NOW + 2)
    assert popped(room) == [0, 1]
    assert room.next_ms == NOW + 3


def test_a_place_waits_for_its_turn():
    room = waiting(Waits(place=4), Waits(place=5), Waits(place=6))
    room.turn(b"other", lambda: 5)
    room.turn(b"k1", lambda: 7)
    assert popped(room) == []
    room.turn(b"k1", lambda: 5)
    assert popped(room) == [1]


def test_without_a_queue_no_place_waits_any_more():
    room = waiting(Waits(place=6), Waits(place=4))
    room.turn(b"k1", lambda: None)
    assert popped(room) == [0, 1]
    room.turn(b"k1", lambda: None)


def test_two_records_with_one_place_are_each_decided_about():
    room = waiting(Waits(place=4), Waits(place=4))
    assert popped(room) == [0]
    room.turn(b"k1", lambda: 4)
    assert popped(room) == [1]


GATE = ("acme", None)


class TestGates:
    def test_a_closed_gate_lets_nothing_through(self):
        room = waiting(Waits(gate=GATE, closed=True))
        room.look_at_gates(lambda _: 0)
        assert popped(room) == []

    def test_one_that_was_not_attempted_tries_it_first(self):
        room = waiting(*(Waits(gate=GATE, closed=True, fresh=fresh) for fresh in (False, True, True)))
        found = []
        for _ in range(3):
            room.look_at_gates(lambda _: 1)
            found += popped(room)
        assert found == [1, 2, 0]

    def test_once_it_opens_all_go_on(self):
        room = waiting(Waits(gate=GATE, closed=True), Waits(until_ms=NOW + 9, gate=GATE, fresh=False))
        room.look_at_gates({GATE: MANY}.get)
        assert popped(room) == [0, 1]
        room.look_at_gates({}.get)

    def test_what_waits_for_its_time_goes_on_when_its_gate_opens(self):
        room = waiting(Waits(until_ms=NOW + 9, gate=GATE))
        room.look_at_gates(lambda _: MANY)
        assert popped(room) == []
        room.look_at_gates(lambda _: 0)
        room.look_at_gates(lambda _: MANY)
        assert popped(room) == [0]

    def test_a_gate_is_asked_about_once(self):
        asked = []
        room = waiting(*(Waits(gate=GATE, closed=True) for _ in range(5)))
        room.look_at_gates(lambda gate: asked.append(gate) or 0)
        assert asked == [GATE]


class TestBounds:
    def test_one_that_is_old_moves(self):
        room = WaitingRoom()
        assert room.keeps(record(0), NOW + STAYS_MS - 1)
        assert not room.keeps(record(0), NOW + STAYS_MS)
        room.add(b"k1", record(0), Waits(place=3))
        room.wake_due(NOW + STAYS_MS)
        assert popped(room) == [0]

    def test_the_records_of_a_task_are_bounded(self, monkeypatch):
        monkeypatch.setattr(waiting_room, "MAX_RECORDS", 1)
        assert waiting().keeps(record(0), NOW)
        assert not waiting(Waits(place=3)).keeps(record(1), NOW)

    def test_the_bytes_of_a_process_are_bounded(self):
        size = RoomSize(limit=500)
        first, second = WaitingRoom(size), WaitingRoom(size)
        first.add(b"k1", Record(topic=TOPIC, value=b"x" * 200), Waits(place=3))
        assert not second.keeps(record(1), NOW)
        first.clear()
        first.clear()
        assert second.keeps(record(1), NOW)
        assert size.bytes == 0

    def test_what_was_woken_is_forgotten(self):
        """Its time may be hours ahead: of a million such, none is kept."""
        room = WaitingRoom()
        for place in range(2_000):
            room.add(b"k1", record(place), Waits(place=place))
            room.turn(b"k1", lambda place=place: place)
            popped(room)
        assert len(room._by_topic[TOPIC].times) + len(room._by_topic[TOPIC].ages) < 300
        room.wake_due(NOW + STAYS_MS)
        assert popped(room) == []


class TestMoving:
    @pytest.mark.parametrize(
        ("waits", "moves"),
        [
            (Waits(place=3), True),
            (Waits(gate=GATE, closed=True), True),
            (Waits(until_ms=NOW + 9, gate=GATE), False),
            (Waits(until_ms=NOW + 9), False),
        ],
        ids=["its turn", "a closed gate", "its time, or a gate", "its time"],
    )
    def test_what_can_move_without_an_attempt(self, waits, moves):
        room = waiting(waits)
        room.move(TOPIC, lambda _: True)
        assert popped(room) == ([0] if moves else [])
        assert room.keeps(record(0), NOW) is not moves
        assert room.keeps(record(0), NOW)

    def test_only_the_offsets_that_were_named_move(self):
        room = waiting(Waits(place=3), Waits(place=4), Waits(place=5))
        room.move("other", lambda _: True)
        room.move(TOPIC, lambda offset: offset == 1)
        room.move(TOPIC, lambda offset: offset == 1)
        assert popped(room) == [1]

    def test_what_ended_instead_moves_no_more(self):
        room = waiting(Waits(place=3))
        room.ended(record(5))
        room.move(TOPIC, lambda _: True)
        room.ended(record(0))
        assert room.keeps(record(0), NOW)


def test_what_waits_is_seen_by_topic():
    room = waiting(Waits(until_ms=NOW + 5), Waits(place=3), Waits(until_ms=NOW + 3), Waits(until_ms=NOW + 1))
    assert room.topics() == {TOPIC: WaitingTopic(count=4, due_ms=NOW + 1, first_ms=NOW)}
    room.wake_due(NOW + 3)
    assert room.topics() == {TOPIC: WaitingTopic(count=4, due_ms=NOW + 5, ready=2, ready_ms=NOW + 1, first_ms=NOW)}
    ready = waiting(Waits(place=3))
    ready.turn(b"k1", lambda: 3)
    stays_ms = NOW + STAYS_MS
    assert ready.topics() == {TOPIC: WaitingTopic(count=1, ready=1, ready_ms=stays_ms, first_ms=NOW)}
    ready = waiting(Waits(until_ms=NOW))
    ready.wake_due(NOW)
    assert ready.topics() == {TOPIC: WaitingTopic(count=1, ready=1, ready_ms=NOW, first_ms=NOW)}


def test_the_lanes_whose_head_waits_are_known():
    room = waiting(Waits(place=3), lane=b"behind")
    room.add(b"head", record(1), Waits(gate=GATE, closed=True))
    room.add(b"ready", record(2), Waits(until_ms=NOW))
    room.wake_due(NOW)
    assert [lane in room.heads for lane in (b"head", b"ready", b"behind")] == [True, True, False]
    room.pop()
    assert b"ready" not in room.heads
