"""The idle job: what an installation costs that has nothing to do, and how soon a process of each role is ready.

A broker of its own, that advertises a proxy which counts requests; the settings' defaults.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from stripeline.deploy.local.kafka import KafkaSpec, LocalKafka, free_port
from tests.bench.harness import Column, Lab, Sample, Table, medians
from tests.bench.processes import cpu_s, rss_mb
from tests.support.cluster import Cluster, Process, cluster
from tests.support.console_stack import BEHIND_PROXY
from tests.support.request_counter import RequestCounter

ROLES: Final = ("ingest", "router", "executor", "console")
SETTLED_S: Final = 20.0
"""After the start: the first metadata, sweeps and looks at topics are over."""
IDLE_S: Final = 60.0
DEFAULTS: Final = {"partitions": "8", "session_timeout": "12s"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Idle:
    cluster: Cluster
    counter: RequestCounter


@asynccontextmanager
async def installation(lab: Lab) -> AsyncIterator[Idle]:
    port, proxy = free_port(), free_port()
    kafka = LocalKafka(KafkaSpec(port=port, advertised_port=proxy, data_dir=lab.folder / "kafka"))
    async with RequestCounter(proxy, port) as counter:
        await kafka.start(lab.note)
        try:
            folder = lab.folder / "idle"
            folder.mkdir()
            async with cluster(f"127.0.0.1:{proxy}", "idle.", folder, **DEFAULTS) as found:
                found.processes.pop("ingest").kill()
                yield Idle(cluster=found, counter=counter)
        finally:
            await kafka.stop()


def started(idle: Idle, role: str, *, counted: bool) -> Process:
    more = {"STRIPELINE_CONSOLE_PORT": str(free_port()), **BEHIND_PROXY} if role == "console" else {}
    process = idle.cluster.add(role, role, **more)
    assert process.child is not None
    if counted:
        idle.counter.count(process.child.pid)
    return process


async def ready_s(idle: Idle, role: str) -> float:
    """From the start of the process to its `/readyz`; the process ends again, as one that was told to."""
    began = time.perf_counter()
    process = started(idle, role, counted=False)  # to find out whose a connection is takes longer than to open it
    await process.ready()
    took = time.perf_counter() - began
    await process.end()
    return took


async def measured(idle: Idle, seconds: float) -> Mapping[str, tuple[Sample, Counter[str]]]:
    """All roles at once, at rest."""
    processes = {role: started(idle, role, counted=True) for role in ROLES}
    await asyncio.gather(*(process.ready() for process in processes.values()))
    await asyncio.sleep(SETTLED_S)
    pids = {role: process.child.pid for role, process in processes.items() if process.child is not None}
    before = {role: (cpu_s(pid), idle.counter.counts[pid].copy()) for role, pid in pids.items()}
    await asyncio.sleep(seconds)
    found = {}
    for role, pid in pids.items():
        used_s, requests = cpu_s(pid) - before[role][0], idle.counter.counts[pid] - before[role][1]
        sample = {
            "cpu_percent": 100 * used_s / seconds, "requests": requests.total() / seconds, "rss_mb": rss_mb(pid),
        }  # fmt: skip
        found[role] = sample, requests
    return found


async def job(lab: Lab) -> Sequence[Table]:
    async with installation(lab) as idle:
        starts = {role: medians([{"ready_s": await ready_s(idle, role)} for _ in range(lab.rounds)]) for role in ROLES}
        at_rest = await measured(idle, IDLE_S)
    for role, (_, requests) in at_rest.items():
        kinds = ", ".join(f"{kind} {count / IDLE_S:.2f}" for kind, count in requests.most_common())
        lab.note(f"{role}: {kinds}")
    rows: dict[str, Sample] = {role: {**starts[role], **sample} for role, (sample, _) in at_rest.items()}
    rows["together"] = {
        measure: sum(sample[measure] for sample, _ in at_rest.values())
        for measure in ("cpu_percent", "requests", "rss_mb")
    }
    kinds_by_role = {
        role: {kind: count / IDLE_S for kind, count in found.items()} for role, (_, found) in at_rest.items()
    }
    kinds = sorted({kind for found in kinds_by_role.values() for kind in found})
    return [
        Table(
            title="Start and idle",
            about=(
                f"One process of each role, default settings, empty topics of {DEFAULTS['partitions']} partitions."
                f" Ready: from the start of the process to 200 of `/readyz`, median of {lab.rounds}, Kafka running."
                f" The rest over {IDLE_S:.0f} s without a record, {SETTLED_S:.0f} s after the start."
            ),
            columns=(
                Column("ready_s", "ready after, s", 2),
                Column("cpu_percent", "CPU, % of a core", 2),
                Column("requests", "requests a second at the broker", 1),
                Column("rss_mb", "memory, MB"),
            ),
            rows=rows,
        ),
        Table(
            title="What the requests of an idle process are",
            about="Requests a second, by kind.",
            columns=tuple(Column(kind, kind, 2) for kind in kinds),
            rows=kinds_by_role,
        ),
    ]
