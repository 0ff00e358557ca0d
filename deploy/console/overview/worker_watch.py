"""Follows the processes' reports on `stripe.worker`, for pages that ask all the time how the processes are.

Whatever ends the reading, it begins again, from the bootstrap list; until then the last reports grow old, as their ages
show.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import LogEvent
from stripeline.deploy.console.overview.console_facts import PROCESSES
from stripeline.deploy.console.overview.report_history import RECENT_MS, ReportHistory
from stripeline.deploy.console.overview.worker_reports import WorkerReports
from stripeline.deploy.failure import FailureError
from stripeline.deploy.operations.reading.topic_reader import partitions_of
from stripeline.deploy.operations.status.workers import MAX_RECORDS, Workers
from stripeline.workers.kafka.partition_reader import FOLLOW_WAIT_MS, PartitionReader, partition_reader

_RETRY_S: Final = (0.5, 2.0, 5.0)
log = structlog.get_logger(__name__)


class WorkerWatch:
    """Reads while `run` is awaited. words: says what an error of Kafka's means."""

    def __init__(
        self, topics: Topics, client: Mapping[str, Any], partitions: int, words: Callable[[Exception], str] = str
    ) -> None:
        self._topics, self._client, self._partitions, self._words = topics, client, partitions, words
        self._reports, self._read = WorkerReports(partitions), False
        self._why: str | None = None

    def workers(self) -> Workers:
        """The newest report of each process, with its age now."""
        return self._reports.workers(_now_ms())

    @property
    def history(self) -> ReportHistory:
        """What the reports of the last minutes say."""
        return self._reports.history

    def missing(self) -> str | None:
        """Why the reports can't be read; None when all is well."""
        return self._why

    def not_known(self) -> Mapping[str, str]:
        """The same for the pages, which say that no process runs only when they know."""
        if self._why is None and self._read:
            return {}
        return {PROCESSES: self._why or "their reports are being read"}

    async def run(self) -> None:
        """Until it is cancelled."""
        failures = 0
        while True:
            try:
                await self._follow()
            except (KafkaError, OSError, TimeoutError, FailureError) as error:
                said = self._words(error) or type(error).__name__
                failures = 0 if self._why is None else failures
                self._why = f"{self._topics.worker} can't be read: {said}"
                log.warning(LogEvent.FOLLOWER_FAILED, topic=self._topics.worker, reason=said)
            except Exception:
                # The pages go on with the last reports: a fault of the reading must not end it for good.
                log.exception(LogEvent.FOLLOWER_FAILED, topic=self._topics.worker)
                self._why = f"{self._topics.worker} can't be read: a fault of Stripeline; the log has the traceback"
            await asyncio.sleep(_RETRY_S[min(failures, len(_RETRY_S) - 1)])
            failures += 1

    async def _follow(self) -> None:
        (tp,) = await partitions_of(self._topics.worker, self._client)
        async with partition_reader(self._client, fetch_wait_ms=FOLLOW_WAIT_MS) as reader:
            reports = await self._whole(reader, tp)
            self._reports, self._read, self._why = reports, True, None
            while True:
                for record in await reader.poll(tp):
                    reports.learn(record, _now_ms())

    async def _whole(self, reader: PartitionReader, tp: TopicPartition) -> WorkerReports:
        """What the topic says now. A topic that was made again begins with nothing."""
        first, end = (await reader.first_offsets([tp]))[tp], (await reader.end_offsets([tp]))[tp]
        reader.seek({tp: max(first, end - MAX_RECORDS)})
        found, recent_ms = WorkerReports(self._partitions), _now_ms() - RECENT_MS
        async for records in reader.read_to({tp: end}):
            for record in records:
                found.learn(record, recent=record.timestamp >= recent_ms)
        return found


def _now_ms() -> int:
    return int(time.time() * 1000)
