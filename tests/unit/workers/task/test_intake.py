"""What a task takes: in turn, within every bound, and nothing before it is due."""

import pytest
from msgspec.structs import replace

from stripeline.workers.executor.ledger import Ledger
from stripeline.workers.task import gaps, intake
from stripeline.workers.task.decision import Waits
from stripeline.workers.task.input_partition import InputPartition
from stripeline.workers.task.intake import SLICE, Filled, Intake, Waiting
from stripeline.workers.task.waiting.waiting_room import WaitingRoom
from stripeline.workers.task.watermark import MAX_METADATA_BYTES, Watermark
from tests.support.records import Record

NOW = 1_000_000


def record(offset: int, topic: str = "commands", *, key: str | None = None, size: int = 1) -> Record:
    return Record(topic=topic, offset=offset, key=(key or f"k{offset}").encode(), value=b"x" * size)


def one(**inputs: InputPartition) -> Intake:
    return Intake(inputs, lane=lambda taken: taken.key, due_ms=lambda taken: 0, limit=4)


def put(source: InputPartition, count: int, topic: str = "commands", **fields) -> InputPartition:
    source.put([record(offset, topic, **fields) for offset in range(count)], count)
    return source


def started(of: Intake) -> list[tuple[str, int]]:
    found = []
    while (next_one := of.lanes.start()) is not None:
        found.append((next_one[1].topic, next_one[1].offset))
    return found


def test_records_are_taken_into_lanes_and_finish_in_any_order():
    of = one(commands=put(InputPartition(grows=True), 3, size=5))
    assert of.wanted() == ["commands"]
    assert of.fill(NOW, pending=0, full=False) == Filled(3, None)
    assert (started(of), len(of.lanes)) == ([("commands", 0), ("commands", 1), ("commands", 2)], 3)
    assert of.held_bytes == 3 * (5 + len(b"k0"))
    of.finish(b"k1", record(1, size=5))
    assert (of.inputs["commands"].watermark.position, of.held_bytes) == (0, 2 * 7)
    load = of.load(calls=2, state=Ledger())
    assert (load.records_waiting, load.records_held, load.bytes_held, load.running, load.calls) == (0, 2, 14, 2, 2)


def test_what_waits_for_room_alone_is_ready_to_start():
    of = one(commands=put(InputPartition(grows=True), 6), results=put(InputPartition(grows=True), 2, "results"))
    of.fill(NOW, pending=0, full=False)
    assert len(started(of)) == 4
    # k0 and k1 are at work, and their second records wait for them: more room would start k4 and k5 alone.
    assert of.load(calls=0, state=Ledger()).ready == 2


def test_what_an_earlier_owner_finished_is_not_taken_again():
    source = put(InputPartition(grows=True, watermark=Watermark(0, [(1, 1)])), 3)
    of = one(commands=source)
    assert of.fill(NOW, pending=0, full=False) == Filled(3, None)
    assert started(of) == [("commands", 0), ("commands", 2)]


def test_only_so_many_are_taken_in_one_go():
    of = one(commands=put(InputPartition(grows=True), SLICE + 1))
    assert of.fill(NOW, pending=0, full=False) == Filled(SLICE, None)
    assert of.fill(NOW, pending=0, full=False) == Filled(1, None)


def test_each_input_is_first_in_turn():
    of = one(
        commands=put(InputPartition(grows=True), 2 * SLICE), retry=put(InputPartition(grows=False), 2 * SLICE, "retry")
    )
    firsts = []
    for _ in range(2):
        of.fill(NOW, pending=0, full=False)
        firsts.append(len(of.inputs["commands"].buffer))
    assert sorted(firsts) == [SLICE, 2 * SLICE]


def test_nothing_is_taken_before_it_is_due():
    due = {"now": NOW, "soon": NOW + 300, "later": NOW + 700}
    inputs = {topic: put(InputPartition(grows=False), 1, topic) for topic in due}
    of = Intake(inputs, lane=lambda taken: taken.topic, due_ms=lambda taken: due[taken.topic], limit=4)
    assert of.fill(NOW, pending=0, full=False) == Filled(1, 300)
    assert of.fill(NOW + 300, pending=0, full=False) == Filled(1, 400)


def test_a_full_state_takes_nothing_that_makes_it_grow():
    of = one(commands=put(InputPartition(grows=True), 1), retry=put(InputPartition(grows=False), 1, "retry"))
    assert of.fill(NOW, pending=0, full=True) == Filled(1, 1_000)
    assert started(of) == [("retry", 0)]


