"""Wires the executor: its decisions, the rate gate, the calls to Stripe with the connections' keys, and a worker."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from stripeline.contracts.definition_fields import Rate
from stripeline.deploy.failure import FailureError
from stripeline.deploy.runtime.action_check import ActionCheck
from stripeline.deploy.runtime.brake_wiring import brakes_of, following, own_runs_of, show_brakes, takes_only_own
from stripeline.deploy.runtime.connection_keys import (
    STRIPES_OWN,
    Keys,
    Owners,
    key_for,
    key_name,
    limits_of,
    paused_since,
    quiet_since,
)
from stripeline.deploy.runtime.derived.selections import Selections
from stripeline.deploy.runtime.key_prober import KeyProber
from stripeline.deploy.runtime.reporting.parts import with_connections
from stripeline.deploy.runtime.shared import Shared
from stripeline.deploy.runtime.stripe_client import stripe_client
from stripeline.deploy.runtime.worker_setup import may_begin, new_worker, reported_vault, run_watched
from stripeline.deploy.stripe_side.endpoints.endpoint_checker import EndpointChecker, checking
from stripeline.deploy.stripe_side.sweeps.sweep_wiring import sweeping
from stripeline.deploy.telemetry.metrics.endpoint_rows import ENDPOINTS
from stripeline.deploy.telemetry.metrics.stripe import CONNECTIONS, STRIPE
from stripeline.workers.actions import actions
from stripeline.workers.executor.connection.call_shares import CallShares
from stripeline.workers.executor.connection.rate_gate import RateGate
from stripeline.workers.executor.executor import Executor
from stripeline.workers.executor.ledger import Ledger
from stripeline.workers.executor.setup import Setup
from stripeline.workers.kafka.control_table import ControlTable, publish
from stripeline.workers.kafka.group_member import Worker
from stripeline.workers.kafka.partition_reader import log_ends
from stripeline.workers.roles import ExecutorRole, ThinPart
from stripeline.workers.secrets.cache import Secrets
from stripeline.workers.spans import CallSpans
from stripeline.workers.stripe.api import STRIPE_VERSION, StripeApi
from stripeline.workers.thin.thin_fetcher import ThinFetcher


async def executor_part(shared: Shared, stop: asyncio.Event) -> None:
    """Carry commands out until stopped."""
    settings, table, known = shared.settings, shared.table, actions()
    shared.checks["actions"] = ActionCheck(known, lambda: table.workflows).missing
    keys, owners = Keys(table, Secrets(reported_vault(shared)), shared.clock.now_ms), Owners(table)
    shared.checks["keys"], shared.warnings["keys"] = keys.missing, keys.warnings
    limits = limits_of(table, stripes_own=settings.stripe_api_base == STRIPES_OWN)
    shares = CallShares(settings.executor_concurrency)
    gate = RateGate(
        limits=limits, shares=shares, share=lambda: len(worker.tasks) / settings.partitions,
        key=lambda name: key_name(table, name), refused=keys.held, paused=lambda name: paused_since(table, name),
    )  # fmt: skip
    brakes, peers = brakes_of(shared, lambda: worker)
    own_runs, runs = own_runs_of(shared, lambda: worker)
    setup = Setup(
        topics=settings.topics,
        actions=known,
        owner=owners.of,
        quiet_since=lambda name: quiet_since(table, name),
        installation=shared.installation.id,
        reconcile_after_ms=settings.reconcile_after_ms,
        call_timeout_ms=settings.call_timeout_ms,
        only_own=partial(takes_only_own, table),
        own_runs=own_runs,
    )
    async with stripe_client(settings, key_for(owners, keys), on_answer=_call_spans(shared)) as stripe:
        executor = Executor(setup=setup, gate=gate, brakes=brakes)
        role = _role(shared, executor, stripe, _thin_part(shared, setup, gate, stripe))
        worker = new_worker(shared, role)
        show_brakes(shared, brakes, worker)
        shared.metrics.show(STRIPE, lambda: stripe)
        shared.metrics.show(CONNECTIONS, lambda: list(gate.connections(shared.clock.now_ms())))
        shared.report.append(lambda report: with_connections(report, gate.connections(shared.clock.now_ms())))
        prober = KeyProber(
            definitions=lambda: table.definitions, key=keys.of, owns=lambda: 0 in worker.tasks, read=stripe.read,
            delete=lambda key: publish(settings.topics.control, shared.client, {key: None}), now_ms=shared.clock.now_ms,
            each_tick=partial(_each_tick, shared, gate, role, worker),
        )  # fmt: skip
        if await may_begin(shared, stop):
            _require_actions(shared)
            if await _reads_thin(shared):
                add_input(settings.topics.thin_event, role, worker)
            probing = asyncio.create_task(prober.run(), name="probes of refused keys")
            try:
                async with _beside(shared, worker, stripe, keys, limits), following(peers, runs):
                    await run_watched(shared, worker, stop)
            finally:
                probing.cancel()


@asynccontextmanager
async def _beside(
    shared: Shared, worker: Worker[Any], stripe: StripeApi, keys: Keys, limits: Callable[[str], Rate]
) -> AsyncIterator[None]:
    """What the owner of partition 0 does beside the commands."""
    owns = owns_first_partition(worker)
    checker = EndpointChecker(
        installation=shared.installation.id, definitions=lambda: shared.table.definitions, key=keys.of, owns=owns,
        read=stripe.read,
    )  # fmt: skip
    shared.report.append(checker.reported)
    shared.metrics.show(ENDPOINTS, lambda: checker.troubles)
    async with sweeping(shared, owns, stripe, keys.of, limits), checking(checker):
        yield


def owns_first_partition(worker: Worker[Any]) -> Callable[[], bool]:
    """Whether partition 0 is ours. Not before it was open once: planning for many tenants would delay its restore."""
    opened = False

    def owns() -> bool:
        nonlocal opened
        task = worker.tasks.get(0)
        opened = opened or (task is not None and task.open)
        return opened and task is not None

    return owns


def _role(shared: Shared, executor: Executor, stripe: StripeApi, thin: ThinPart) -> ExecutorRole:
    settings, topics = shared.settings, shared.settings.topics
    return ExecutorRole(topics, executor, stripe.send, settings.executor_concurrency, shared.topics.former_tiers, thin)


def _each_tick(shared: Shared, gate: RateGate, role: ExecutorRole, worker: Worker[Ledger]) -> None:
    gate.learn(shared.clock.now_ms())
    topic = shared.settings.topics.thin_event
    take_up(topic, shared.topics.exists(topic) and takes_thin(shared.selections), role, worker)


def takes_thin(selections: Selections) -> bool:
    """Whether a trigger takes thin events.

    While none does, their topic is no input: Kafka gives a static member that comes back with another subscription its
    former partitions, and a release that does not know the topic, as after a roll back, would never get over that.
    """
    return bool(selections.thin_triggers())


async def _reads_thin(shared: Shared) -> bool:
    """Whether thin events are read from the start: a trigger takes them, or has taken some."""
    topic = shared.settings.topics.thin_event
    if not shared.topics.exists(topic):
        return False
    places = [TopicPartition(topic, at) for at in range(shared.settings.partitions)]
    try:
        return takes_thin(shared.selections) or any((await log_ends(places, shared.client)).values())
    except (KafkaError, TimeoutError):
        return True


def take_up(topic: str, reads: bool, role: ExecutorRole, worker: Worker[Ledger]) -> None:
    """Read a topic that was no input when the process began: its worker joins its group again."""
    if reads and topic not in role.inputs:
        add_input(topic, role, worker)
        worker.reopen(f"{topic} is read from now on")


def add_input(topic: str, role: ExecutorRole, worker: Worker[Ledger]) -> None:
    role.inputs = worker.role.inputs = (*role.inputs, topic)  # the worker's may be the role with spans


def _thin_part(shared: Shared, setup: Setup, gate: RateGate, stripe: StripeApi) -> ThinPart:
    fetcher = ThinFetcher(
        setup=setup, gate=gate, partitions=shared.settings.partitions, api_version=STRIPE_VERSION,
        snapshots_come=partial(snapshots_come, shared.table),
    )  # fmt: skip
    return ThinPart(fetcher, stripe.fetch)


def snapshots_come(table: ControlTable, trigger: str) -> bool:
    """Whether a trigger takes snapshot events too. One that was removed may have."""
    known = table.triggers.get(trigger)
    return known is None or known.payload != "thin"


def _require_actions(shared: Shared) -> None:
    """An executor without an action would fail each of its commands, and stop its runs for good."""
    missing = shared.checks["actions"]()
    if missing is not None:
        raise FailureError(f"This executor can't start: {missing}.")


def _call_spans(shared: Shared) -> CallSpans | None:
    host = urlsplit(shared.settings.stripe_api_base).hostname or ""
    return None if shared.tracer is None else CallSpans(shared.tracer, host)
