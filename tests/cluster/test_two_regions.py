"""Two regions on one Kafka: ingest in both, workers in one, which is lost, replaced, and comes back.

The runbook is *Two regions* in docs/deploy.md. All promises are checked when it is over.
"""

import re
import signal
import time

import pytest

from tests.cluster.conftest import UnderTraffic
from tests.faults.world import LASTING
from tests.support.broker_cluster import Layout
from tests.support.cluster import Process
from tests.support.scripted_workers import until


@pytest.mark.timeout(600)
async def test_workers_of_another_region_take_over(traffic: UnderTraffic):
    """The region that is cut off doesn't know it: its workers are stopped in the middle of what they do, and go on."""
    async with traffic("a region is cut off", Layout(brokers=1, replication=1, min_isr=1), receivers=2) as world:
        partitions = world.found.settings.partitions
        lost = [world.process(name) for name in LASTING]
        world.in_hand.update(LASTING)
        began_s = time.monotonic()
        for process in lost:
            process.signal(signal.SIGSTOP)
        second = [
            world.found.add(f"{role}-b", role, STRIPELINE_INSTANCE_ID=f"{role}-b") for role in ("router", "executor")
        ]
        for process in second:
            await process.ready()
            await until(
                lambda one=process: owns_all(one, partitions), f"{process.name} has all partitions", within_s=90
            )
        world.tell(f"the second region works after {time.monotonic() - began_s:.1f} s")
        for process in lost:
            process.signal(signal.SIGCONT)
        for process in lost:
            await process.ready()
        world.in_hand.difference_update(LASTING)


async def owns_all(process: Process, partitions: int) -> bool:
    text = await process.page("/metrics")
    return len(re.findall(r"^stripeline_task_open\{.*\} 1.0$", text, re.MULTILINE)) == partitions
