"""The processes: wires settings, Kafka, the control table and the decisions together. Decides nothing itself.

Every process checks the topics, waits for the control table, reports on the admin port, and ends within 30 s of
SIGTERM or Ctrl-C, broker or no broker. Each `…_part` runs in one process or, for the demo, beside the others.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from traceback import walk_tb
from typing import Any

import structlog
from aiokafka.errors import KafkaError
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from contracts.control import Trigger, Workflow
from deploy.admin import serve_admin
from deploy.connections import STRIPES_OWN, key_name, limits_of, refused_key, secret_keys
from deploy.kafka_client import kafka_client_options
from deploy.metrics import watch
from deploy.settings import Settings, SettingsError
from deploy.topics import require
from ingest.app import make_app
from ingest.publisher import Publisher
from ingest.server import serve
from ingest.trigger import TriggerView
from workers.actions import actions
from workers.adapters.clock import BrokerClock
from workers.adapters.control import ControlTable
from workers.adapters.resolve import Secrets
from workers.adapters.stripe_api import StripeApi
from workers.adapters.vault import Vault, VaultError
from workers.adapters.worker import Membership, Worker
from workers.executor import Executor
from workers.gate import Gate
from workers.job import executor_job, router_job
from workers.router import Router

log = structlog.get_logger(__name__)
_NEXT_TRY_S = 2.0
Check = Callable[[], str | None]
Part = Callable[["Base", asyncio.Event], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """What every part of a process shares."""

    settings: Settings
    client: Mapping[str, Any]
    table: ControlTable
    clock: BrokerClock
    checks: dict[str, Check]
    registry: CollectorRegistry


async def run_ingest(settings: Settings) -> None:
    await _run(settings, ingest_part)


async def run_router(settings: Settings) -> None:
    await _run(settings, router_part)


async def run_executor(settings: Settings) -> None:
    await _run(settings, executor_part)


async def run_worker(settings: Settings) -> None:
    await _run(settings, router_part, executor_part)


async def _run(settings: Settings, *parts: Part) -> None:
    """One process: its parts, until SIGTERM or SIGINT, with the admin port beside them."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_unheard)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with base(settings) as shared, AsyncExitStack() as stack:
        admin = await serve_admin(settings.admin_host, settings.admin_port, shared.checks, shared.registry)
        stack.push_async_callback(admin.cleanup)
        if await _topics_are_right(shared, stop):
            async with asyncio.TaskGroup() as group:
                for part in parts:
                    group.create_task(_until_stopped(part(shared, stop), stop))


def _unheard(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """A producer of aiokafka that failed leaves failed futures that nobody can await: one line each, no traceback.

    The failure itself has been raised, and said, where the transaction was.
    """
    error = context.get("exception")
    if _of_a_producer(error, in_a_task=isinstance(context.get("future"), asyncio.Task)):
        log.debug("a future of aiokafka failed unheard", reason=repr(error))
    else:
        loop.default_exception_handler(context)


def _of_a_producer(error: object, *, in_a_task: bool) -> bool:
    """Kafka's in a bare future, or raised in aiokafka 0.14's own books when a batch fails that was on its way."""
    if isinstance(error, KeyError):
        frames = [frame for frame, _ in walk_tb(error.__traceback__)]
        return bool(frames) and frames[-1].f_globals.get("__name__") == "aiokafka.producer.message_accumulator"
    return isinstance(error, KafkaError) and not in_a_task


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
            log.warning("Kafka does not answer yet", reason=repr(error), next_try_s=_NEXT_TRY_S)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _NEXT_TRY_S)
        else:
            shared.checks.pop("topics")
            return True
    return False


@asynccontextmanager
async def base(settings: Settings) -> AsyncIterator[Base]:
    """What the parts share."""
    client = kafka_client_options(settings)
    table = ControlTable(settings.topics.control, client)
    await table.start()
    registry = CollectorRegistry()
    checks: dict[str, Check] = {"topics": lambda: "the topics are not checked yet", "control": table.missing}
    try:
        yield Base(settings=settings, client=client, table=table, clock=BrokerClock(), checks=checks, registry=registry)
    finally:
        await table.stop()


