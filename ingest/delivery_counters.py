"""What the receiver counts of its own work: plain numbers under the names of their metrics. Pure.

A metric is named twice: where it is counted, and in its row of `stripeline.deploy.telemetry.metrics`, which reads it.
Counting is one dict update. Label values come from tables (triggers, topics, verdicts, reasons), so their number is
bounded: text that a client chose is never one, or anybody on the internet could fill the memory.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

PUBLISH_S: Final = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

Labels = tuple[str, ...]


class Buckets:
    """How many values fell into each bucket. `bounds` are inclusive upper bounds; the last bucket has none."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds, self.counts, self.total = bounds, [0] * (len(bounds) + 1), 0.0

    def add(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


class Counters:
    """One receiver's, by the metric's name and then by its label values.

    A scrape asks for one metric after the other: with thirty thousand triggers none may look at the values of all.
    """

    __slots__ = ("_histograms", "_numbers")

    def __init__(self) -> None:
        self._numbers: dict[str, dict[Labels, float]] = defaultdict(lambda: defaultdict(int))
        self._histograms: dict[str, dict[Labels, Buckets]] = defaultdict(dict)

    def count(self, metric: str, *labels: str) -> None:
        self._numbers[metric][labels] += 1

    def add(self, metric: str, amount: int, *labels: str) -> None:
        self._numbers[metric][labels] += amount

    def set(self, metric: str, value: float, *labels: str) -> None:
        self._numbers[metric][labels] = value

    def observe(self, metric: str, bounds: Sequence[float], value: float, *labels: str) -> None:
        found = self._histograms[metric]
        histogram = found.get(labels)
        if histogram is None:
            histogram = found[labels] = Buckets(bounds)
        histogram.add(value)

    def of(self, metric: str) -> Iterator[tuple[Labels, float | Buckets]]:
        """The values of one metric, each with its label values."""
        for found in (self._numbers, self._histograms):
            if metric in found:
                yield from found[metric].items()
