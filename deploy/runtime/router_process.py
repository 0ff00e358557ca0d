"""Wires the router: its decisions, and a worker with the workflows of the control table."""

import asyncio
from functools import partial

from stripeline.deploy.runtime.brake_wiring import following, takes_only_own
from stripeline.deploy.runtime.definition_cache import WorkflowsByTrigger
from stripeline.deploy.runtime.run_brake_wiring import run_brakes_of, show_run_brakes
from stripeline.deploy.runtime.shared import Shared
from stripeline.deploy.runtime.worker_setup import may_begin, new_worker, run_watched
from stripeline.deploy.runtime.workflow_pauser import WorkflowPauser
from stripeline.deploy.telemetry.metrics.pause_rows import PAUSED_WORKFLOWS
from stripeline.workers.roles import RouterRole
from stripeline.workers.router.router import Router


async def router_part(shared: Shared, stop: asyncio.Event) -> None:
    """Start runs and take them on until stopped."""
    workflows = WorkflowsByTrigger(shared.table)
    settings = shared.settings
    brakes, peers = run_brakes_of(shared, lambda: worker)
    router = Router(
        topics=settings.topics, workflows=workflows.of, installation=shared.installation.id,
        partitions=settings.partitions,
        brakes=brakes,
        only_own=partial(takes_only_own, shared.table),
        paused=lambda name: f"workflow/{name}" in shared.table.definitions.pauses,
        account=lambda name: shared.table.definitions.account_of(name),  # noqa: PLW0108  (the definitions change)
    )  # fmt: skip
    shared.metrics.show(PAUSED_WORKFLOWS, lambda: shared.table.definitions.pauses)
    worker = new_worker(shared, RouterRole(settings.topics, router))
    show_run_brakes(shared, brakes, worker)
    pauser = WorkflowPauser(brakes, settings.topics, shared.client, lambda: shared.table.definitions)
    if await may_begin(shared, stop):
        async with following(peers, pauser):
            await run_watched(shared, worker, stop)
