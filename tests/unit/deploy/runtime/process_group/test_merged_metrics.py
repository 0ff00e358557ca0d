"""One `/metrics` for several processes: counters are summed and never decrease, gauges keep their process."""

from collections.abc import Iterable, Mapping

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from stripeline.deploy.runtime.process_group.merged_metrics import GroupTotals, MemberText


class Families(Collector):
    def __init__(self, *families: Metric) -> None:
        self._families = families

    def collect(self):
        return self._families


def text(*families: Metric) -> str:
    registry = CollectorRegistry()
    registry.register(Families(*families))
    return generate_latest(registry).decode()


def of_one(count: float) -> str:
    counter = CounterMetricFamily("stripeline_deliveries_total", "Deliveries", labels=("trigger",))
    counter.add_metric(('a "quoted"\\n',), count)
    gauge = GaugeMetricFamily("stripeline_ready", "Ready", value=1)
    histogram = HistogramMetricFamily("stripeline_publish_seconds", "Time", labels=("topic",))
    histogram.add_metric(("t",), [("0.1", 1), ("+Inf", count)], sum_value=0.5)
    return text(counter, gauge, histogram, CounterMetricFamily("process_cpu_seconds_total", "CPU", value=count))


def samples(families: Iterable[Metric]) -> Mapping[tuple[str, tuple[tuple[str, str], ...]], float]:
    """As a scrape has them."""
    read = text_string_to_metric_families(text(*families))
    return {(one.name, tuple(sorted(one.labels.items()))): one.value for family in read for one in family.samples}


def test_counters_are_summed_and_gauges_have_their_process():
    found = samples(GroupTotals().merged({1: MemberText(0, of_one(3)), 2: MemberText(0, of_one(5))}))
    assert found == {
        ("stripeline_deliveries_total", (("trigger", 'a "quoted"\\n'),)): 8,
        ("stripeline_ready", (("process", "1"),)): 1,
        ("stripeline_ready", (("process", "2"),)): 1,
        ("stripeline_publish_seconds_bucket", (("le", "0.1"), ("topic", "t"))): 2,
        ("stripeline_publish_seconds_bucket", (("le", "+Inf"), ("topic", "t"))): 8,
        ("stripeline_publish_seconds_count", (("topic", "t"),)): 8,
        ("stripeline_publish_seconds_sum", (("topic", "t"),)): 1,
        ("process_cpu_seconds_total", (("process", "1"),)): 3,
        ("process_cpu_seconds_total", (("process", "2"),)): 5,
    }


def published(totals: GroupTotals, answers: Mapping[int, tuple[int, float]]) -> float:
    given_ = {number: MemberText(generation, of_one(count)) for number, (generation, count) in answers.items()}
    return samples(totals.merged(given_))["stripeline_deliveries_total", (("trigger", 'a "quoted"\\n'),)]


def test_what_an_ended_process_counted_stays_in_the_sum():
    totals = GroupTotals()
    assert published(totals, {1: (0, 100), 2: (0, 50)}) == 150
    assert published(totals, {2: (0, 60)}) == 160  # the first one has ended
    assert published(totals, {1: (1, 3), 2: (0, 60)}) == 163  # and was started again
    assert published(totals, {1: (2, 4), 2: (0, 60)}) == 167


@given(
    st.lists(
        st.tuples(st.sampled_from((1, 2, 3)), st.sampled_from(("counts", "restarts", "silent")), st.integers(0, 9)),
        max_size=30,
    )
)
def test_a_sum_is_what_was_counted_and_never_decreases(events: list[tuple[int, str, int]]):
    totals, counts, generations = GroupTotals(), {1: 0, 2: 0, 3: 0}, {1: 0, 2: 0, 3: 0}
    before, all_counted = 0.0, 0
    for number, what, by in events:
        if what == "restarts":
            published(totals, {number: (generations[number], counts[number])})
            counts[number], generations[number] = 0, generations[number] + 1
        else:
            counts[number], all_counted = counts[number] + by, all_counted + by
        silent = {number} if what == "silent" else set()
        answers = {n: (generations[n], counts[n]) for n in counts if n not in silent}
        now = published(totals, answers)
        assert now >= before
        before = now
    assert published(totals, {n: (generations[n], counts[n]) for n in counts}) == all_counted
