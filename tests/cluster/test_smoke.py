"""One broker of three is killed under traffic: what CI runs of this suite. `make cluster` runs all of it."""

import pytest

from tests.cluster.conftest import UnderTraffic
from tests.support.broker_cluster import Layout
from tests.support.scripted_workers import until

SESSION_S = 3.0
"""Shorter than Kafka's default, to save time; on a busy machine a broker must not miss it while it is alive."""


@pytest.mark.timeout(300)
async def test_a_broker_of_three_is_killed(traffic: UnderTraffic):
    async with traffic("kill -9 of a leader", Layout(session_s=SESSION_S)) as world:
        topic = world.found.settings.topics.event("payment-event")
        node = await world.brokers.leader(topic, 0)
        world.brokers.kill(node)

        async def replaced() -> bool:
            return await world.brokers.leader(topic, 0) not in {node, -1}

        await until(replaced, "another broker leads", within_s=60)
        await world.brokers.start(node)
        await world.brokers.in_sync()
