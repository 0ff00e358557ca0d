"""The metrics table: names as Prometheus has them, labels that are bounded, a text that Prometheus can read."""

import re

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from stripeline.deploy.telemetry.collector import MetricRow, MetricsCollector
from stripeline.deploy.telemetry.loop_lag import LoopLag
from stripeline.deploy.telemetry.metrics.table import ROWS
from stripeline.workers.task.counters import Histogram

NAME = re.compile(r"stripeline(_[a-z]+)+")
NOT_BASE_UNITS = re.compile(r"_(ms|millis\w*|micros\w*|minutes|hours|kb|mb|kib|mib|percent)(_|$)")
BOUNDED = {
    "action", "check", "code", "connection", "endpoint", "event", "kind", "name", "page", "partition", "process",
    "reason", "role", "secret", "status", "tier", "topic", "trigger", "verdict", "version", "what", "window",
    "workflow",
}  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_has_base_units_and_bounded_labels(row):
    assert NAME.fullmatch(row.name)
    assert row.name.endswith("_total") == (row.kind == "counter")
    assert not NOT_BASE_UNITS.search(row.name)
    assert set(row.labels) <= BOUNDED
    assert row.help[0].isupper() or row.help[0].isdigit()


def test_no_name_comes_twice():
    assert len({row.name for row in ROWS}) == len(ROWS)


def test_two_workers_with_the_same_rows_share_families():
    row = MetricRow("stripeline_things_total", "counter", ("role",), "Things", lambda role: [((role,), len(role))])
    metrics, registry = MetricsCollector(), CollectorRegistry()
    metrics.show((row,), lambda: "router")
    metrics.show((row,), lambda: "executor")
    registry.register(metrics)
    (family,) = text_string_to_metric_families(generate_latest(registry).decode())
    assert {sample.labels["role"]: sample.value for sample in family.samples} == {"router": 6, "executor": 8}


def test_a_histogram_is_cumulative_as_prometheus_wants_it():
    seen = Histogram((0.1, 1.0))
    for value in (0.05, 0.5, 0.6, 7.0):
        seen.add(value)
    row = MetricRow("stripeline_wait_seconds", "histogram", (), "Waiting", lambda found: [((), found)])
    metrics, registry = MetricsCollector(), CollectorRegistry()
    metrics.show((row,), lambda: seen)
    registry.register(metrics)
    (family,) = text_string_to_metric_families(generate_latest(registry).decode())
    buckets = {sample.labels["le"]: sample.value for sample in family.samples if sample.name.endswith("_bucket")}
    assert buckets == {"0.1": 1, "1": 3, "+Inf": 4}
    assert {sample.value for sample in family.samples if sample.name.endswith("_sum")} == {8.15}


def test_the_worst_lateness_is_shown_for_a_minute():
    lag = LoopLag()
    lag.late(100, 0.0)
    lag.late(101, 3.0)
    lag.late(159, 0.1)
    assert lag.worst_s == 3.0
    lag.late(161, 0.2)
    assert lag.worst_s == 3.0
    lag.late(222, 0.3)
    assert (lag.worst_s, lag.turned_s) == (0.3, 222)
