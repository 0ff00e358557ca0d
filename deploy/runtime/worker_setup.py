"""What the parts have in common: the worker and its watchdog, the wait for the control table, and the vault."""

import asyncio
from pathlib import Path
from typing import Any, TypeVar

from msgspec.structs import replace

from stripeline.deploy.failure import FailureError
from stripeline.deploy.runtime.reporting.parts import with_tasks
from stripeline.deploy.runtime.shared import Shared
from stripeline.deploy.settings.settings import Settings, SettingsError
from stripeline.deploy.telemetry.metrics.worker import WORKER
from stripeline.deploy.telemetry.sources import WorkerView
from stripeline.workers.disk.state_cache import StateFolder
from stripeline.workers.kafka.control_table import ControlTable
from stripeline.workers.kafka.group_member import Membership, Worker
from stripeline.workers.kafka.watch.watchdog import StuckError, watched
from stripeline.workers.roles import Role
from stripeline.workers.secrets.vault import Vault
from stripeline.workers.spans import traced
from stripeline.workers.task.decision import TaskState
from stripeline.workers.task.health import StallLimits

S = TypeVar("S", bound=TaskState)


def new_worker(shared: Shared, role: Role[S]) -> Worker[S]:
    """A worker that shows how it is on the admin port."""
    traced_role = role if shared.tracer is None else traced(role, shared.tracer)
    worker = Worker(traced_role, _membership(shared), shared.clock, lambda: shared.table.definitions.skips)
    tiers = {topic: tier for topic, tier in shared.settings.topics.retries.items() if topic in role.inputs}
    topics = shared.settings.topics
    needed = frozenset({*role.original, role.changelog, topics.command, topics.result, topics.dead_letter})
    shared.checks[role.name] = lambda: shared.topics.missing(needed) or worker.missing()
    shared.checks["installation"] = shared.installation.missing
    shared.warnings[role.name] = worker.warnings
    shared.answers.silent_s[role.name] = worker.silent_s
    # A consumer goes on at its former offset, which would skip records of the new topic.
    shared.topics.on_recreated.append(
        lambda topic: worker.reopen(f"{topic} was deleted and created again") if topic in role.inputs else None
    )
    shared.metrics.show(WORKER, lambda: WorkerView.of(worker, tiers))
    shared.report.append(lambda report: with_tasks(report, WorkerView.of(worker, tiers), topics.is_retry))
    return worker


def _membership(shared: Shared) -> Membership:
    settings, folder = shared.settings, shared.settings.worker_state_dir
    return Membership(
        client=shared.client,
        instance_id=settings.instance_id,
        session_s=settings.session_timeout_ms / 1000,
        drain_s=settings.drain_timeout_ms / 1000,
        commit_interval_s=settings.commit_interval_ms / 1000,
        partitions=settings.partitions,
        words=shared.words,
        files=None if folder is None else StateFolder(Path(folder), shared.clock.now_ms),
    )


async def run_watched(shared: Shared, worker: Worker[Any], stop: asyncio.Event) -> None:
    # A call waits for its turn and for room, is sent, and a look-up may read some pages: each at most this long.
    limits = StallLimits(call_s=6 * shared.settings.call_timeout_ms / 1000 + 60)
    try:
        await watched(worker, stop, partitions=shared.settings.partitions, limits=limits)
    except StuckError as error:
        words = str(error)
        shared.broken[worker.role.name] = lambda: words  # the other parts of the process take a while to end
        raise FailureError(words) from None


async def known_format(shared: Shared, stop: asyncio.Event) -> None:
    """Beside a part that waits for nothing. Raises InstallationError once topics of another format were read."""
    if await table_loaded(shared.table, stop):
        shared.installation.require_format()
        await stop.wait()


async def may_begin(shared: Shared, stop: asyncio.Event) -> bool:
    """Wait for the definitions and the installation; False when the process was stopped before."""
    return await table_loaded(shared.table, stop) and await shared.installation.known(stop)


async def table_loaded(table: ControlTable, stop: asyncio.Event) -> bool:
    """Wait for the control table; False when the process was stopped before."""
    waits = [asyncio.create_task(table.loaded()), asyncio.create_task(stop.wait())]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
    return table.ready and not stop.is_set()


def reported_vault(shared: Shared) -> Vault:
    """The vault of a process, which says on `stripe.worker` what master keys it holds."""
    vault = required_vault(shared.settings)
    shared.report.append(lambda report: replace(report, master_keys=vault.key_ids))
    return vault


def required_vault(settings: Settings) -> Vault:
    if not settings.master_keys:
        raise SettingsError(
            "STRIPELINE_MASTER_KEY is missing, so no secret on the control topic can be opened. Set it to the key that"
            " `stripeline apply` used; `stripeline settings new-master-key` makes one for a new installation."
        )
    return Vault.from_ring(settings.master_keys)
