"""What a fault of Kafka costs: how long deliveries were refused, and how long no command ended. Pure."""

import itertools
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

HEAD = ("fault", "s", "events", "503 of one", "no 200", "results", "one task", "no result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One test's figures. Pauses are the longest ones, in seconds.

    refused_s: a delivery was refused, and sent again every 0.2 s; nothing_taken_s: no delivery was taken.
    task_pause_s: no command of a partition ended; executor_pause_s: no command at all.
    """

    fault: str
    seconds: float
    events: int
    refused_s: float
    nothing_taken_s: float
    results: int
    task_pause_s: float
    executor_pause_s: float

    def row(self) -> tuple[str, ...]:
        return (
            self.fault, f"{self.seconds:.0f}", f"{self.events}", f"{self.refused_s:.1f}", f"{self.nothing_taken_s:.1f}",
            f"{self.results}", f"{self.task_pause_s:.1f}", f"{self.executor_pause_s:.1f}",
        )  # fmt: skip


def longest_gap_s(times_s: Iterable[float]) -> float:
    return max((after - before for before, after in itertools.pairwise(sorted(times_s))), default=0.0)


def longest_gap_of_one_s(times_s: Iterable[tuple[int, float]]) -> float:
    """Of the partition with the longest."""
    of: dict[int, list[float]] = defaultdict(list)
    for partition, time_s in times_s:
        of[partition].append(time_s)
    return max(map(longest_gap_s, of.values()), default=0.0)


def table(figures: Sequence[Figures]) -> list[str]:
    rows = [HEAD, *(one.row() for one in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    return [
        "  ".join(
            f"{cell:<{width}}" if cell is row[0] else f"{cell:>{width}}"
            for cell, width in zip(row, widths, strict=True)
        )
        for row in rows
    ]
