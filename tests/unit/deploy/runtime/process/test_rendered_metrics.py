"""`/metrics` is the text that Prometheus' own library writes, and gives way to other work between its slices."""

import asyncio

from prometheus_client import CollectorRegistry, generate_latest

from stripeline.deploy.runtime.process import admin_server
from stripeline.deploy.runtime.process.admin_server import rendered
from stripeline.deploy.telemetry.collector import MetricRow, MetricsCollector
from stripeline.workers.task.counters import Histogram


def things(count: int):
    return [((f'# "{number}"\n',), number) for number in range(count)]


TOOK_S = Histogram((0.1, 1.0))
ROWS = (
    MetricRow("stripeline_things", "gauge", ("name",), "Some\nthings", things),
    MetricRow("stripeline_done_total", "counter", (), "Done", lambda count: [((), count)]),
    MetricRow("stripeline_took_seconds", "histogram", (), "Time", lambda _: [((), TOOK_S)]),
    MetricRow("stripeline_empty", "gauge", ("name",), "Nothing yet", lambda _: ()),
)


def registry_of(series: int) -> CollectorRegistry:
    registry, metrics = CollectorRegistry(), MetricsCollector()
    metrics.show(ROWS, lambda: series)
    registry.register(metrics)
    return registry


async def test_slices_are_the_text_of_the_whole(monkeypatch):
    monkeypatch.setattr(admin_server, "_SLICE", 2)
    for series in (0, 1, 2, 5):
        registry = registry_of(series)
        assert await rendered(registry) == generate_latest(registry)


async def test_other_work_has_its_turn_between_slices(monkeypatch):
    monkeypatch.setattr(admin_server, "_SLICE", 2)
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    work = asyncio.create_task(other())
    await rendered(registry_of(20))
    work.cancel()
    assert turns >= 10
