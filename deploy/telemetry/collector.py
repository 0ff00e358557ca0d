"""Turns rows of the metrics table into Prometheus families when /metrics is asked. Decides no metric.

What counts keeps plain numbers; the cost of labels and text is paid by the scrape alone.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Generic, Literal, TypeVar, assert_never

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from stripeline.workers.task.counters import Histogram

T = TypeVar("T")
Labels = tuple[str, ...]
Sample = tuple[Labels, float | Histogram]


@dataclass(frozen=True, slots=True)
class Row(Generic[T]):
    """One metric. `read` gives its values, each with the values of its labels."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: Labels
    tells: str
    read: Callable[[T], Iterable[Sample]]


class Board(Collector):
    """What a process shows: rows, and where each of them looks."""

    def __init__(self) -> None:
        self._shown: list[tuple[Sequence[Row[Any]], Callable[[], Any]]] = []

    def show(self, rows: Sequence[Row[T]], look: Callable[[], T]) -> None:
        """Show rows; `look` is asked once a scrape for what they read. Two that show the same rows share families."""
        self._shown.append((rows, look))

    def collect(self) -> Iterator[Metric]:
        samples: dict[str, tuple[Row[Any], list[Sample]]] = {}
        for rows, look in self._shown:
            seen = look()
            for row in rows:
                samples.setdefault(row.name, (row, []))[1].extend(row.read(seen))
        for row, found in samples.values():
            yield _family(row, found)


def _family(row: Row[Any], samples: Iterable[Sample]) -> Metric:
    match row.kind:
        case "counter":
            return _numbers(CounterMetricFamily(row.name, row.tells, labels=row.labels), samples)
        case "gauge":
            return _numbers(GaugeMetricFamily(row.name, row.tells, labels=row.labels), samples)
        case "histogram":
            return _histograms(HistogramMetricFamily(row.name, row.tells, labels=row.labels), samples)
        case never:
            assert_never(never)


def _numbers(family: CounterMetricFamily | GaugeMetricFamily, samples: Iterable[Sample]) -> Metric:
    for labels, value in samples:
        if not isinstance(value, Histogram):
            family.add_metric(labels, value)
    return family


def _histograms(family: HistogramMetricFamily, samples: Iterable[Sample]) -> Metric:
    for labels, value in samples:
        if isinstance(value, Histogram):
            bounds = [*(f"{bound:g}" for bound in value.bounds), "+Inf"]
            buckets = list(zip(bounds, accumulate(value.counts), strict=True))
            family.add_metric(labels, buckets, sum_value=value.total)
    return family
