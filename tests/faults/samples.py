"""Memory and file descriptors of each process, sampled while it runs: the first quarter of a run against the last."""

import asyncio
import os
import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.cluster import Process

EVERY_S = 0.5
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Trend:
    """Medians of the first and of the last quarter."""

    rss_mib: tuple[float, float]
    fds: tuple[float, float]

    @property
    def grown_mib(self) -> float:
        return self.rss_mib[1] - self.rss_mib[0]


@dataclass
class Samples:
    taken: dict[str, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))

    async def watch(self, processes: dict[str, Process]) -> None:
        while True:
            for process in list(processes.values()):
                if process.child is not None and (sample := sampled(process.child.pid)) is not None:
                    self.taken[process.name].append(sample)
            await asyncio.sleep(EVERY_S)

    def trends(self) -> dict[str, Trend]:
        return {name: trend(samples) for name, samples in self.taken.items() if len(samples) >= 4}


def sampled(pid: int) -> tuple[int, int] | None:
    """Resident bytes and open file descriptors; None for a process that has just ended, and where there is no /proc."""
    try:
        rss = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES
        return (rss, len([*Path(f"/proc/{pid}/fd").iterdir()])) if rss else None
    except (OSError, IndexError):
        return None


def trend(samples: Sequence[tuple[int, int]]) -> Trend:
    quarter = max(1, len(samples) // 4)
    first, last = samples[:quarter], samples[-quarter:]

    def medians(column: int, unit: int) -> tuple[float, float]:
        return tuple(statistics.median(sample[column] for sample in part) / unit for part in (first, last))

    return Trend(rss_mib=medians(0, MIB), fds=medians(1, 1))
