import pytest

from stripeline.ingest.delivery_counters import Counters


def test_each_metric_is_counted_by_its_labels():
    counters = Counters()
    for reason in ("stalled", "not_http", "stalled"):
        counters.count("closed", reason)
    counters.count("other")
    assert list(counters.of("closed")) == [(("stalled",), 2), (("not_http",), 1)]
    assert list(counters.of("other")) == [((), 1)]
    assert list(counters.of("unknown")) == []


def test_a_gauge_keeps_its_last_value():
    counters = Counters()
    counters.set("skew", -3, "pay")
    counters.set("skew", 400, "pay")
    assert list(counters.of("skew")) == [(("pay",), 400)]


@pytest.mark.parametrize(
    ("value", "counts"), [(0.0, [1, 0, 0]), (1.0, [1, 0, 0]), (1.1, [0, 1, 0]), (2.0, [0, 1, 0]), (9.0, [0, 0, 1])]
)
def test_an_upper_bound_belongs_to_its_bucket(value: float, counts: list[int]):
    counters = Counters()
    counters.observe("took", (1.0, 2.0), value, "a")
    counters.observe("took", (1.0, 2.0), 0.5, "b")
    found = dict(counters.of("took"))
    assert (found["a",].counts, found["a",].total) == (counts, value)
    assert found["b",].counts == [1, 0, 0]


def test_a_second_value_joins_its_histogram():
    counters = Counters()
    for value in (0.5, 1.5):
        counters.observe("took", (1.0, 2.0), value)
    assert dict(counters.of("took"))[()].counts == [1, 1, 0]
