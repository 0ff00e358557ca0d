"""One page for several processes."""

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from stripeline.deploy.runtime.ingest_group.merged_pages import ProcessHealth, healthz, metrics, readyz

READY, STARTS = ProcessHealth(ready=True), ProcessHealth(state="starts")
NO_KAFKA = ProcessHealth(missing={"kafka": "Kafka is away"})


def test_the_group_is_ready_when_one_process_is():
    warned = ProcessHealth(ready=True, warnings={"secrets": "pay is closed"})
    status, body = readyz({1: warned, 2: NO_KAFKA, 3: STARTS}, ending=False)
    assert (status, body["status"], body["processes"]) == (200, "ready", {"ready": 1, "of": 3})
    assert body["warnings"] == {
        "process 1: secrets": "pay is closed", "process 2: kafka": "Kafka is away", "process 3: state": "starts",
    }  # fmt: skip
    assert readyz({1: READY}, ending=False) == (200, {"status": "ready", "processes": {"ready": 1, "of": 1}})


def test_without_a_ready_process_the_group_is_not_ready():
    status, body = readyz({1: NO_KAFKA, 2: ProcessHealth()}, ending=False)
    assert (status, body["missing"]) == (
        503, {"process 1: kafka": "Kafka is away", "process 2: state": "does not answer"},
    )  # fmt: skip


def test_a_group_that_ends_is_not_ready():
    status, body = readyz({1: READY}, ending=True)
    assert (status, body["missing"]) == (503, {"process": "the process is ending"})


def test_one_broken_process_breaks_the_group():
    assert healthz({1: READY, 2: NO_KAFKA}) == (200, {"status": "ok"})
    status, body = healthz({1: READY, 2: ProcessHealth(broken={"control": "it has ended"})})
    assert (status, body["reasons"]) == (503, {"process 2: control": "it has ended"})


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
    return text(counter, gauge, histogram)


def test_every_sample_of_every_process_is_there_with_its_number():
    merged = text(*metrics({1: of_one(3), 2: of_one(5)}))
    assert merged.count("# TYPE stripeline_deliveries_total counter") == 1
    for number, count in ((1, 3), (2, 5)):
        expected = {
            (sample.name, tuple(sorted({**sample.labels, "process": str(number)}.items())), sample.value)
            for family in text_string_to_metric_families(of_one(count))
            for sample in family.samples
        }
        found = {
            (sample.name, tuple(sorted(sample.labels.items())), sample.value)
            for family in text_string_to_metric_families(merged)
            for sample in family.samples
        }
        assert expected <= found
        assert len(found) == 2 * len(expected)
