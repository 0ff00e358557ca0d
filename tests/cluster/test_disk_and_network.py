"""A broker's disk that is full, and a network that fails between two brokers only, under traffic."""

import asyncio
import contextlib
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stripeline.deploy.local.kafka import LocalKafka
from tests.cluster.conftest import UnderTraffic
from tests.faults.world import World
from tests.support.broker_cluster import TRANSACTION, Layout
from tests.support.scripted_workers import until

pytestmark = pytest.mark.timeout(900)

DISK_MIB = 256
WITHOUT_S = 10.0
CUT_S = 50.0
"""Longer than `replica.lag.time.max.ms`, 30 s: until then the leader waits for a follower that does not fetch."""


async def test_a_broker_whose_disk_is_full(traffic: UnderTraffic, tmp_path: Path):
    disk = Disk(tmp_path / "disk")
    with disk.mounted():
        async with traffic("a broker's disk is full", Layout(data_dirs={2: disk.folder})) as world:
            broker = world.brokers.brokers[2]
            disk.fill(broker)
            # Kafka gives up a directory that it can't write to, and ends, since it was the broker's only one.
            await until(lambda: not broker.running, "the broker ends", within_s=60)
            await asyncio.sleep(WITHOUT_S)
            disk.free()
            await world.brokers.start(2)
            await world.brokers.in_sync()


async def test_the_network_between_two_brokers(traffic: UnderTraffic):
    """Both still reach the controller, the third broker and all clients, so that the controller replaces neither.

    The two are the coordinator of a task's transactions, and the leader of a partition that the task writes to: no
    transaction of that task can end before the network is back.
    """
    async with traffic(f"network cut between two brokers for {CUT_S:.0f} s", Layout(linked=True)) as world:
        one, other = await coordinator_and_leader(world)
        world.brokers.cut(one, other)
        await asyncio.sleep(CUT_S)
        await world.brokers.mend(one, other)
        await world.brokers.in_sync()


async def coordinator_and_leader(world: World) -> tuple[int, int]:
    """Two brokers that one task needs."""
    topics = world.found.settings.topics
    for task in range(world.found.settings.partitions):
        coordinator = await world.brokers.coordinator(f"{topics.prefix}executor-{task}", TRANSACTION)
        leaders = [await world.brokers.leader(name, task) for name in (topics.result, topics.ledger)]
        if others := set(leaders) - {coordinator}:
            return coordinator, min(others)
    raise AssertionError("one broker leads everything")


class Disk:
    """A broker's folder whose topics lie on a small file system of their own.

    Where this user may not mount one, the process's files are limited instead: Kafka takes a write that fails for
    either reason in the same way.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self._topics = folder, folder / "topics"
        self._is_small = False

    @contextmanager
    def mounted(self) -> Iterator[None]:
        self._topics.mkdir(parents=True)
        mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "stripeline", str(self._topics)]
        self._is_small = subprocess.run(mount, check=False, capture_output=True).returncode == 0
        try:
            yield
        finally:
            if self._is_small:
                subprocess.run(["umount", "--lazy", str(self._topics)], check=True)

    def fill(self, broker: LocalKafka) -> None:
        if not self._is_small:
            resource.prlimit(broker.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
            return
        with contextlib.suppress(OSError), (self._topics / "filler").open("wb", buffering=0) as filler:
            while True:
                filler.write(bytes(2**20))

    def free(self) -> None:
        (self._topics / "filler").unlink(missing_ok=True)
