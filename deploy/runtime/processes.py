"""The processes: wires settings, Kafka, the control table and the decisions together. Decides nothing itself.

Every process checks the topics, waits for the control table, reports on the admin port, and ends within 30 s of
SIGTERM or Ctrl-C, broker or no broker. Each `…_part` runs in one process or, for the demo, beside the others.
"""

import asyncio
import gc
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from typing import Any, TypeVar
from urllib.parse import urlsplit

import structlog
from aiokafka.errors import KafkaError

from stripeline.contracts.vocabulary import LogEvent
from stripeline.deploy.failure import FailureError
from stripeline.deploy.operations.topics import require
from stripeline.deploy.runtime.action_check import uninstalled
from stripeline.deploy.runtime.admin_server import serve_admin
from stripeline.deploy.runtime.connection_keys import STRIPES_OWN, Keys, key_name, limits_of
from stripeline.deploy.runtime.definition_cache import WorkflowsByTrigger, trigger_views
from stripeline.deploy.runtime.loop_exceptions import unheard
from stripeline.deploy.runtime.shared import Base, base
from stripeline.deploy.runtime.shutdown import lifetime, unblocked
from stripeline.deploy.settings.settings import Settings, SettingsError
from stripeline.deploy.telemetry.delivery_spans import DeliverySpans
from stripeline.deploy.telemetry.metrics.ingest import INGEST
from stripeline.deploy.telemetry.metrics.stripe import CONNECTIONS, STRIPE
from stripeline.deploy.telemetry.metrics.worker import WORKER
from stripeline.deploy.telemetry.sources import IngestView, WorkerView, running_version
from stripeline.ingest.delivery_counters import Counters
from stripeline.ingest.http.server import serve
from stripeline.ingest.kafka.publisher import Publisher
from stripeline.ingest.kafka.session import InFlightBounds
from stripeline.ingest.webhook import Webhook
from stripeline.workers.actions import actions
from stripeline.workers.executor.executor import Executor
from stripeline.workers.executor.rate_gate import RateGate
from stripeline.workers.executor.setup import Setup
from stripeline.workers.kafka.control_table import ControlTable
from stripeline.workers.kafka.group_member import Membership, Worker
from stripeline.workers.kafka.watchdog import StuckError, watched
from stripeline.workers.roles import ExecutorRole, Role, RouterRole
from stripeline.workers.router.router import Router
from stripeline.workers.secrets.cache import Secrets
from stripeline.workers.secrets.vault import Vault
from stripeline.workers.spans import CallSpans, traced
from stripeline.workers.stripe.api import StripeApi
from stripeline.workers.task.decision import TaskState
from stripeline.workers.task.health import StallLimits

log = structlog.get_logger(__name__)
_NEXT_TRY_S = 2.0
Part = Callable[[Base, asyncio.Event], Awaitable[None]]
S = TypeVar("S", bound=TaskState)


async def run_ingest(settings: Settings) -> None:
    await _run(settings, ingest_part)


async def run_router(settings: Settings) -> None:
    await _run(settings, router_part)


async def run_executor(settings: Settings) -> None:
    await _run(settings, executor_part)


async def run_worker(settings: Settings) -> None:
    await _run(settings, router_part, executor_part)


def _calm_collector() -> None:
    """Garbage of ours is freed by its count; the collector that looks for cycles took a fifth of an executor's time."""
    gc.collect()
    gc.freeze()  # what is there from the start stays, and need not be looked at again
    gc.set_threshold(50_000, 20, 20)


async def _run(settings: Settings, *parts: Part) -> None:
    """One process: its parts, until SIGTERM or SIGINT, with the admin port beside them."""
    _calm_collector()
    asyncio.get_running_loop().set_exception_handler(unheard)
    async with lifetime() as stop, base(settings) as shared, AsyncExitStack() as stack:
        stack.enter_context(unblocked(lambda: shared.lag.turned_s))
        shared.checks["process"] = lambda: "the process is ending" if stop.is_set() else None
        admin = await serve_admin(settings.admin_host, settings.admin_port, shared.checks, shared.registry)
        stack.push_async_callback(admin.cleanup)
        if await _topics_are_right(shared, stop):
            await _together(stop, *(part(shared, stop) for part in parts))


async def _together(stop: asyncio.Event, *parts: Awaitable[None]) -> None:
    """Parts side by side. The first failure is raised as it is, so that the command can say it in a paragraph."""
    try:
        async with asyncio.TaskGroup() as group:
            for part in parts:
                group.create_task(_until_stopped(part, stop))
    except BaseExceptionGroup as failures:
        first, *others = failures.exceptions
        for other in others:
            log.error(LogEvent.PART_FAILED, reason=repr(other))  # noqa: TRY400
        raise first from None


async def _until_stopped(part: Awaitable[None], stop: asyncio.Event) -> None:
    """One part; when it ends, for whatever reason, the others end too."""
    try:
        await part
    finally:
        stop.set()


async def _topics_are_right(shared: Base, stop: asyncio.Event) -> bool:
    """Check the topics, waiting for a broker that does not answer yet. Raises TopicsError for wrong ones."""
    while not stop.is_set():
        try:
            await require(shared.settings.topics, shared.settings.partitions, shared.client)
        except (KafkaError, OSError, TimeoutError) as error:
            log.warning(LogEvent.KAFKA_UNREACHABLE, reason=repr(error), next_try_s=_NEXT_TRY_S)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _NEXT_TRY_S)
        else:
            shared.checks.pop("topics")
            return True
    return False


