"""`/healthz` fails only when a restart would help: not because Kafka is away, but when the event loop is blocked."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest

from tests.support.broker_cluster import proxied_kafka
from tests.support.cluster import Process, cluster

AWAY_S = float(os.environ.get("KAFKA_AWAY_S", "15"))
"""How long Kafka is away; the rule was also shown with 600 s."""

BLOCKED = """
import asyncio, time, uvloop
from prometheus_client import CollectorRegistry
from stripeline.deploy.runtime.process.admin_server import Health, serve_admin
from stripeline.deploy.runtime.process.shutdown import watch_blocked_loop
from stripeline.deploy.telemetry.loop_lag import LoopLag
async def main():
    lag, health = LoopLag(), Health(checks={}, warnings={}, broken={})
    with lag.measured(), watch_blocked_loop(lambda: lag.turned_s, blocked_s=4.0):
        runner = await serve_admin("127.0.0.1", 0, health, CollectorRegistry())
        print(runner.addresses[0][1], flush=True)
        await asyncio.to_thread(input)
        time.sleep(60)
uvloop.run(main())
"""


@pytest.mark.long
async def test_a_process_without_kafka_stays_healthy(tmp_path: Path, note: Callable[[str], None]):
    async with (
        proxied_kafka(tmp_path / "kafka", note) as (_, proxy),
        cluster(proxy.address, "alive.", tmp_path) as found,
    ):
        found.add("router", "router")
        found.add("executor", "executor")
        await found.ready()
        processes = [found.processes[name] for name in ("ingest", "router", "executor")]
        await proxy.refuses()
        answers = await asyncio.gather(*map(health_while_away, processes))
        await proxy.works()
        await found.ready()
        note(f"Kafka away for {AWAY_S:.0f} s: {sum(answers)} answers of /healthz, all 200")
        assert all(process.child is not None and process.child.poll() is None for process in processes)


async def health_while_away(process: Process) -> int:
    """Ask for `AWAY_S`; how many answers there were, all of them 200."""
    loop, answers = asyncio.get_running_loop(), 0
    until_s = loop.time() + AWAY_S
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
        while loop.time() < until_s:
            async with session.get(f"http://127.0.0.1:{process.admin_port}/healthz") as answer:
                assert answer.status == 200, await answer.text()
            answers += 1
            await asyncio.sleep(0.2)
    return answers


async def test_a_blocked_loop_fails_the_probe_and_ends_the_process():
    with await asyncio.to_thread(blocking_process) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        url = f"http://127.0.0.1:{int(await asyncio.to_thread(child.stdout.readline))}/healthz"
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=1)) as session:
            await healthy(session, url)
            child.stdin.write("\n")
            child.stdin.flush()
            with pytest.raises(TimeoutError):
                await healthy_for_ever(session, url)
        assert await asyncio.to_thread(child.wait, 30) == 70


def blocking_process() -> "subprocess.Popen[str]":
    """A process whose event loop blocks when a line is written to it."""
    command = [sys.executable, "-c", BLOCKED]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


async def healthy(session: aiohttp.ClientSession, url: str) -> None:
    async with session.get(url) as answer:
        assert answer.status == 200


async def healthy_for_ever(session: aiohttp.ClientSession, url: str) -> None:
    while True:
        await healthy(session, url)
        await asyncio.sleep(0.01)
