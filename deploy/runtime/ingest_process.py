"""Wires ingest: the webhook's decisions, the receiver and the publisher, with the triggers of the control table."""

import asyncio
import socket

import structlog

from stripeline.contracts.vocabulary import LogEvent
from stripeline.deploy.runtime.definition_cache import PathViews
from stripeline.deploy.runtime.process.port_in_use import named_ports
from stripeline.deploy.runtime.reporting.parts import with_reached, with_signatures
from stripeline.deploy.runtime.shared import Shared
from stripeline.deploy.runtime.worker_setup import reported_vault, table_loaded
from stripeline.deploy.telemetry.delivery_spans import DeliverySpans
from stripeline.deploy.telemetry.metrics.ingest import INGEST
from stripeline.deploy.telemetry.sources import IngestView
from stripeline.ingest.delivery_counters import Counters
from stripeline.ingest.http.server import serve
from stripeline.ingest.kafka.partition_health import in_words
from stripeline.ingest.kafka.publisher import Publisher
from stripeline.ingest.kafka.seen_writer import SeenWriter, seen_connector
from stripeline.ingest.kafka.session import InFlightBounds
from stripeline.ingest.webhook import REACHED, Webhook
from stripeline.workers.secrets.cache import Secrets

log = structlog.get_logger(__name__)


async def ingest_part(shared: Shared, stop: asyncio.Event, *, handed: socket.socket | None = None) -> None:
    """Serve the webhooks until stopped. handed: where a parent gives connections, in a group of processes."""
    settings, table = shared.settings, shared.table
    views = PathViews(table, Secrets(reported_vault(shared)))
    bounds = InFlightBounds(deadline_s=settings.ingest_publish_deadline_ms / 1000)
    counters, noted = Counters(), settings.topics.event_seen
    notes = SeenWriter(
        noted, seen_connector(shared.client), counters,
        is_there=lambda: shared.topics.exists(noted), words=shared.words,
    )  # fmt: skip
    publisher = Publisher(
        shared.client, settings.topic_prefix, bounds=bounds, partitions=settings.partitions, words=shared.words,
        seen=notes.note,
    )  # fmt: skip
    shared.checks["publisher"] = lambda: shared.topics.all_missing(settings.topics.events) or publisher.missing()
    shared.broken["publisher"] = publisher.broken
    shared.checks["secrets"], shared.warnings["secrets"] = views.missing, views.warnings
    shared.warnings["partitions"] = lambda: in_words(publisher.unavailable)
    shared.warnings["event notes"] = lambda: notes.why
    if not await table_loaded(table, stop):
        return
    shared.installation.require_format()
    spans = None if shared.tracer is None else DeliverySpans(shared.tracer, settings.topics.event)
    seen = IngestView(counters=counters, topic=settings.topics.event, unavailable=lambda: publisher.unavailable)
    shared.metrics.show(INGEST, lambda: seen)
    shared.report.append(lambda report: with_signatures(report, counters.of("stripeline_signatures_total")))
    shared.report.append(lambda report: with_reached(report, counters.of(REACHED)))
    webhook = Webhook(
        paths=views.of, counters=seen.counters, spans=spans,
        max_body=settings.ingest_max_body_bytes,
    )  # fmt: skip
    host, port = settings.ingest_host, settings.ingest_port
    async with notes, publisher:
        with named_ports(host, port, "INGEST"):
            receiver = await serve(
                webhook, publisher, host=host, port=port, handed=handed, grace_s=15,
                trusted_proxies=settings.ingest_trusted_proxies,
            )  # fmt: skip
        async with receiver as running:
            shared.answers.silent_s["publisher"] = publisher.silent_s
            log.info(LogEvent.INGEST_LISTENING, host=host, port=running.port)
            await stop.wait()
