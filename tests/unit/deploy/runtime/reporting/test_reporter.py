"""A report costs the process nothing: Kafka away, a fault in a report, a process that ends."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest
import structlog
from aiokafka.errors import KafkaConnectionError

from stripeline.contracts.internal_records import read
from stripeline.contracts.operator.worker_report import WorkerReport
from stripeline.contracts.vocabulary import LogEvent
from stripeline.deploy.runtime.reporting import reporter as module
from stripeline.deploy.runtime.reporting.reporter import Reporter, reporting

pytestmark = pytest.mark.asyncio


class Appended(NamedTuple):
    timestamp: int


class Kafka:
    """A broker that takes reports, is away, or never answers."""

    def __init__(self) -> None:
        self.records: list[bytes | None] = []
        self.started, self.away, self.hangs = 0, False, False

    def producer(self, **_: Any) -> "Kafka":
        return self

    async def start(self) -> None:
        self.started += 1
        if self.away:
            raise KafkaConnectionError("no broker")

    async def send_and_wait(self, topic: str, value: bytes | None, *, key: bytes, partition: int) -> Appended:
        if self.hangs:
            await asyncio.Event().wait()
        assert (topic, key, partition) == ("stripe.worker", b"executor/a", 0)
        self.records.append(value)
        return Appended(timestamp=int(time.time() * 1000))

    async def _ended(self, *_: object) -> None:
        return None


@pytest.fixture
async def kafka(monkeypatch: pytest.MonkeyPatch) -> Kafka:
    made = Kafka()
    monkeypatch.setattr(module, "AIOKafkaProducer", made.producer)
    monkeypatch.setattr(module, "end_producer", made._ended)
    return made


def report(now_ms: int, skew_ms: int | None) -> WorkerReport:
    return WorkerReport(role="executor", version="1", host="h", started_ms=0, at_ms=now_ms, skew_ms=skew_ms)


def reporter(client: Mapping[str, Any] | None = None, made: Any = report) -> Reporter:
    return Reporter("stripe.worker", "executor/a", made, client or {}, words=str, every_s=0.01)


async def until(done: Any) -> None:
    async with asyncio.timeout(5):
        while not done():  # noqa: ASYNC110  (what is looked at sets no event)
            await asyncio.sleep(0.005)


async def test_reports_follow_each_other_and_null_is_the_last(kafka: Kafka) -> None:
    async with reporting(reporter()):
        await until(lambda: len(kafka.records) >= 2)
    assert kafka.records[-1] is None
    first, second = (read(WorkerReport, value) for value in kafka.records[:2] if value is not None)
    assert (first.skew_ms, second.skew_ms is not None, kafka.started) == (None, True, 1)


async def test_a_process_that_fails_leaves_its_last_report(kafka: Kafka) -> None:
    with pytest.raises(RuntimeError):  # noqa: PT012
        async with reporting(reporter()):
            await until(lambda: kafka.records)
            raise RuntimeError
    assert None not in kafka.records


async def test_kafka_away_is_one_line_and_is_tried_again(kafka: Kafka) -> None:
    kafka.away = True
    with structlog.testing.capture_logs() as lines:
        async with reporting(reporter()):
            await until(lambda: kafka.started >= 3)
            kafka.away = False
            await until(lambda: kafka.records)
    said = [line for line in lines if line["event"] == LogEvent.REPORT_NOT_PUBLISHED]
    assert [line["reason"] for line in said] == ["KafkaConnectionError: no broker"]


async def test_a_fault_in_a_report_costs_that_report_only(kafka: Kafka) -> None:
    calls: list[int] = []

    def faulty(now_ms: int, skew_ms: int | None) -> WorkerReport:
        calls.append(now_ms)
        if len(calls) == 1:
            raise ZeroDivisionError
        return report(now_ms, skew_ms)

    with structlog.testing.capture_logs():
        async with reporting(reporter(made=faulty)):
            await until(lambda: kafka.records)
    assert len(calls) >= 2


async def test_a_kafka_that_hangs_does_not_delay_the_end(kafka: Kafka, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LAST_S", 0.05)
    async with reporting(reporter()):
        await until(lambda: kafka.records)
        kafka.hangs = True
        began_s = time.monotonic()
    assert time.monotonic() - began_s < 1
    assert None not in kafka.records


async def test_without_a_report_nothing_is_taken_back(kafka: Kafka) -> None:
    kafka.away = True
    with structlog.testing.capture_logs():
        async with reporting(reporter()):
            await until(lambda: kafka.started)
    assert kafka.records == []
