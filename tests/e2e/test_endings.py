"""SIGTERM: every process ends within 30 s, whatever it is doing and whoever is gone. Each test notes what it took."""

import asyncio
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest

from stripeline.contracts.vocabulary import LogEvent
from stripeline.deploy.local.kafka import LocalKafka
from stripeline.deploy.operations.topics import apply
from tests.support.broker import Broker, delete_topics
from tests.support.cluster import Cluster, Process, cluster
from tests.support.traffic import Traffic

BOUND_S = 30.0
ROLES = ("router", "executor", "worker")
Note = Callable[[str], None]


async def ended(note: Note, what: str, *processes: Process) -> list[int | None]:
    """SIGTERM to all, and how they ended."""
    began = time.monotonic()

    async def one(process: Process) -> tuple[float, int]:
        code = await process.end(within_s=BOUND_S)
        return time.monotonic() - began, code

    found = await asyncio.gather(*(one(process) for process in processes))
    took = ", ".join(f"{process.name} {s:.1f} s" for process, (s, _) in zip(processes, found, strict=True))
    note(f"SIGTERM, {what}: {took}")
    for process in processes:
        assert "did not end" not in process.log.read_text(errors="replace"), process.tail()
    return [code for _, code in found]


def all_of(found: Cluster) -> list[Process]:
    return [process for name, process in found.processes.items() if name != "sandbox"]


async def flooded(found: Cluster, rate_per_s: float = 100) -> "asyncio.Task[None]":
    traffic = Traffic(found.url, rate_per_s)
    run = asyncio.create_task(traffic.run(60))
    await traffic.flows(100)
    return run


def says(process: Process, words: str, within_s: float = 60) -> Coroutine[None, None, None]:
    """Wait until a process says this in its log: from now on, whenever it is that one begins to wait."""
    begins_at = process.log.stat().st_size if process.log.exists() else 0
    return _said(process, words, begins_at, within_s)


async def _said(process: Process, words: str, begins_at: int, within_s: float) -> None:
    async with asyncio.timeout(within_s):
        while words not in process.log.read_text(errors="replace")[begins_at:]:  # noqa: ASYNC110  (a file is no event)
            await asyncio.sleep(0.01)


async def calls(executor: Process, within_s: float = 60) -> None:
    """Wait until it has a call to Stripe in flight."""
    await shows(executor, "/metrics", r"^stripeline_stripe_calls_in_flight [1-9]", within_s)


async def cannot_commit(process: Process, within_s: float = 60) -> None:
    """It says so, or, when its group has given up the partitions of the topic, that the topic is gone."""
    await shows(process, "/readyz", "can't commit|does not exist", within_s)


async def shows(process: Process, path: str, pattern: str, within_s: float) -> None:
    """Wait until a process shows this on its admin port."""
    async with asyncio.timeout(within_s), aiohttp.ClientSession() as session:
        while True:
            async with session.get(f"http://127.0.0.1:{process.admin_port}{path}") as answer:
                if re.search(pattern, await answer.text(), re.MULTILINE):
                    return
            await asyncio.sleep(0.05)


async def dried(run: "asyncio.Task[None]") -> None:
    run.cancel()
    with suppress(asyncio.CancelledError, BaseExceptionGroup):
        await run


@pytest.mark.long
async def test_idle_then_under_load_then_without_a_broker(
    own_broker: LocalKafka, prefix: str, tmp_path: Path, note: Note
):
    async with cluster(own_broker.bootstrap_servers, prefix, tmp_path, log_level="debug") as found:
        for role in ROLES:
            found.add(role, role)
        await found.ready()
        assert await ended(note, "idle", *all_of(found)) == [0, 0, 0, 0]
        for process in all_of(found):
            process.start()
        await found.ready()
        run = await flooded(found)
        assert await ended(note, "under load at LOG_LEVEL=debug", *all_of(found)) == [0, 0, 0, 0]
        await dried(run)
        for process in all_of(found):
            process.start()
        await found.ready()
        run = await flooded(found)
        met = [says(process, "Unable to update metadata") for process in all_of(found)]
        own_broker.kill()
        await asyncio.gather(*met)
        codes = await ended(note, "under load, the broker gone", *all_of(found))
        await dried(run)
        assert set(codes) <= {0, 1}
        for process in all_of(found):
            process.start()
        await asyncio.gather(*(says(process, LogEvent.KAFKA_UNREACHABLE) for process in all_of(found)))
        assert await ended(note, "waiting for a broker", *all_of(found)) == [0, 0, 0, 0]


