"""Gaps in an input: what of a range is missing, and the dead letter that says so."""

from hypothesis import given
from hypothesis import strategies as st

from stripeline.contracts import headers as h
from stripeline.contracts.vocabulary import Verdict
from stripeline.workers.task.gaps import MissingOffsets, lost, missing, skipped
from stripeline.workers.task.watermark import Watermark

RANGES = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 5)).map(lambda one: (one[0], one[0] + one[1])))


@given(st.integers(0, 30), st.integers(0, 15), RANGES)
def test_missing_is_what_no_range_covers(first: int, length: int, finished: list[tuple[int, int]]) -> None:
    last = first + length
    left = {*range(first, last + 1)} - {at for begin, end in finished for at in range(begin, end + 1)}
    wanted = MissingOffsets(min(left), max(left), len(left)) if left else None
    assert missing(first, last, finished) == wanted


@given(st.sets(st.integers(0, 30)), st.integers(1, 30), st.integers(0, 30))
def test_a_loss_is_told_once_whatever_was_finished(finished: set[int], taken: int, removed: int) -> None:
    """A restart after the commit that has the dead letter finds nothing missing any more."""
    before = Watermark(0)
    for offset in range(taken):
        before.take(offset)
    for offset in sorted(finished & {*range(taken)}):
        before.finish(offset)
    first = before.position + removed
    again = Watermark(before.position, before.ranges())
    lacks = missing(again.position, first - 1, again.ranges())
    undone = {*range(taken)} - finished
    assert (lacks.count if lacks else 0) == len({*range(before.position, first)} & (undone | {*range(taken, first)}))
    again.advance(first)  # as a task passes the gap
    after = Watermark(again.position, again.ranges())
    assert after.position >= first
    assert missing(after.position, first - 1, after.ranges()) is None
    assert all(after.take(offset) == (offset in undone) for offset in range(first, taken))


def test_a_lost_range_has_a_dead_letter() -> None:
    gap = lost("letters", "commands", 3, 9, MissingOffsets(4, 9, 5), 1_790_000_000_000)
    (letter,) = gap.decision.outputs
    assert (gap.offset, gap.decision.verdict, letter.topic, letter.value) == (9, Verdict.LOST, "letters", b"")
    headers = h.read(letter.headers)
    assert headers[h.REASON] == b"lost_by_retention"
    assert (headers[h.ORIGIN_TOPIC], headers[h.ORIGIN_PARTITION]) == (b"commands", b"3")
    assert (headers[h.ORIGIN_OFFSET], headers[h.ORIGIN_LAST_OFFSET]) == (b"4", b"9")
    assert headers[h.LAST_ERROR].startswith(b"offsets 4 to 9 (5 of them)")


def test_a_skipped_batch_is_a_dead_letter_with_its_bytes() -> None:
    gap = skipped("letters", "commands", 3, 9, MissingOffsets(4, 9, 6), why="a disk", batch=b"bytes", at_ms=-1)
    (letter,) = gap.decision.outputs
    headers = h.read(letter.headers)
    assert (letter.value, headers[h.REASON], headers[h.LAST_ERROR]) == (b"bytes", b"unreadable_batch", b"a disk")
    assert headers[h.FIRST_APPENDED_AT] == b"0"
