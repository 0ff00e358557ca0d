"""Publishes a process's report every few seconds, and null at a clean end. Best effort: it never delays the process.

One report is under way at a time, each with a deadline, on a producer of its own: a Kafka that is away, a topic that is
gone or a right that is missing costs a report, and a line in the log every five minutes. A fault in a report costs the
same.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaProducer

from stripeline.contracts.internal_records import encode
from stripeline.contracts.log_limit import LogLimit
from stripeline.contracts.operator.worker_report import REPORT_EVERY_S, WorkerReport
from stripeline.contracts.topics import CARRIED_MAX_BYTES
from stripeline.contracts.vocabulary import LogEvent
from stripeline.workers.kafka.aiokafka_internals import end_producer
from stripeline.workers.kafka.client_start import start_within

_START_S: Final = 5.0
_SEND_S: Final = 5.0
_LAST_S: Final = 2.0
_FLUSH_S: Final = 0.5
_LOG_EVERY_S: Final = 300.0
_ROUND_TRIP_MS: Final = 1_000
log = structlog.get_logger(__name__)


class Reporter:
    """The reports of one process under one key. `report` gets the host's time and the skew of its clock, if known."""

    def __init__(
        self, topic: str, instance: str, report: Callable[[int, int | None], WorkerReport], client: Mapping[str, Any],
        *, words: Callable[[BaseException], str] = repr, every_s: float = REPORT_EVERY_S,
    ) -> None:  # fmt: skip
        self._topic, self._key, self._report, self._client = topic, instance.encode(), report, client
        self._words, self._every_s = words, every_s
        self._limit = LogLimit(_LOG_EVERY_S)
        self._producer: AIOKafkaProducer | None = None
        self._skew_ms: int | None = None

    async def run(self) -> None:
        """Report until cancelled."""
        while True:
            await self._once()
            await asyncio.sleep(self._every_s)

    async def ended(self) -> None:
        """Say that the process has ended, if that can be said at once: where no report got through, none is missed."""
        if self._producer is not None:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(self._send(None), _LAST_S)

    async def close(self) -> None:
        if (producer := self._producer) is not None:
            self._producer = None
            await end_producer(producer, _FLUSH_S)

    async def _once(self) -> None:
        try:
            if self._producer is None:
                self._producer = await self._opened()
            value = encode(self._report(_now_ms(), self._skew_ms))
            await asyncio.wait_for(self._send(value), _SEND_S)
        except Exception as error:  # noqa: BLE001  (whatever it is, the process goes on without this report)
            left_out = self._limit.admit(LogEvent.REPORT_NOT_PUBLISHED, time.monotonic())
            if left_out is not None:
                log.warning(LogEvent.REPORT_NOT_PUBLISHED, reason=self._words(error), left_out=left_out)
            await self.close()

    async def _opened(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(**self._client, max_request_size=CARRIED_MAX_BYTES)
        try:
            await start_within(producer.start(), _START_S)
        except BaseException:
            await end_producer(producer, _FLUSH_S)
            raise
        return producer

    async def _send(self, value: bytes | None) -> None:
        assert self._producer is not None  # noqa: S101  (the caller has looked)
        sent_ms = _now_ms()
        done = await self._producer.send_and_wait(self._topic, value, key=self._key, partition=0)
        skew = skew_ms(sent_ms, _now_ms(), done.timestamp)
        self._skew_ms = self._skew_ms if skew is None else skew


def skew_ms(sent_ms: int, acknowledged_ms: int, appended_ms: int) -> int | None:
    """How far the host's clock is ahead of the broker's; None where the answer took too long to say."""
    if not 0 <= acknowledged_ms - sent_ms <= _ROUND_TRIP_MS:
        return None
    return (sent_ms + acknowledged_ms) // 2 - appended_ms


@contextlib.asynccontextmanager
async def reporting(reporter: Reporter) -> AsyncIterator[None]:
    """Report beside a block. A block that raises leaves its last report, which becomes stale."""
    task = asyncio.create_task(reporter.run(), name="reports")
    try:
        yield
        await _cancelled(task)
        await reporter.ended()
    finally:
        await _cancelled(task)
        await reporter.close()


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait((task,), timeout=_LAST_S)


def _now_ms() -> int:
    return int(time.time() * 1000)
