"""Curves as SVG, and the last hour that they show."""

import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripeline.deploy.console.index.latency_buckets import latency_name
from stripeline.deploy.console.overview.last_hour import MINUTE_MS, MINUTES, last_hour, minutes_of
from stripeline.deploy.console.overview.sparkline import HEIGHT, WIDTH, Curve, sparkline

NOW_MS = 1_800_000_000_000
LAST = minutes_of(NOW_MS)[1]
FLAT, TOP = HEIGHT - 2, 2


def points(values: Sequence[float | None]) -> list[list[tuple[float, float]]]:
    """The strokes of a curve, each with its points."""
    svg = ET.fromstring(sparkline("x", [Curve(values)], title="t", description="d"))
    path = svg.find("path")
    assert path is not None
    strokes = [stroke for stroke in path.attrib["d"].split("M") if stroke]
    return [
        [(float(x), float(y)) for x, y in re.findall(r"([-\d.e]+) ([-\d.e]+)", stroke.replace("L", "  "))]
        for stroke in strokes
    ]


@pytest.mark.parametrize(
    ("values", "heights"),
    [
        ([], []),
        ([0, 0, 0], [[FLAT, FLAT, FLAT]]),
        ([5], [[TOP, TOP]]),
        ([0, 10, 5], [[FLAT, TOP, 24.0]]),
        ([1, None, None, 1], [[TOP, TOP], [TOP, TOP]]),
        ([1, 2, None], [[24.0, TOP]]),
        ([None, None], []),
        ([10**30, 0], [[TOP, FLAT]]),
        ([math.inf, 1, math.nan], [[TOP, TOP]]),
    ],
    ids=str,
)
def test_a_value_has_its_height(values: Sequence[float | None], heights: list[list[float]]):
    assert [[y for _, y in stroke] for stroke in points(values)] == heights


@given(st.lists(st.none() | st.floats(), max_size=70))
def test_a_curve_stays_in_its_frame(values: list[float | None]):
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for stroke in points(values) for x, y in stroke)


def test_what_a_curve_shows_is_said_in_words():
    svg = sparkline("events", [Curve([1])], title="Events <a minute>", description="In the last hour 1")
    assert '<title id="events-title">Events &lt;a minute&gt;</title>' in svg
    assert 'aria-labelledby="events-title events-description"' in svg
    assert " style=" not in svg


def test_the_hour_is_the_last_sixty_whole_minutes():
    counts = {LAST + 1: {"events": 100}, LAST: {"events": 3}, LAST - MINUTES: {"events": 100}}
    hour = last_hour(counts, NOW_MS)
    assert len(hour.minutes) == MINUTES
    assert hour.minutes[-1].at_ms == NOW_MS // MINUTE_MS * MINUTE_MS - MINUTE_MS
    assert (hour.minutes[-1].events, hour.whole.events, hour.most_events) == (3, 3, 3)


def test_a_minute_without_results_has_no_time():
    counts = {LAST: {"results": 2, "failed": 1, latency_name(100): 2}}
    hour = last_hour(counts, NOW_MS)
    assert [one.median_ms for one in hour.minutes[-2:]] == [None, pytest.approx(87.5)]
    assert (hour.whole.results, hour.whole.failed) == (2, 1)


def test_the_times_of_the_hour_are_of_all_its_results():
    counts = {LAST: {latency_name(100): 19}, LAST - 1: {latency_name(5_000): 1}}
    whole = last_hour(counts, NOW_MS).whole
    assert whole.median_ms is not None
    assert whole.median_ms <= 100 == whole.slow_ms
