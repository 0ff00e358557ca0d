"""Translates rows of the metrics table into Prometheus families when /metrics is scraped. It defines no metric.

Counting code keeps plain numbers; the scrape alone pays for labels and text.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import accumulate
from typing import Any, Generic, Literal, Protocol, TypeVar, assert_never

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from stripeline.deploy.telemetry.board import Board
from stripeline.deploy.telemetry.series_limit import limited


class Distribution(Protocol):
    """The counts of each bucket: `bounds` are inclusive upper bounds, and the last bucket has none."""

    bounds: Sequence[float]
    counts: list[int]
    total: float


T = TypeVar("T")
Labels = tuple[str, ...]
Sample = tuple[Labels, float | Distribution]


@dataclass(frozen=True, slots=True)
class MetricRow(Generic[T]):
    """One metric: how it is read, and how `docs/operations.md` explains it.

    help: what /metrics says of it.
    read: its values, each with the values of its labels.
    question: what an operator asks when looking at it.
    action: what the values mean, and what to do.
    words: the enums of `contracts/vocabulary.py` that a label's values come from.
    board: the dashboard with its panel; None for that of its section.
    over: how a gauge of several processes and partitions becomes one line of the panel.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: Labels
    help: str
    read: Callable[[T], Iterable[Sample]]
    question: str = ""
    action: str = ""
    words: Mapping[str, tuple[type[StrEnum], ...]] = field(default_factory=dict)
    board: Board | None = None
    over: Literal["sum", "max", "min"] = "sum"


class MetricsCollector(Collector):
    """The metrics of one process: rows, and the source that each of them reads."""

    def __init__(self) -> None:
        self._shown: list[tuple[Sequence[MetricRow[Any]], Callable[[], Any]]] = []

    def show(self, rows: Sequence[MetricRow[T]], look: Callable[[], T]) -> None:
        """Show rows. `look` gives what they read, once a scrape. Sources that show the same rows share families."""
        self._shown.append((rows, look))

    def collect(self) -> Iterator[Metric]:
        samples: dict[str, tuple[MetricRow[Any], list[Sample]]] = {}
        for rows, look in self._shown:
            seen = look()
            for row in rows:
                samples.setdefault(row.name, (row, []))[1].extend(row.read(seen))
        for row, found in samples.values():
            yield _family(row, found)


def _family(row: MetricRow[Any], samples: Iterable[Sample]) -> Metric:
    match row.kind:
        case "counter":
            return _numbers(row, CounterMetricFamily(row.name, row.help, labels=row.labels), samples)
        case "gauge":
            return _numbers(row, GaugeMetricFamily(row.name, row.help, labels=row.labels), samples)
        case "histogram":
            return _histograms(HistogramMetricFamily(row.name, row.help, labels=row.labels), samples)
        case never:
            assert_never(never)


def _numbers(row: MetricRow[Any], family: CounterMetricFamily | GaugeMetricFamily, samples: Iterable[Sample]) -> Metric:
    found = [(labels, value) for labels, value in samples if isinstance(value, int | float)]
    for labels, value in limited(row.labels, found, counter=row.kind == "counter", over=row.over):
        family.add_metric(labels, value)
    return family


def _histograms(family: HistogramMetricFamily, samples: Iterable[Sample]) -> Metric:
    for labels, value in samples:
        if not isinstance(value, int | float):
            bounds = [*(f"{bound:g}" for bound in value.bounds), "+Inf"]
            buckets = list(zip(bounds, accumulate(value.counts), strict=True))
            family.add_metric(labels, buckets, sum_value=value.total)
    return family
