"""A commit says which topics it is of."""

from hypothesis import given
from hypothesis import strategies as st

from stripeline.workers.task.topic_marks import is_of_another_changelog, is_of_another_topic, mark_of
from stripeline.workers.task.watermark import MAX_METADATA_BYTES, Watermark, decode, mark_in

IDS = st.text("abcXYZ019-_", min_size=22, max_size=22)


@given(IDS, IDS, IDS, IDS)
def test_ids_that_differ_are_seen(topic: str, changelog: str, other_topic: str, other_changelog: str) -> None:
    before, now = mark_of(topic, changelog), mark_of(other_topic, other_changelog)
    assert is_of_another_topic(before, now) == (topic != other_topic)
    assert is_of_another_changelog(before, now) == (changelog != other_changelog)


def test_nothing_is_compared_without_ids() -> None:
    assert mark_of(None, "c") == mark_of("t", None) == ""
    for before, now in (("", "t.c"), ("t.c", ""), ("", "")):
        assert not is_of_another_topic(before, now)
        assert not is_of_another_changelog(before, now)


@given(IDS, IDS, st.sets(st.integers(0, 60)))
def test_a_commits_metadata_keeps_mark_and_ranges(topic: str, changelog: str, finished: set[int]) -> None:
    watermark = Watermark(0, mark=mark_of(topic, changelog))
    for offset in range(61):
        watermark.take(offset)
    for offset in finished:
        watermark.finish(offset)
    text = watermark.metadata()
    assert mark_in(text) == mark_of(topic, changelog)
    assert decode(watermark.position, text) == tuple(watermark.ranges())
    unmarked = text.partition(";")[2]
    assert decode(watermark.position, unmarked) == tuple(watermark.ranges())  # as it was before there were marks
    assert mark_in(unmarked) == ""


def test_a_marked_commit_stays_below_kafkas_limit() -> None:
    watermark = Watermark(0, mark=mark_of("t" * 22, "c" * 22))
    offset = 0
    while watermark.may_take():
        watermark.take(offset)
        watermark.take(offset + 1)
        watermark.finish(offset + 1)
        offset += 10_000
    assert len(watermark.metadata()) <= MAX_METADATA_BYTES