async def ingest_part(shared: Base, stop: asyncio.Event) -> None:
    """Serve the webhooks until stopped."""
    settings, table = shared.settings, shared.table
    secrets = Secrets(_vault(settings))
    bounds = InFlightBounds(deadline_s=settings.ingest_publish_deadline_ms / 1000)
    publisher = Publisher(shared.client, settings.topic_prefix, bounds=bounds)
    shared.checks["publisher"] = lambda: None if publisher.ready else "there is no connection to Kafka yet"
    if not await _loaded(table, stop):
        return
    spans = None if shared.tracer is None else DeliverySpans(shared.tracer, settings.topics.event)
    seen = IngestView(counters=Counters(), topic=settings.topics.event)
    shared.metrics.show(INGEST, lambda: seen)
    webhook = Webhook(
        triggers=trigger_views(table, secrets), counters=seen.counters, spans=spans,
        max_body=settings.ingest_max_body_bytes,
    )  # fmt: skip
    host, port = settings.ingest_host, settings.ingest_port
    async with publisher, await serve(webhook, publisher, host=host, port=port, grace_s=15) as running:
        log.info(LogEvent.INGEST_LISTENING, host=settings.ingest_host, port=running.port)
        await stop.wait()


async def router_part(shared: Base, stop: asyncio.Event) -> None:
    """Start runs and take them on until stopped."""
    workflows = WorkflowsByTrigger(shared.table)
    settings = shared.settings
    router = Router(topics=settings.topics, workflows=workflows.of, partitions=settings.partitions)
    worker = _worker(shared, RouterRole(settings.topics, router))
    if await _loaded(shared.table, stop):
        await _until_stopped_or_stuck(shared, worker, stop)


async def executor_part(shared: Base, stop: asyncio.Event) -> None:
    """Carry commands out until stopped."""
    settings, table, known = shared.settings, shared.table, actions()
    shared.checks["actions"] = lambda: uninstalled(table.workflows, known)
    keys = Keys(table, Secrets(_vault(settings)), shared.clock.now_ms)
    shared.checks["keys"] = keys.missing
    gate = RateGate(
        limits=limits_of(table, stripes_own=settings.stripe_api_base == STRIPES_OWN),
        share=lambda: len(worker.tasks) / settings.partitions,
        key=lambda name: key_name(table, name),
        refused=keys.held,
    )
    setup = Setup(
        topics=settings.topics,
        actions=known,
        has_connection=lambda name: name in table.connections,
        reconcile_after_ms=settings.reconcile_after_ms,
        call_timeout_ms=settings.call_timeout_ms,
    )
    async with StripeApi(
        settings.stripe_api_base, keys.of, deadline_s=settings.call_timeout_ms / 1000, on_answer=_call_spans(shared),
        agent=f"stripeline/{running_version()}",
    ) as stripe:  # fmt: skip
        executor = Executor(setup=setup, gate=gate)
        role = ExecutorRole(settings.topics, executor, stripe.send, settings.executor_concurrency)
        worker = _worker(shared, role)
        shared.metrics.show(STRIPE, lambda: stripe)
        shared.metrics.show(CONNECTIONS, lambda: list(gate.connections(shared.clock.now_ms())))
        if await _loaded(table, stop):
            _require_actions(shared)
            await _until_stopped_or_stuck(shared, worker, stop)


def _require_actions(shared: Base) -> None:
    """An executor without an action would fail each of its commands, and stop its runs for good."""
    missing = shared.checks["actions"]()
    if missing is not None:
        raise FailureError(f"This executor can't start: {missing}.")


def _worker(shared: Base, role: Role[S]) -> Worker[S]:
    """A worker that shows how it is on the admin port."""
    worker = Worker(role if shared.tracer is None else traced(role, shared.tracer), _membership(shared), shared.clock)
    tiers = {topic: tier for topic, tier in shared.settings.topics.retries.items() if topic in role.inputs}
    shared.checks[role.name] = worker.missing
    shared.metrics.show(WORKER, lambda: WorkerView.of(worker, tiers))
    return worker


async def _until_stopped_or_stuck(shared: Base, worker: Worker[Any], stop: asyncio.Event) -> None:
    # A call waits for its turn and for room, is sent, and a look-up may read some pages: each at most this long.
    limits = StallLimits(call_s=6 * shared.settings.call_timeout_ms / 1000 + 60)
    try:
        await watched(worker, stop, partitions=shared.settings.partitions, limits=limits)
    except StuckError as error:
        raise FailureError(str(error)) from None


def _call_spans(shared: Base) -> CallSpans | None:
    host = urlsplit(shared.settings.stripe_api_base).hostname or ""
    return None if shared.tracer is None else CallSpans(shared.tracer, host)


def _membership(shared: Base) -> Membership:
    settings = shared.settings
    return Membership(
        client=shared.client,
        instance_id=settings.instance_id,
        session_s=settings.session_timeout_ms / 1000,
        drain_s=settings.drain_timeout_ms / 1000,
        commit_interval_s=settings.commit_interval_ms / 1000,
    )


async def _loaded(table: ControlTable, stop: asyncio.Event) -> bool:
    """Wait for the control table; False when the process was stopped before."""
    waits = [asyncio.create_task(table.loaded()), asyncio.create_task(stop.wait())]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
    return table.ready and not stop.is_set()


def _vault(settings: Settings) -> Vault:
    if not settings.master_keys:
        raise SettingsError(
            "STRIPELINE_MASTER_KEY is missing, so no secret on the control topic can be opened. Set it to the key that"
            " `stripeline apply` used; `stripeline settings new-master-key` makes one for a new installation."
        )
    return Vault.from_ring(settings.master_keys)
