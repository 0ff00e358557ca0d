"""When a live stream looks, shows that it is open, and asks again who reads it."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripeline.deploy.console.console_page import News
from stripeline.deploy.console.live.live_messages import message, news_words
from stripeline.deploy.console.live.live_places import MOST_OF_USER, MOST_STREAMS, LivePlaces
from stripeline.deploy.console.live.live_schedule import HEARTBEAT_S, IDENTIFY_S, LiveSchedule, LiveStep


def schedule(*, every_s: float = 0.5, always: bool = False) -> LiveSchedule:
    return LiveSchedule(now_s=0.0, seen=1, look_every_s=every_s, always=always)


def test_two_changes_within_half_a_second_are_one_look():
    one = schedule()
    steps = [one.step(now_s, version) for now_s, version in ((0.1, 2), (0.3, 3), (0.5, 3), (0.9, 3), (1.0, 3))]
    assert steps == [LiveStep.WAIT, LiveStep.WAIT, LiveStep.LOOK, LiveStep.WAIT, LiveStep.WAIT]


def test_without_a_change_a_list_is_not_counted_again():
    one = schedule()
    assert {one.step(now_s, 1) for now_s in (1.0, 5.0, 14.0)} == {LiveStep.WAIT}


def test_parts_are_looked_at_without_a_change():
    one = schedule(every_s=2.0, always=True)
    assert [one.step(now_s, 1) for now_s in (1.9, 2.0, 3.9, 4.0)] == [
        LiveStep.WAIT, LiveStep.LOOK, LiveStep.WAIT, LiveStep.LOOK,
    ]  # fmt: skip


def test_a_silent_stream_shows_that_it_is_open():
    one = schedule()
    assert [one.step(now_s, 1) for now_s in (HEARTBEAT_S - 1, HEARTBEAT_S, HEARTBEAT_S + 1)] == [
        LiveStep.WAIT, LiveStep.HEARTBEAT, LiveStep.WAIT,
    ]  # fmt: skip
    one.sent(20.0)
    assert one.step(HEARTBEAT_S * 2, 1) is LiveStep.WAIT


def test_who_reads_is_asked_again_even_on_a_busy_stream():
    one = schedule()
    assert one.step(IDENTIFY_S, 2) is LiveStep.IDENTIFY
    assert one.step(IDENTIFY_S, 2) is LiveStep.LOOK


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 3)), max_size=100))
def test_no_stream_looks_more_often_than_it_may(moves: list[tuple[float, int]]):
    one, now_s, looks = schedule(), 0.0, [0.0]
    for passed_s, version in moves:
        now_s += passed_s
        if one.step(now_s, version) is LiveStep.LOOK:
            looks.append(now_s)
    assert all(after - before >= 0.5 for before, after in pairwise(looks))


def test_one_person_can_not_take_all_streams():
    places = LivePlaces()
    assert [places.take("ada") for _ in range(MOST_OF_USER + 1)] == [True] * MOST_OF_USER + [False]
    assert places.take("grace")
    places.give_back("ada")
    assert places.take("ada")
    assert (places.open, places.refused) == (MOST_OF_USER + 1, 1)


def test_a_process_has_so_many_streams():
    places = LivePlaces()
    assert all(places.take(f"user-{number}") for number in range(MOST_STREAMS))
    assert not places.take("one-more")


@pytest.mark.parametrize(
    ("count", "words"), [(1, "1 new run"), (2, "2 new runs"), (99, "99 new runs"), (100, "99+ new runs")]
)
def test_news_is_counted_up_to_a_bound(count: int, words: str):
    news = News(newer=lambda _: lambda _: 0, one="run", many="runs")
    assert news_words(news, count) == words


@pytest.mark.parametrize("html", ["a\nb", "a\r\nb", "a\rb", "a\x0bb", "a\u2028b"])
def test_a_line_break_ends_no_message(html: str):
    assert message("news", html) == b"event: news\ndata: a\ndata: b\n\n"


def test_a_message_without_text_has_data():
    assert message("end", "") == b"event: end\ndata: \n\n"
