"""Measures the console under traffic: memory, page times, and what it costs the workers. Prints a table.

python -m tests.load --minutes 10 --rate 200

Phases with the console and its viewers alternate with phases in which it stands still (SIGSTOP), so that a drift of the
machine meets both. It fails where a limit of the table is not kept.
"""

import argparse
import asyncio
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from stripeline.deploy.local.kafka import free_port
from tests.load.viewers import Viewer
from tests.support.broker import local_broker
from tests.support.cluster import Cluster, Process, cluster
from tests.support.console_stack import BEHIND_PROXY
from tests.support.traffic import Traffic

VIEWERS = 3
PHASE_S = 30.0
SETTLE_S = 5.0
MAX_P95_S, MAX_GROWTH, MAX_LOSS = 0.2, 1.1, 0.03


@dataclass(frozen=True, slots=True)
class Reading:
    """The counters of the worker at one moment."""

    at_s: float
    results: float
    cpu_s: float


async def metric(process: Process, *names: str) -> list[float]:
    """The sums of metrics on the admin port of a process."""
    lines = (await process.page("/metrics")).splitlines()
    samples = [line.rsplit(" ", 1) for line in lines if not line.startswith("#")]
    return [sum(float(value) for name, value in samples if name.split("{")[0] == wanted) for wanted in names]


async def reading(worker: Process) -> Reading:
    results, cpu_s = await metric(worker, "stripeline_results_total", "process_cpu_seconds_total")
    return Reading(time.monotonic(), results, cpu_s)


@asynccontextmanager
async def loaded(bootstrap: str, folder: Path, rate: float, seconds: float) -> AsyncIterator[tuple[Cluster, str]]:
    """Everything running, under traffic, with the address of the console."""
    async with cluster(bootstrap, "load.", folder) as found:
        port = free_port()
        found.add("worker", "worker")
        found.add("console", "console", STRIPELINE_CONSOLE_PORT=str(port), **BEHIND_PROXY)
        await found.ready()
        traffic = asyncio.create_task(Traffic(found.url, rate, keys=1_000).run(seconds))
        try:
            yield found, f"http://127.0.0.1:{port}"
        finally:
            traffic.cancel()
            await asyncio.wait((traffic,))


@dataclass(frozen=True, slots=True)
class Measured:
    """rss: megabytes of the console, by the second. rates, costs: of the worker, by whether the console ran."""

    rss: list[tuple[float, float]]
    rates: dict[bool, list[float]]
    costs: dict[bool, list[float]]
    viewers: list[Viewer]
    unread: float


async def measure(found: Cluster, url: str, minutes: float) -> Measured:
    worker, console, looks = found.processes["worker"], found.processes["console"], asyncio.Event()
    looks.set()
    viewers = [Viewer(url, number, looks) for number in range(VIEWERS)]
    running = [asyncio.create_task(viewer.run()) for viewer in viewers]
    rss: list[tuple[float, float]] = []
    rates: dict[bool, list[float]] = {True: [], False: []}
    costs: dict[bool, list[float]] = {True: [], False: []}
    began_s, phase = time.monotonic(), 0
    await asyncio.sleep(SETTLE_S)
    while time.monotonic() - began_s < minutes * 60:
        runs = phase % 2 == 0
        (looks.set if runs else looks.clear)()
        await asyncio.sleep(1)  # the pages that are being opened end
        console.signal(signal.SIGCONT if runs else signal.SIGSTOP)
        await asyncio.sleep(SETTLE_S)  # it catches up
        before = await reading(worker)
        await asyncio.sleep(PHASE_S)
        after = await reading(worker)
        done = after.results - before.results
        rates[runs].append(done / (after.at_s - before.at_s))
        costs[runs].append((after.cpu_s - before.cpu_s) * 1000 / max(1.0, done))
        if runs:
            (bytes_,) = await metric(console, "process_resident_memory_bytes")
            rss.append((time.monotonic() - began_s, bytes_ / 1e6))
            print(
                f"{rss[-1][0]:6.0f} s  {rss[-1][1]:6.1f} MB  {rates[True][-1]:6.1f} results/s with the console",
                flush=True,
            )
        phase += 1
    console.signal(signal.SIGCONT)
    (unread,) = await metric(console, "stripeline_console_unread_records")
    for task in running:
        task.cancel()
    for ended in await asyncio.gather(*running, return_exceptions=True):
        if isinstance(ended, Exception):
            raise ended
    return Measured(rss, rates, costs, viewers, unread)


def mean(values: list[float]) -> float:
    return sum(values) / max(1, len(values))


def report(found: Measured) -> bool:
    """Print the table; whether every limit is kept."""
    took = sorted(seconds for viewer in found.viewers for _, seconds in viewer.took_s)
    p50, p95 = (took[int(len(took) * share)] for share in (0.5, 0.95))
    early = next((rss for at_s, rss in found.rss if at_s >= 120), found.rss[0][1])
    growth, failed = found.rss[-1][1] / early, [text for viewer in found.viewers for text in viewer.failed]
    loss = 1 - mean(found.rates[True]) / mean(found.rates[False])
    rows = [
        ("pages opened, failed", f"{len(took)}, {len(failed)}", not failed),
        ("page p50, p95", f"{p50 * 1000:.0f} ms, {p95 * 1000:.0f} ms", p95 < MAX_P95_S),
        ("live messages", f"{sum(viewer.messages for viewer in found.viewers)}", True),
        ("memory at 2 min, at the end", f"{early:.1f} MB, {found.rss[-1][1]:.1f} MB", growth < MAX_GROWTH),
        ("records unread at the end", f"{found.unread:.0f}", True),
        ("results/s with, without", f"{mean(found.rates[True]):.1f}, {mean(found.rates[False]):.1f}", loss < MAX_LOSS),
        ("worker CPU ms a result", f"{mean(found.costs[True]):.2f}, {mean(found.costs[False]):.2f}", True),
    ]
    for name, text, holds in rows:
        print(f"{'ok' if holds else 'BROKEN':<7} {name:<30} {text}")
    by_page: dict[str, list[float]] = {}
    for viewer in found.viewers:
        for page, seconds in viewer.took_s:
            by_page.setdefault(page, []).append(seconds)
    for page, times in by_page.items():
        print(f"        {page:<30} p95 {sorted(times)[int(len(times) * 0.95)] * 1000:.0f} ms of {len(times)}")
    print("\n".join(sorted(set(failed))[:10]))
    return all(holds for _, _, holds in rows)


async def main(bootstrap: str, folder: Path, minutes: float, rate: float) -> bool:
    async with loaded(bootstrap, folder, rate, minutes * 60 + 600) as (found, url):
        return report(await measure(found, url, minutes))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rate", type=float, default=200)
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="console-load-") as name,
        local_broker(Path(name) / "kafka", print) as kafka,
    ):
        kept = asyncio.run(main(kafka.bootstrap_servers, Path(name), given.minutes, given.rate))
    sys.exit(0 if kept else 1)
