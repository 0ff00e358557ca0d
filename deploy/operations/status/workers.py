"""Reads how the processes are: the newest report of each on `stripe.worker`, and which of them are stale.

Ages are by the broker's clock, since append times are. The clock of the host that asks may be wrong: when all reports
look old, the next one says what time it is.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import ConsumerRecord, TopicPartition

from stripeline.contracts.internal_records import UnreadableRecordError, read
from stripeline.contracts.operator.worker_report import REPORT_EVERY_S, STALE_AFTER_MS, WorkerReport
from stripeline.contracts.topics import Topics
from stripeline.deploy.operations.reading.topic_reader import partitions_of
from stripeline.workers.kafka.partition_reader import PartitionReader, partition_reader

ROLES: Final[Mapping[str, frozenset[str]]] = {
    "ingest": frozenset({"ingest", "up"}),
    "router": frozenset({"router", "worker", "up"}),
    "executor": frozenset({"executor", "worker", "up"}),
}
"""Which processes do the work of a role. `up` is the local stack in one process."""

UNASKED: Final[Mapping[str, frozenset[str]]] = {"console": frozenset({"console"})}
"""Roles that nothing waits for: an installation may do without."""

_DEADLINE_S: Final = 30.0
MAX_RECORDS: Final = 50_000
"""Of the end of the topic: all reports of 100 processes for 40 minutes, if compaction has not begun."""
_NEXT_S: Final = REPORT_EVERY_S + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """The newest report of one process. age_ms: since Kafka appended it."""

    name: str
    report: WorkerReport
    age_ms: int

    @property
    def stale(self) -> bool:
        """Nothing was heard of it for so long that it has died, or can't reach Kafka."""
        return self.age_ms >= STALE_AFTER_MS

    def does(self, role: str) -> bool:
        """Whether it does the work of a role."""
        return self.report.role in (ROLES.get(role) or UNASKED[role])


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """All processes that have not ended cleanly. unreadable: names of those whose report can't be read.

    now_ms: the broker's time, as far as the reports show it.
    """

    instances: tuple[Instance, ...]
    now_ms: int
    unreadable: tuple[str, ...] = ()

    @property
    def live(self) -> Sequence[Instance]:
        return [one for one in self.instances if not one.stale]

    @property
    def stale(self) -> Sequence[Instance]:
        return [one for one in self.instances if one.stale]

    @property
    def reached(self) -> Mapping[str, int]:
        """When the last delivery of each trigger and endpoint came, to any process."""
        found: dict[str, int] = {}
        for one in self.instances:
            for name, at_ms in one.report.reached.items():
                found[name] = max(at_ms, found.get(name, 0))
        return found


async def read_workers(topics: Topics, client: Mapping[str, Any]) -> Workers:
    """The newest report of each process. Raises FailureError for a missing topic, KafkaError, TimeoutError."""
    (tp,) = await partitions_of(topics.worker, client)
    async with asyncio.timeout(_DEADLINE_S), partition_reader(client) as reader:
        first = (await reader.first_offsets([tp]))[tp]
        end = (await reader.end_offsets([tp]))[tp]
        reader.seek({tp: max(first, end - MAX_RECORDS)})
        found: dict[str, ConsumerRecord] = {}
        async for records in reader.read_to({tp: end}):
            put(found, records)
        now_ms = await _now_ms(reader, tp, found)
    return workers(found.values(), now_ms)


async def _now_ms(reader: PartitionReader, tp: TopicPartition, found: dict[str, ConsumerRecord]) -> int:
    """The broker's time. Where the newest report looks older than it can be, the next one says it, if one comes."""
    newest_ms = max((record.timestamp for record in found.values()), default=0)
    if found and int(time.time() * 1000) - newest_ms > _NEXT_S * 1000:
        ends_s = time.monotonic() + _NEXT_S
        while time.monotonic() < ends_s:
            if records := await reader.poll(tp):
                put(found, records)
                newest_ms = max(record.timestamp for record in records)
                return int(newest_ms)
    return max(int(time.time() * 1000), int(newest_ms))


def put(found: dict[str, ConsumerRecord], records: Iterable[ConsumerRecord]) -> None:
    for record in records:
        found[(record.key or b"").decode("utf-8", "replace")] = record
    for name in [name for name, record in found.items() if record.value is None]:
        del found[name]


def workers(records: Iterable[ConsumerRecord], now_ms: int) -> Workers:
    """The processes whose newest records these are; one without a value has ended."""
    instances: list[Instance] = []
    unreadable: list[str] = []
    for record in records:
        name = (record.key or b"").decode("utf-8", "replace")
        if record.value is None:
            continue
        try:
            report = read(WorkerReport, record.value)
        except UnreadableRecordError:
            unreadable.append(name)
        else:
            instances.append(Instance(name=name, report=report, age_ms=max(0, now_ms - record.timestamp)))
    instances.sort(key=lambda one: (one.report.role, one.name))
    return Workers(instances=tuple(instances), now_ms=now_ms, unreadable=tuple(sorted(unreadable)))
