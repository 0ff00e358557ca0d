"""The watermark: everything below it is finished, and what is finished above it survives a restart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripeline.workers.task.watermark import MAX_METADATA_BYTES, Watermark, decode, encode


def test_it_stands_at_the_oldest_unfinished_record():
    mark = Watermark(5)
    for offset in (5, 6, 7):
        assert mark.take(offset)
    mark.finish(6)
    assert (mark.position, mark.next) == (5, 8)
    assert mark.ranges() == ((6, 6),)
    mark.finish(5)
    assert mark.position == 7
    mark.finish(7)
    assert (mark.position, mark.ranges(), mark.metadata()) == (8, (), "")
    assert mark.unfinished == 0


def test_a_gap_of_markers_is_part_of_a_range():
    mark = Watermark(0)
    for offset in (0, 3, 9):
        mark.take(offset)
    assert mark.ranges() == ()
    mark.finish(3)
    assert mark.ranges() == ((1, 8),)
    mark.advance(12)
    mark.finish(9)
    assert mark.ranges() == ((1, 11),)


def test_a_restart_skips_what_an_earlier_owner_finished():
    mark = Watermark(5, [(6, 7), (10, 10)])
    assert [mark.take(offset) for offset in range(5, 12)] == [True, False, False, True, True, False, True]


def test_what_an_earlier_owner_finished_parts_what_waits():
    mark = Watermark(5, [(6, 7)])
    for offset in range(5, 10):
        mark.take(offset)
    assert (mark.runs, mark.ranges()) == ([(5, 5), (8, 9)], ((6, 7),))


def test_finished_ranges_beyond_the_position_are_kept():
    mark = Watermark(5, [(6, 7), (10, 12)])
    mark.take(5)
    mark.take(6)
    assert mark.ranges() == ((6, 6), (7, 7), (10, 12))
    assert decode(5, mark.metadata()) == ((6, 6), (7, 7), (10, 12))


def test_what_is_skipped_is_finished_and_not_met_again():
    mark = Watermark(0)
    mark.take(0)
    mark.skip(5)
    mark.take(5)
    mark.take(6)
    assert (mark.ranges(), mark.runs) == (((1, 4),), [(0, 0), (5, 6)])


def test_markers_at_the_end_move_an_idle_watermark():
    mark = Watermark(5)
    mark.advance(7)
    assert mark.position == 7
    mark.advance(6)
    assert mark.position == 7


def test_no_record_is_taken_that_could_outgrow_the_metadata():
    mark = Watermark(0)
    offset = 0
    while mark.may_take():
        mark.take(offset)
        mark.take(offset + 1)
        mark.finish(offset + 1)
        offset += 2**20
    assert len(mark.metadata()) <= MAX_METADATA_BYTES
    assert offset > 200 * 2**20


def test_finishing_makes_room_again():
    mark = Watermark(0)
    waiting = []
    while mark.may_take():
        waiting.append(mark.next + 1_000_000)
        mark.take(waiting[-1])
        mark.take(waiting[-1] + 1)
        mark.finish(waiting[-1] + 1)
    for offset in waiting:
        mark.finish(offset)
    assert mark.may_take()


def test_ranges_beyond_the_limit_are_left_out():
    mark = Watermark(0)
    for offset in range(20_000):
        mark.take(offset)
    for offset in range(1, 20_000, 2):
        mark.finish(offset)
    assert 3_000 < len(mark.metadata()) <= MAX_METADATA_BYTES
    kept = decode(0, mark.metadata())
    assert kept == mark.ranges()[: len(kept)]


def test_many_unfinished_records_cost_as_much_as_their_runs():
    """A commit's metadata and position are read with each commit, however many records wait."""
    mark = Watermark(0)
    for offset in range(0, 200_000, 2):  # markers between
        mark.take(offset)
    assert (mark.unfinished, mark.runs, mark.ranges()) == (100_000, [(0, 199_998)], ())
    mark.finish(100_000)
    assert mark.runs == [(0, 99_998), (100_002, 199_998)]


@pytest.mark.parametrize("metadata", ["", "somebody else's", "2:AAAA", "1:A", "1:é"])
def test_foreign_metadata_is_no_ranges(metadata):
    assert decode(5, metadata) == ()


@given(st.integers(0, 2**40), st.lists(st.integers(1, 2**20), max_size=200))
def test_ranges_come_back_as_they_were_written(position, steps):
    edges = [position]
    for step in steps:
        edges.append(edges[-1] + step)
    ranges = tuple((first, end - 1) for first, end in zip(edges[1::2], edges[2::2], strict=False))
    assert decode(position, encode(position, ranges)) == ranges


@given(st.lists(st.tuples(st.integers(1, 3), st.booleans()), min_size=1, max_size=60), st.randoms())
def test_after_a_crash_only_unfinished_records_are_taken_again(steps, random):
    offsets, mark = [], Watermark(0)
    for gap, _ in steps:
        offsets.append((offsets[-1] if offsets else -1) + gap)
        mark.take(offsets[-1])
    finished = {offset for offset, (_, done) in zip(offsets, steps, strict=True) if done}
    for offset in random.sample(sorted(finished), len(finished)):
        mark.finish(offset)
    again = Watermark(mark.position, decode(mark.position, mark.metadata()))
    taken = {offset for offset in offsets if offset >= mark.position and again.take(offset)}
    assert taken == set(offsets) - finished
    assert all(offset in finished for offset in offsets if offset < mark.position)
