"""The product under traffic on several brokers while a test breaks one, and what must hold when it is over."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from stripeline.deploy.local.reconciliation import broken_rules
from stripeline.deploy.settings.settings import Settings
from tests.cluster.figures import Figures, longest_gap_of_one_s, longest_gap_s
from tests.faults.collect import forbidden, kafkas_own_faults, sent
from tests.faults.deliveries import Deliveries
from tests.faults.orders import Orders
from tests.faults.world import World, opened
from tests.support.broker_cluster import Layout
from tests.support.end_state import Found, end_state, find, no_lag
from tests.support.scripted_workers import until

DELIVERIES_PER_S, COMMANDS_PER_S = 15.0, 10.0
AGAIN_S = 0.2
FLOWING = 30
DRAIN_S = 150.0
SETTINGS = {
    "reconcile_after": "500ms", "call_timeout": "5s", "retry_tiers": "300ms,1s,2s,4s,8s",
    "session_timeout": f"{Settings.model_fields['session_timeout_ms'].default}ms",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Traffic:
    """Stripe's deliveries, and the commands of another team."""

    deliveries: Deliveries
    orders: Orders

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self.deliveries.run())
            group.create_task(self.orders.run())

    def stop(self) -> None:
        self.deliveries.stop()
        self.orders.stop()


@asynccontextmanager
async def under_traffic(
    fault: str, layout: Layout, folder: Path, note: Callable[[str], None], collected: list[Figures],
    receivers: int = 1, per_s: float = DELIVERIES_PER_S,
) -> AsyncIterator[World]:  # fmt: skip
    """per_s: deliveries a second."""
    async with opened(layout, folder, note, receivers=receivers, **SETTINGS) as world:
        watch = asyncio.create_task(world.watch())
        traffic = _traffic(world, per_s)
        run = asyncio.create_task(traffic.run())
        try:
            await until(lambda: len(traffic.deliveries.acknowledged) >= FLOWING, "traffic flows", within_s=60)
            began_s = time.monotonic()
            yield world
            seconds = time.monotonic() - began_s
            traffic.stop()
            await run
            await _worked_off(world)
        finally:
            run.cancel()
            watch.cancel()
            await asyncio.gather(run, watch, return_exceptions=True)
        found = await find(world.found)
        collected.append(_figures(fault, seconds, traffic.deliveries, found))
        assert _problems(world, traffic, found) == []


def _traffic(world: World, per_s: float) -> Traffic:
    command = world.found.settings.topics.command
    deliveries = Deliveries(world.urls, per_s, random.Random(1), again_s=AGAIN_S, again_at_most_s=AGAIN_S)
    return Traffic(deliveries, Orders(world.brokers.bootstrap_servers, command, COMMANDS_PER_S, random.Random(2)))


async def _worked_off(world: World) -> None:
    await world.brokers.in_sync()
    await world.ready()
    await no_lag(world.found, within_s=DRAIN_S)


def _problems(world: World, traffic: Traffic, found: Found) -> Sequence[str]:
    was_sent = sent(traffic.deliveries, traffic.orders)
    state = end_state(found, was_sent.reused | was_sent.perhaps)
    broken = broken_rules(was_sent, state) | forbidden(process.log for process in world.found.processes.values())
    return [
        *(f"{what}: {offenders[:5]}" for what, offenders in broken.items() if offenders),
        *(f"ended by itself: {name}" for name in world.ended_by_themselves),
        *(f"Kafka's own: {line}" for line in kafkas_own_faults(world.brokers.logs)),
    ]


def _figures(fault: str, seconds: float, deliveries: Deliveries, found: Found) -> Figures:
    results = [(record.partition, record.timestamp / 1_000) for record in found.results]
    return Figures(
        fault=fault,
        seconds=seconds,
        events=len(deliveries.acknowledged),
        refused_s=max(deliveries.refused_for_s, default=0.0),
        nothing_taken_s=longest_gap_s(deliveries.acknowledged_at_s),
        results=len(results),
        task_pause_s=longest_gap_of_one_s(results),
        executor_pause_s=longest_gap_s(time_s for _, time_s in results),
    )
