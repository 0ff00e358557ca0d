"""Three routers and three executors are restarted in turn under traffic, as an orchestrator rolls them.

All promises are checked when it is over. The figure `one task` is the longest time in which a partition was idle.
"""

import time

import pytest

from tests.cluster.conftest import UnderTraffic
from tests.faults.world import World
from tests.support.broker_cluster import Layout

CREW = tuple(f"{role}-{number}" for role in ("executor", "router") for number in range(3))
PER_S = 200.0


@pytest.mark.timeout(900)
async def test_a_rolling_restart_under_200_events_a_second(traffic: UnderTraffic):
    one_broker = Layout(brokers=1, replication=1, min_isr=1)
    async with traffic("six workers restarted in turn", one_broker, per_s=PER_S) as world:
        for name in CREW:
            if name not in world.found.processes:
                await world.found.add(name, name.partition("-")[0], STRIPELINE_INSTANCE_ID=name).ready()
        for name in CREW:
            await restarted(world, name)


async def restarted(world: World, name: str) -> None:
    """With a name that outlives the process, as a StatefulSet gives it."""
    process, began_s = world.process(name), time.monotonic()
    assert await world.restart(process, {"STRIPELINE_INSTANCE_ID": name}) == 0, process.tail()
    await process.ready()
    world.tell(f"{name} was away for {time.monotonic() - began_s:.1f} s")
