"""What the console counts of itself: plain numbers, read when its metrics are scraped. Pure.

Label values are names of pages and outcomes, so their number is bounded.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from stripeline.deploy.console.live.live_places import LivePlaces
from stripeline.workers.task.counters import Histograms

PAGE_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass(slots=True)
class ConsoleCounters:
    """Of one console, since it started.

    page_s: how long pages took, by page. failures: faults of Stripeline, by page.
    live: the live streams.
    """

    page_s: Histograms = field(default_factory=lambda: Histograms(PAGE_S))
    failures: Counter[str] = field(default_factory=Counter)
    live: LivePlaces = field(default_factory=LivePlaces)