@pytest.mark.long
async def test_a_topic_that_is_gone(own_broker: LocalKafka, prefix: str, tmp_path: Path, note: Note):
    async with cluster(own_broker.bootstrap_servers, prefix, tmp_path) as found:
        for role in ROLES:
            found.add(role, role)
        await found.ready()
        run = await flooded(found)
        names = [f"{prefix}action-result", f"{prefix}run", f"{prefix}payment-event"]
        await delete_topics(own_broker.bootstrap_servers, names)
        await asyncio.gather(*(cannot_commit(process) for process in all_of(found) if process.name != "ingest"))
        codes = await ended(note, "topics gone, under load", *all_of(found))
        assert set(codes) <= {0, 1}
        await dried(run)
        await apply(found.settings.topics, found.settings.partitions, found.client)


@pytest.mark.long
async def test_a_rebalance_and_a_start(broker: Broker, prefix: str, tmp_path: Path, note: Note):
    async with cluster(broker.bootstrap_servers, prefix, tmp_path) as found:
        for role in ROLES:
            found.add(role, role)
        await found.ready()
        run = await flooded(found)
        found.add("second", "executor")
        await says(found.processes["executor"], '"revoked"')
        assert await ended(note, "amid a rebalance, under load", *all_of(found)) == [0] * 5
        await dried(run)
        for process in all_of(found):
            process.start()
        await asyncio.gather(*(says(process, '"assigned"') for process in all_of(found) if process.name != "ingest"))
        assert await ended(note, "while tasks are restored", *all_of(found)) == [0] * 5
        for after_s in (0.5, 2.0, 3.0, 4.0):
            for process in all_of(found):
                process.start()
            await asyncio.sleep(after_s)  # the moment is the case, whatever the process is at
            codes = await ended(note, f"{after_s} s after the start", *all_of(found))
            assert set(codes) <= {0, -signal.SIGTERM}  # told before it could listen


@pytest.mark.long
async def test_calls_that_hang(broker: Broker, prefix: str, tmp_path: Path, note: Note):
    async with cluster(broker.bootstrap_servers, prefix, tmp_path) as found:
        for role in ("router", "executor"):
            found.add(role, role)
        await found.ready()
        await found.sandbox("/settings", {"latency_s": 60})
        run = await flooded(found, 50)
        await calls(found.processes["executor"])
        assert await ended(note, "calls to Stripe hang", *all_of(found)) == [0, 0, 0]
        await dried(run)


def test_a_process_that_can_not_end_is_ended(tmp_path: Path):
    """A part that swallows its cancellation; and a loop that never turns again."""
    stubborn = """
import asyncio, time
from stripeline.deploy.runtime.process.shutdown import bounded_shutdown, watch_blocked_loop
from stripeline.deploy.telemetry.loop_lag import LoopLag
async def main():
    async with bounded_shutdown(cut_short_s=0.5, last_s=1.5) as stop:
        print("up", flush=True)
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                pass
async def blocks():
    lag = LoopLag()
    with lag.measured(), watch_blocked_loop(lambda: lag.turned_s, blocked_s=1.0):
        print("up", flush=True)
        await asyncio.sleep(0.5)
        time.sleep(60)
"""
    for name, told, says in (("main", True, LogEvent.SHUTDOWN_FORCED), ("blocks", False, LogEvent.EVENT_LOOP_BLOCKED)):
        code = f"{stubborn}\nimport uvloop\nuvloop.run({name}())"
        child = subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert child.stdout is not None
        assert child.stdout.readline() == "up\n"
        if told:
            child.send_signal(signal.SIGTERM)
        out, _ = child.communicate(timeout=20)
        assert child.returncode == 70, out
        assert says in out


async def test_readyz_says_that_it_ends_and_metrics_are_served(broker: Broker, prefix: str, tmp_path: Path):
    async with cluster(broker.bootstrap_servers, prefix, tmp_path) as found:
        executor = found.add("executor", "executor")
        await found.ready()
        await found.sandbox("/settings", {"latency_s": 5})
        sending = asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "stripeline.deploy", "command", "stripe/create-customer", "--connection", "acme"],
            env=dict(found.environment), capture_output=True, check=True,
        )  # fmt: skip
        await asyncio.gather(sending, calls(executor))  # the call may end before the command does
        address = f"http://127.0.0.1:{executor.admin_port}"
        async with aiohttp.ClientSession() as session:
            executor.signal(signal.SIGTERM)
            async with asyncio.timeout(4):
                while True:
                    async with session.get(f"{address}/readyz") as answer:
                        if answer.status == 503:
                            assert (await answer.json())["missing"]["process"] == "the process is ending"
                            break
        assert executor.child is not None
        assert await asyncio.to_thread(executor.child.wait, BOUND_S) == 0


pytestmark = pytest.mark.timeout(400)
