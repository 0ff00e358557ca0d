"""The controller lost, and the coordinators of our groups and transactions moved, under traffic."""

import asyncio

import pytest

from tests.cluster.conftest import UnderTraffic
from tests.faults.world import World
from tests.support.broker_cluster import GROUP, TRANSACTION, Layout

pytestmark = pytest.mark.timeout(900)

WITHOUT_S = 15.0


async def test_the_active_controller_is_killed(traffic: UnderTraffic):
    """It is one of three, and a broker as well: its partitions and the metadata have another leader."""
    async with traffic("the active controller, of three, killed", Layout(combined=True)) as world:
        node = world.brokers.active_controller()
        world.brokers.kill(node)
        await asyncio.sleep(WITHOUT_S)
        assert world.brokers.active_controller() != node
        await world.brokers.start(node)
        await world.brokers.in_sync()


async def test_without_a_controller_work_goes_on(traffic: UnderTraffic):
    async with traffic(f"no controller for {WITHOUT_S:.0f} s") as world:
        assert world.brokers.controller is not None
        world.brokers.controller.kill()
        await asyncio.sleep(WITHOUT_S)
        await world.brokers.controller.start(world.brokers.note)
        await world.brokers.in_sync()


async def test_coordinators_move(traffic: UnderTraffic):
    """The broker that coordinates a group is restarted, and the one of a task's transactions is killed."""
    async with traffic("coordinators of groups and transactions moved") as world:
        prefix = world.found.settings.topics.prefix
        for name, kind in ((f"{prefix}executor", GROUP), (f"{prefix}router", GROUP)):
            node = await world.brokers.coordinator(name, kind)
            await world.brokers.stop(node)
            await moved(world, name, kind, node)
            await world.brokers.start(node)
            await world.brokers.in_sync()
        task = f"{prefix}executor-0"
        node = await world.brokers.coordinator(task, TRANSACTION)
        world.brokers.kill(node)
        await moved(world, task, TRANSACTION, node)
        await world.brokers.start(node)
        await world.brokers.in_sync()


async def moved(world: World, name: str, kind: int, node: int) -> None:
    async with asyncio.timeout(60):
        while await world.brokers.coordinator(name, kind) == node:  # noqa: ASYNC110  Kafka sets no event
            await asyncio.sleep(0.2)
