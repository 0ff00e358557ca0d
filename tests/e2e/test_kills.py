"""Workers killed and stopped at random moments: nothing lost, nothing twice, every key in order."""

import asyncio
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.broker import Broker
from tests.support.cluster import Cluster, cluster
from tests.support.end_state import find, no_lag
from tests.support.invariants import check
from tests.support.traffic import Traffic

SECONDS = float(os.environ.get("FAULT_SECONDS", "12"))
RATE = float(os.environ.get("FAULT_RATE", "200"))
KILL_EVERY_S = 4.0
STOPPED_S = 8.0  # longer than a session: the group has given its partitions away


def add_workers(found: Cluster) -> None:
    """Two of each; the first ones have a name that outlives them."""
    for role in ("router", "executor"):
        found.add(f"{role}-0", role, STRIPELINE_INSTANCE_ID=f"{role}-0")
        found.add(f"{role}-1", role)


async def kill_at_random(found: Cluster, until: float, choice: random.Random) -> int:
    """kill -9 one worker every few seconds, and start it again at once, as a supervisor does."""
    kills = 0
    while time.monotonic() < until:
        await asyncio.sleep(choice.uniform(0.5, 1.5) * KILL_EVERY_S)
        worker = choice.choice([p for name, p in found.processes.items() if name not in {"sandbox", "ingest"}])
        worker.kill()
        worker.start()
        kills += 1
    return kills


async def test_random_kills_lose_nothing_and_do_nothing_twice(
    broker: Broker, prefix: str, tmp_path: Path, note: Callable[[str], None]
):
    async with cluster(broker.bootstrap_servers, prefix, tmp_path) as found:
        add_workers(found)
        await found.ready()
        traffic = Traffic(found.url, RATE)
        until = time.monotonic() + SECONDS
        kills, _ = await asyncio.gather(kill_at_random(found, until, random.Random(prefix)), traffic.run(SECONDS))
        took_s = await no_lag(found, within_s=90)
        numbers = check(await find(found), traffic.acknowledged)
        ledger = await found.sandbox("/ledger?limit=1")
        note(
            f"kills {kills}, {numbers}, sent at {traffic.sent / SECONDS:.0f}/s, refused {traffic.refused}, "
            f"worked off {took_s:.1f} s after the last one, calls repeated {ledger['attempts']['repeated']}"
        )
        assert kills >= SECONDS / KILL_EVERY_S / 2


@pytest.mark.long
async def test_a_stopped_executor_that_comes_back_is_fenced_and_heals(
    broker: Broker, prefix: str, tmp_path: Path, note: Callable[[str], None]
):
    async with cluster(broker.bootstrap_servers, prefix, tmp_path) as found:
        add_workers(found)
        await found.ready()
        traffic = Traffic(found.url, RATE)
        run = asyncio.create_task(traffic.run(16))
        await traffic.flows(500)
        victim = found.processes["executor-1"]
        victim.signal(signal.SIGSTOP)
        await asyncio.sleep(STOPPED_S)
        victim.signal(signal.SIGCONT)
        await run
        took_s = await no_lag(found, within_s=90)
        numbers = check(await find(found), traffic.acknowledged)
        assert victim.child is not None
        assert victim.child.poll() is None
        await victim.ready()
        note(f"stopped 8 s: {numbers}, worked off {took_s:.1f} s after the last one")