async def ingest_part(shared: Base, stop: asyncio.Event) -> None:
    """Serve the webhooks until stopped."""
    settings, table = shared.settings, shared.table
    secrets = Secrets(_vault(settings))
    publisher = Publisher(shared.client, settings.topic_prefix, deadline_s=settings.ingest_publish_deadline_ms / 1000)
    shared.checks["publisher"] = lambda: None if publisher.ready else "there is no connection to Kafka yet"
    if not await _loaded(table, stop):
        return
    app = make_app(triggers=_views(table, secrets), publisher=publisher, max_body=settings.ingest_max_body_bytes)
    async with publisher, await serve(app, host=settings.ingest_host, port=settings.ingest_port, grace_s=15) as running:
        log.info("ingest listens", host=settings.ingest_host, port=running.port)
        await stop.wait()


async def router_part(shared: Base, stop: asyncio.Event) -> None:
    """Start runs and take them on until stopped."""
    workflows = _ByTrigger(shared.table)
    settings = shared.settings
    router = Router(topics=settings.topics, workflows=workflows.of, partitions=settings.partitions)
    worker = Worker(router_job(settings.topics, router), _membership(shared), shared.clock)
    shared.checks["router"] = worker.missing
    watch(shared.registry, worker)
    if await _loaded(shared.table, stop):
        await worker.run(stop)


async def executor_part(shared: Base, stop: asyncio.Event) -> None:
    """Carry commands out until stopped."""
    settings, table = shared.settings, shared.table
    key_of = secret_keys(table, Secrets(_vault(settings)))
    limits = partial(limits_of, table, stripes_own=settings.stripe_api_base == STRIPES_OWN)
    gate = Gate(
        limits=limits,
        share=lambda: len(worker.tasks) / settings.partitions,
        key=lambda name: key_name(table, name),
        refused=lambda name: refused_key(table, name),
    )
    executor = Executor(
        topics=settings.topics,
        actions=actions(),
        has_connection=lambda name: name in table.connections,
        gate=gate,
        reconcile_after_ms=settings.reconcile_after_ms,
    )
    async with StripeApi(
        settings.stripe_api_base, key_of, deadline_s=settings.call_timeout_ms / 1000,
        concurrency=settings.executor_concurrency,
    ) as stripe:  # fmt: skip
        # What waits for its connection's turn runs too, as far as a lane is concerned.
        job = executor_job(settings.topics, executor, stripe.carry_out, 2 * settings.executor_concurrency)
        worker = Worker(job, _membership(shared), shared.clock)
        shared.checks["executor"] = worker.missing
        watch(shared.registry, worker)
        if await _loaded(table, stop):
            await worker.run(stop)


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


class _ByTrigger:
    """The workflows of a trigger, looked up once per change of the table and not once per event."""

    def __init__(self, table: ControlTable) -> None:
        self._table = table
        self._seen: Mapping[str, Workflow] | None = None
        self._by_trigger: dict[str, dict[str, Workflow]] = {}

    def of(self, trigger: str) -> Mapping[str, Workflow]:
        workflows = self._table.workflows
        if workflows is not self._seen:
            found: dict[str, dict[str, Workflow]] = {}
            for name, workflow in workflows.items():
                found.setdefault(workflow.trigger, {})[name] = workflow
            self._by_trigger, self._seen = found, workflows
        return self._by_trigger.get(trigger, {})


def _views(table: ControlTable, secrets: Secrets) -> Callable[[str], TriggerView | None]:
    """Triggers as the receiver needs them, built anew only when a definition has changed."""
    built: dict[str, tuple[Trigger, TriggerView]] = {}

    def view_of(name: str) -> TriggerView | None:
        trigger = table.triggers.get(name)
        if trigger is None:
            return None
        known = built.get(name)
        if known is None or known[0] is not trigger:
            known = built[name] = (trigger, _view(name, trigger, secrets))
        return known[1]

    return view_of


def _view(name: str, trigger: Trigger, secrets: Secrets) -> TriggerView:
    """A trigger whose secrets can't be opened has none, and so answers nothing: fail closed."""
    opened: tuple[SecretStr, ...] = ()
    try:
        opened = secrets.signing_secrets(name, trigger)
    except VaultError as error:
        log.error("a trigger's signing secrets can't be opened", trigger=name, reason=str(error))  # noqa: TRY400
    return TriggerView(
        name=name,
        family_kind=trigger.kind,
        connection=trigger.connection,
        livemode=None if trigger.mode is None else trigger.mode == "live",
        secrets=tuple(secret.get_secret_value().encode() for secret in opened),
    )
