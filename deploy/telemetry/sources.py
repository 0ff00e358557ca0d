"""The values that the metrics table reads, gathered once per scrape without a network call: lag comes from fetches."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, Self

from stripeline.contracts.headers import first_appended_ms, read
from stripeline.contracts.retry_tiers import Tier
from stripeline.deploy.console.auth.sign_in_counts import SignInCounts
from stripeline.deploy.console.console_counters import ConsoleCounters
from stripeline.deploy.console.index.catch_up import CatchUp
from stripeline.deploy.operations.topic_problems import TopicProblem
from stripeline.deploy.telemetry.loop_lag import LoopLag
from stripeline.deploy.telemetry.ready_records import ReadyRecords, ready_records
from stripeline.ingest.delivery_counters import Counters
from stripeline.workers.kafka.group_member import Worker
from stripeline.workers.task.counters import Counts
from stripeline.workers.task.decision import InputRecord
from stripeline.workers.task.input_partition import InputPartition, Load
from stripeline.workers.task.waiting.waiting_room import WaitingTopic

_NEXT: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestView:
    """A receiver now. `topic`: the whole name of a family's topic. `unavailable`: the partitions that take nothing."""

    counters: Counters
    topic: Callable[[str], str]
    unavailable: Callable[[], Collection[tuple[str, int]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupView:
    """Several processes of one role on a host. restarts: by their numbers."""

    role: str
    processes: int
    ready: int
    restarts: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerView:
    """A snapshot of a worker.

    inputs: each input partition by topic and number, with its end as of the last fetch.
    tiers: the names of the tiers by their topics.
    blocked: input partitions that an open transaction of somebody else holds back, with the seconds.
    held_s: how long an input partition has been held at a batch that no client can read, by topic and number.
    """

    role: str
    counts: Counts
    loads: Mapping[str, Load]
    open: Mapping[str, bool]
    inputs: Mapping[tuple[str, str], tuple[InputPartition, int]]
    tiers: Mapping[str, str]
    blocked: Mapping[tuple[str, str], float]
    held_s: Mapping[tuple[str, str], float]
    now_ms: int
    due_ms: Callable[[InputRecord], int]

    @classmethod
    def of(cls, worker: Worker[Any], tiers: Mapping[str, Tier]) -> Self:
        tasks = {str(number): task for number, task in worker.tasks.items()}
        working = {number: task for number, task in tasks.items() if task.open}
        return cls(
            role=worker.role.name,
            counts=worker.counts,
            loads={number: task.load for number, task in tasks.items()},
            open={number: task.open for number, task in tasks.items()},
            inputs={
                (tp.topic, number): (source, worker.end(tp) or source.watermark.position)
                for number, task in working.items()
                for tp, source in task.inputs.items()
            },
            blocked={(tp.topic, str(tp.partition)): held_s for tp, held_s in worker.blocked.seconds().items()},
            tiers={topic: tier.name for topic, tier in tiers.items()},
            held_s={(tp.topic, str(tp.partition)): age_s for tp, age_s in worker.held.ages_s().items()},
            now_ms=worker.clock.now_ms(),
            due_ms=worker.role.due_ms,
        )

    def age_s(self, source: InputPartition) -> float:
        return max(0.0, (self.now_ms - source.buffer[0].timestamp) / 1000) if source.buffer else 0.0

    def first_age_s(self, place: tuple[str, str], source: InputPartition) -> float:
        """Of the oldest among the commands of a tier that were read, since its first append."""
        firsts = [first_appended_ms(read(record.headers), record.timestamp) for record in islice(source.buffer, _NEXT)]
        waiting = self._waiting(place)
        firsts += [] if waiting is None else [waiting.first_ms]
        return max(0.0, (self.now_ms - min(firsts, default=self.now_ms)) / 1000)

    def overdue_s(self, place: tuple[str, str], source: InputPartition) -> float:
        waiting, due = self._waiting(place), [self.due_ms(record) for record in islice(source.buffer, 1)]
        due += [] if waiting is None or waiting.ready_ms is None else [waiting.ready_ms]
        return max(0.0, (self.now_ms - min(due, default=self.now_ms)) / 1000)

    def head_ms(self, place: tuple[str, str], source: InputPartition) -> int | None:
        """When the next of a tier's commands is taken, if nothing wakes it before; None where none was read."""
        waiting, due = self._waiting(place), [self.due_ms(record) for record in islice(source.buffer, 1)]
        if waiting is not None:
            due += [at for at in (waiting.due_ms, waiting.ready_ms) if at is not None]
        return min(due, default=None)

    def in_room(self, place: tuple[str, str]) -> int:
        """How many commands of a tier wait in its task's waiting room."""
        waiting = self._waiting(place)
        return 0 if waiting is None else waiting.count

    def _waiting(self, place: tuple[str, str]) -> WaitingTopic | None:
        topic, partition = place
        return self.loads[partition].waiting.get(topic)

    def ready(self, partition: str) -> ReadyRecords:
        """What the task could start now: of its inputs, and of what it took already."""
        load = self.loads[partition]
        found = ReadyRecords(load.ready)
        for waiting in load.waiting.values():
            found += ReadyRecords(waiting.ready, waiting.ready_ms)
        for (topic, number), (source, end) in self.inputs.items():
            if number == partition:
                place = (topic, number)
                stuck = place in self.blocked or self.held_s.get(place, 0.0) > 0
                found += ready_records(source, None if stuck else end, self.now_ms, self.due_ms)
        return found

    @staticmethod
    def waiting(source: InputPartition, end: int) -> int:
        """Records that were read and not taken, and offsets behind them."""
        return len(source.buffer) + max(0, end - max(source.read_to, source.watermark.next))


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessView:
    """A snapshot of a process.

    missing: the checks of /readyz.
    control_age_s: of the definitions that it uses.
    partitions: of the prefix, as the process is set.
    topics: what is wrong with Kafka and its topics.
    """

    missing: Mapping[str, str | None]
    lag: LoopLag
    skew_s: float
    control_age_s: float
    partitions: int
    version: str
    topics: Sequence[TopicProblem] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleView:
    """A console now. acts: those at work, previews included."""

    now_ms: int
    counters: ConsoleCounters
    sign_ins: SignInCounts
    catch_up: CatchUp
    acts: int
