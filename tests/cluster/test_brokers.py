"""Brokers that are killed, restarted, frozen or away, under traffic: nothing acknowledged is lost, or done twice."""

import asyncio

import pytest

from tests.cluster.conftest import UnderTraffic
from tests.faults.world import World

pytestmark = pytest.mark.timeout(900)

REPLACED_S = 15.0
"""Longer than a broker's session: its partitions have another leader."""
FROZEN_S = 25.0
REFUSED_S = 10.0


async def test_each_broker_is_killed_in_turn(traffic: UnderTraffic):
    """A commit outlives it: a task that failed would do again what it had in hand."""
    async with traffic("kill -9 of each broker in turn") as world:
        for node in world.brokers.brokers:
            world.brokers.kill(node)
            await asyncio.sleep(REPLACED_S)
            await world.brokers.start(node)
            await world.brokers.in_sync()
        assert log_lines(world, "not committed within") == []


def log_lines(world: World, text: str) -> list[str]:
    """The lines of our processes' logs that have a text."""
    logs = (process.log for process in world.found.processes.values())
    return [line for log in logs for line in log.read_text(errors="replace").splitlines() if text in line]


async def test_a_rolling_restart(traffic: UnderTraffic):
    async with traffic("rolling restart of the brokers") as world:
        for node in world.brokers.brokers:
            await world.brokers.stop(node)
            await world.brokers.start(node)
            await world.brokers.in_sync()


async def test_a_frozen_broker(traffic: UnderTraffic):
    async with traffic(f"a broker frozen for {FROZEN_S:.0f} s") as world:
        node = await world.brokers.leader(world.found.settings.topics.event("payment-event"), 0)
        world.brokers.freeze(node)
        await asyncio.sleep(FROZEN_S)
        world.brokers.thaw(node)
        await world.brokers.in_sync()


async def test_two_brokers_away_and_then_the_only_leader_lost(traffic: UnderTraffic):
    """One replica of three is below the minimum: 503. What was acknowledged before outlives the loss of its leader."""
    async with traffic(f"two brokers away for {REFUSED_S:.0f} s, then the third") as world:
        first, second, last = world.brokers.brokers
        world.brokers.kill(first)
        world.brokers.kill(second)
        await asyncio.sleep(REPLACED_S + REFUSED_S)
        await world.brokers.start(first)
        await asyncio.sleep(REPLACED_S)
        world.brokers.kill(last)
        await asyncio.sleep(REPLACED_S)
        await asyncio.gather(world.brokers.start(second), world.brokers.start(last))
        await world.brokers.in_sync()
