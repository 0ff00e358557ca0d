"""A metric by tenant shows a bounded number of series, loses no count, and keeps what needs a look."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripeline.deploy.telemetry.series_limit import MOST, OTHERS, limited

NAMES = [f"t{number}" for number in range(6)]
COUNTED = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(["ok", "bad"])), max_size=30)


@given(COUNTED, st.integers(1, 8))
def test_a_counter_loses_nothing_and_no_series_falls(counted, most):
    counts: dict[tuple[str, str], float] = {}
    shown = []
    for one in counted:
        counts[one] = counts.get(one, 0) + 1
        found = limited(("trigger", "verdict"), list(counts.items()), counter=True, over="sum", most=most)
        assert len(found) <= most + 2
        assert sum(value for _, value in found) == sum(counts.values())
        shown.append(dict(found))
    for before, after in pairwise(shown):
        assert all(after.get(labels, 0) >= value for labels, value in before.items())


@pytest.mark.parametrize(
    ("over", "kept", "rest"), [("max", ("b", 3.0), 2.0), ("min", ("c", 1.0), 2.0), ("sum", ("b", 3.0), 3.0)]
)
def test_a_gauge_keeps_what_needs_a_look(over, kept, rest):
    found = [(("a",), 2.0), (("b",), 3.0), (("c",), 1.0)]
    shown = dict(limited(("connection",), found, counter=False, over=over, most=1))
    assert shown == {(kept[0],): kept[1], (OTHERS,): rest}


def test_metrics_without_tenants_and_few_series_are_left_alone():
    many = [((f"topic-{number}",), 1.0) for number in range(MOST + 5)]
    assert limited(("topic",), many, counter=True, over="sum") is many
    few = many[:MOST]
    assert limited(("trigger",), few, counter=True, over="sum") is few
