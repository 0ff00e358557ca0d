"""The counters of a worker: plain numbers, read at a scrape. Pure.

Counting a record costs a fraction of a microsecond: no labels are looked up, nothing is formatted, nothing is locked.
Label values come from our own tables (topics, verdicts, actions, codes), so their number is bounded.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from stripeline.contracts import headers as h
from stripeline.contracts.vocabulary import DeadLetterReason, Verdict, WorkerEvent
from stripeline.workers.task.decision import Ended, OutputRecord, Unstarted
from stripeline.workers.task.gaps import Gap

COMMIT_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
COMMIT_RECORDS = (1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1_000.0, 2_000.0)
CALL_S = (0.025, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0, 30.0)
ATTEMPTS = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0)


class Histogram:
    """How often a value lay in which bucket. `bounds` are upper ones, each included, and the last bucket is open."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds, self.counts, self.total = bounds, [0] * (len(bounds) + 1), 0.0

    def add(self, value: float, count: int = 1) -> None:
        self.counts[bisect_left(self.bounds, value)] += count
        self.total += value * count


class Histograms(dict[tuple[str, ...], Histogram]):
    """Histograms by label values, each made when its first value comes."""

    def __init__(self, bounds: Sequence[float]) -> None:
        super().__init__()
        self._bounds = bounds

    def __missing__(self, labels: tuple[str, ...]) -> Histogram:
        made = self[labels] = Histogram(self._bounds)
        return made


@dataclass(slots=True)
class Counts:
    """One worker's, of all its tasks since it started; a reopened task goes on counting here."""

    records: dict[tuple[str, Verdict], int] = field(default_factory=lambda: defaultdict(int))  # by topic and verdict
    ends: dict[Ended, int] = field(default_factory=lambda: defaultdict(int))
    unstarted: dict[Unstarted, int] = field(default_factory=lambda: defaultdict(int))
    dead_letters: dict[str, int] = field(default_factory=lambda: dict.fromkeys(DeadLetterReason, 0))  # by reason
    lost_offsets: dict[str, int] = field(default_factory=lambda: defaultdict(int))  # by topic
    commit_s: Histogram = field(default_factory=lambda: Histogram(COMMIT_S))
    commit_records: Histogram = field(default_factory=lambda: Histogram(COMMIT_RECORDS))
    restore_s: dict[str, float] = field(default_factory=dict)  # the last one, by partition
    events: dict[WorkerEvent, int] = field(default_factory=lambda: dict.fromkeys(WorkerEvent, 0))

    def finished(self, topic: str, verdict: Verdict, ended: Ended | None) -> None:
        self.records[topic, verdict] += 1
        if ended is not None:
            self.ends[ended] += 1

    def passed(self, gap: Gap, dead_letters: str) -> None:
        self.records[gap.topic, gap.decision.verdict] += 1
        self.wrote(gap.decision.outputs, dead_letters)
        if gap.decision.verdict is Verdict.LOST:
            self.lost_offsets[gap.topic] += gap.missing.count

    def wrote(self, outputs: Sequence[OutputRecord], dead_letters: str) -> None:
        """Count those of the outputs that go to the topic of dead letters."""
        for output in outputs:
            if output.topic == dead_letters:
                reason = dict(output.headers).get(h.REASON, b"").decode()
                self.dead_letters[reason] = self.dead_letters.get(reason, 0) + 1

    @property
    def results(self) -> Mapping[tuple[str, str], int]:
        """Results by action and code."""
        found: dict[tuple[str, str], int] = defaultdict(int)
        for ended, count in self.ends.items():
            found[ended.action, ended.code] += count
        return found

    @property
    def attempts(self) -> Histograms:
        """The attempts that results took, by action."""
        found = Histograms(ATTEMPTS)
        for ended, count in self.ends.items():
            found[ended.action,].add(ended.attempts, count)
        return found

    def committed(self, seconds: float, records: int) -> None:
        self.commit_s.add(seconds)
        self.commit_records.add(records)
