"""What the parts of a process share: settings, the control table, a clock, checks and metrics."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from opentelemetry.trace import Tracer
from prometheus_client import CollectorRegistry, ProcessCollector

from stripeline.deploy.operations.connection_probe import why_unreachable
from stripeline.deploy.operations.rights import Purpose
from stripeline.deploy.running_version import running_version
from stripeline.deploy.runtime.derived.selections import Selections
from stripeline.deploy.runtime.process.kafka_answers import KafkaAnswers
from stripeline.deploy.runtime.process.kafka_errors import KafkaErrors
from stripeline.deploy.runtime.process_installation import ProcessInstallation
from stripeline.deploy.runtime.reporting.parts import Part as ReportPart
from stripeline.deploy.runtime.topics_watch import TopicsWatch
from stripeline.deploy.settings.kafka_options import kafka_client_options, kafka_warnings
from stripeline.deploy.settings.settings import Settings
from stripeline.deploy.telemetry.collector import MetricsCollector
from stripeline.deploy.telemetry.loop_lag import LoopLag
from stripeline.deploy.telemetry.metrics.process import PROCESS
from stripeline.deploy.telemetry.sources import ProcessView
from stripeline.deploy.telemetry.tracer import installed_tracer
from stripeline.workers.kafka.broker_clock import BrokerClock
from stripeline.workers.kafka.control_table import ControlTable

Check = Callable[[], str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What every part of a process shares.

    checks: what keeps the process from its work, by name: `/readyz` answers 503.
    warnings: what keeps it from a part of its work, such as one partition: `/readyz` names it and answers 200.
    broken: what only a restart corrects: `/healthz` answers 503.
    answers: when Kafka last answered each part, for the check `kafka`.
    report: what each part adds to the report of the process.
    selections: the definitions of the table that are asked about again and again.
    """

    settings: Settings
    client: Mapping[str, Any]
    words: KafkaErrors
    table: ControlTable
    installation: ProcessInstallation
    clock: BrokerClock
    checks: dict[str, Check]
    warnings: dict[str, Check]
    broken: dict[str, Check]
    answers: KafkaAnswers
    metrics: MetricsCollector
    registry: CollectorRegistry
    lag: LoopLag
    topics: TopicsWatch
    tracer: Tracer | None
    report: list[ReportPart]
    selections: Selections


@asynccontextmanager
async def open_shared(
    settings: Settings,
    session_timeout_ms: int | None = None,
    purposes: Sequence[Purpose] = (Purpose.INGEST, Purpose.WORKER),
) -> AsyncIterator[Shared]:
    """Start what the parts share, and stop it at the end of the block. The timeout is that of a worker's membership."""
    client = kafka_client_options(settings)
    words = KafkaErrors(settings, client, purposes)
    table = ControlTable(settings.topics.control, client, words)
    await table.start()
    answers = KafkaAnswers(partial(why_unreachable, settings, client), table.silent_s)
    asking = asyncio.create_task(answers.run(), name="why Kafka does not answer")
    clock, lag, metrics, registry = BrokerClock(), LoopLag(), MetricsCollector(), CollectorRegistry()
    topics = TopicsWatch(settings.topics, settings.partitions, client, session_timeout_ms)
    checks: dict[str, Check] = {
        "topics": lambda: "the topics are not checked yet", "control": table.missing, "kafka": answers.missing,
    }  # fmt: skip
    registry.register(metrics)
    ProcessCollector(registry=registry)  # memory, CPU and open files, under Prometheus' own names
    version = running_version()
    metrics.show(PROCESS, lambda: ProcessView(
        missing={name: check() for name, check in checks.items()}, lag=lag, skew_s=clock.skew_ms / 1000,
        control_age_s=table.age_s(), topics=topics.problems, partitions=settings.partitions, version=version,
    ))  # fmt: skip
    try:
        with lag.measured():
            yield Shared(
                settings=settings, client=client, words=words, table=table, clock=clock, checks=checks,
                installation=ProcessInstallation(settings.topics.control, table),
                broken={"control": table.broken},
                answers=answers,
                warnings={"control": table.warnings, "topics": topics.warnings, **kafka_warnings(client)},
                metrics=metrics, registry=registry, lag=lag, topics=topics, tracer=installed_tracer(),
                report=[], selections=Selections(table),
            )  # fmt: skip
    finally:
        asking.cancel()
        await table.stop()
        await words.close()