@pytest.mark.parametrize(
    ("bound", "value"), [("MAX_PENDING", 5), ("HELD_BYTES", 0)], ids=["waits for a commit", "bytes in hand"]
)
def test_bounds(monkeypatch, bound, value):
    monkeypatch.setattr(intake, bound, value)
    of = one(commands=put(InputPartition(grows=True), 1))
    assert of.fill(NOW, pending=5, full=False) == Filled(0, None)


def test_the_records_in_hand_are_bounded():
    of = one(commands=put(InputPartition(grows=True), 600))
    assert sum(of.fill(NOW, pending=0, full=False).taken for _ in range(5)) == 512


def test_a_commits_metadata_is_bounded():
    """Every second offset finished: each range costs bytes, and before there are too many nothing more is taken."""
    topic, every_second = "commands", [(offset, offset) for offset in range(1, 6_000, 2)]
    source = InputPartition(grows=True, watermark=Watermark(0, every_second))
    source.put([record(offset, topic) for offset in range(6_000)], 6_000)
    of = Intake({topic: source}, lane=lambda taken: taken.key, due_ms=lambda taken: 0, limit=2_000)
    while of.fill(NOW, pending=0, full=False).taken:
        pass
    assert source.buffer
    assert len(source.watermark.metadata()) <= MAX_METADATA_BYTES


def test_a_gap_is_passed_in_its_turn_at_once():
    """Also where its input waits: nothing of it has to be due. What is behind it is taken next."""
    source = put(InputPartition(grows=True), 2)
    gap = gaps.lost("letters", "commands", 0, 9, gaps.MissingOffsets(2, 9, 8), NOW)
    source.put([gap], 10)
    source.put([record(10)], 11)
    of = one(commands=source)
    assert of.fill(NOW, pending=0, full=False) == Filled(3, None, (gap,))
    assert started(of) == [("commands", 0), ("commands", 1), ("commands", 10)]
    for offset in (0, 10):
        of.finish(f"k{offset}".encode(), record(offset))
    assert source.watermark.position == 1
    assert source.watermark.ranges() == ((2, 10),)


class TestWaiting:
    def waiting(self, wants: Waits | None) -> tuple[Intake, WaitingRoom]:
        room = WaitingRoom()
        source = put(InputPartition(grows=False, watermark=Watermark(0, [(1, 1)])), 3, "retry")
        waiting = Waiting(
            topics=frozenset({"retry"}), waits=lambda *_: wants, turn=lambda _: 0, lets=lambda *_: 0, room=room
        )
        inputs = {"retry": source, "commands": put(InputPartition(grows=True), 1, key="c")}
        return Intake(inputs, lambda taken: taken.key, lambda _: 0, 4, waiting), room

    def test_what_waits_is_read_ahead_and_unfinished(self):
        of, room = self.waiting(Waits(until_ms=NOW + 300))
        assert of.fill(NOW, pending=0, full=False) == Filled(4, 300)
        assert started(of) == [("commands", 0)]
        assert (len(room), of.inputs["retry"].watermark.ranges()) == (2, ((1, 1),))
        load = of.load(calls=0, state=Ledger())
        assert (load.records_waiting, load.waiting["retry"].count) == (2, 2)
        assert of.fill(NOW + 300, pending=0, full=False).taken == 2
        assert started(of) == [("retry", 0), ("retry", 2)]

    def test_a_record_that_was_taken_may_stay(self):
        of, room = self.waiting(None)
        of.fill(NOW, pending=0, full=False)
        assert set(started(of)) == {("commands", 0), ("retry", 0), ("retry", 2)}
        assert not of.stays(b"c", record(0, key="c"), Waits(place=1), NOW)  # its topic is none whose records wait
        assert of.stays(b"k0", record(0, "retry"), Waits(place=0), NOW)
        assert (len(room), of.inputs["retry"].watermark.position) == (1, 0)
        of.finish(b"k2", record(2, "retry"))
        of.close()
        assert room.bytes == 0

    def test_a_role_without_a_waiting_room_keeps_nothing(self):
        of = one(commands=put(InputPartition(grows=True), 1))
        of.fill(NOW, pending=0, full=False)
        assert not of.stays(b"k0", record(0), Waits(place=1), NOW)
        of.close()

    def test_a_clock_that_was_put_back_delays_nothing(self):
        of, room = self.waiting(None)
        of.fill(NOW, pending=0, full=False)
        room.add(b"far", record(7, "retry"), Waits(gate="acme", closed=True))
        asked = []
        of._waiting = replace(of._waiting, lets=lambda gate, _: asked.append(gate) or 0)
        of.fill(NOW + 10, pending=0, full=False)
        assert asked == []
        of.fill(NOW - 3_600_000, pending=0, full=False)
        assert asked == ["acme"]
