"""Runs everything for hours under traffic with faults, and says what grows: `make soak`, four hours.

python -m tests.load.soak --minutes 240 --rate 300

Signed events at a fixed rate start a workflow of two steps; one call to Stripe in a hundred fails. Each minute it reads
the memory, file descriptors and CPU of each process, and how long webhooks and results took. At the end every
acknowledged event has had its second result once, or it fails. The table and the plots go into docs/performance.md.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import orjson
from aiokafka import AIOKafkaConsumer
from rich.console import Console

from stripeline.deploy.local.example_events import example_event, sign
from stripeline.deploy.local.kafka import free_port
from tests.bench import report
from tests.bench.harness import Column, Plot, Sample, Table, percentile
from tests.bench.processes import cpu_s, listening, python, rss_mb
from tests.support.broker import local_broker
from tests.support.cluster import SECRET, Cluster, cluster
from tests.support.console_stack import BEHIND_PROXY

ROLES = ("ingest", "router", "executor", "console")
PARTITIONS, OBJECTS, FAULTS = 4, 10_000, 100
MINUTE_S, DRAIN_S = 60.0, 300.0
PLOTTED = 60
KEEP = {"log.retention.bytes": str(256 * 2**20), "log.segment.bytes": str(64 * 2**20)}
"""Of each partition, so that a disk of a few gigabytes lasts for any time."""
RETRY_TIERS = "1s,10s,60s,300s"


@dataclass
class Load:
    """Events that are due at fixed times. due_s: of those whose second result is not there, by number."""

    url: str
    rate: float
    sent: int = 0
    refused: int = 0
    due_s: dict[int, float] = field(default_factory=dict)
    answered_s: list[float] = field(default_factory=list)
    ended_s: list[float] = field(default_factory=list)
    ended: int = 0
    twice: int = 0
    _one_ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, seconds: float) -> None:
        began_s = time.time()
        connector = aiohttp.TCPConnector(limit=64)
        async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as group:
            while (at_s := began_s + self.sent / self.rate) < began_s + seconds:
                await asyncio.sleep(max(0.0, at_s - time.time()))
                group.create_task(self._deliver(session, self.sent, at_s))
                self.sent += 1

    async def _deliver(self, session: aiohttp.ClientSession, number: int, at_s: float) -> None:
        intent = {"id": f"pi_{number % OBJECTS:06}", "amount": 6_000 + number % 100}
        body = example_event("payment_intent.succeeded", intent, event_id=f"evt_{number:09}")
        self.due_s[number] = at_s
        async with asyncio.timeout(120):
            while True:
                headers = {"Content-Type": "application/json", "Stripe-Signature": sign(body, SECRET, int(time.time()))}
                async with session.post(self.url, data=body, headers=headers) as answer:
                    if answer.status == 200:
                        break
                self.refused += 1
                await asyncio.sleep(0.2)
        self.answered_s.append(time.time() - at_s)

    async def follow(self, found: Cluster) -> None:
        """Take up the results of the second step, until cancelled."""
        topic = found.settings.topics.result
        consumer = AIOKafkaConsumer(
            topic, bootstrap_servers=found.settings.kafka_bootstrap_servers, isolation_level="read_committed",
            auto_offset_reset="earliest",
        )  # fmt: skip
        async with consumer:
            async for record in consumer:
                result = orjson.loads(record.value)
                event, _, step = result["command_id"].partition(":two-steps:")
                if step == "deposit":
                    self._ended(int(event.removeprefix("evt_")), record.timestamp / 1000)

    async def worked_off(self) -> None:
        """Wait until each event that was sent has its second result."""
        while self.due_s:
            self._one_ended.clear()
            await self._one_ended.wait()

    def _ended(self, number: int, at_s: float) -> None:
        self._one_ended.set()
        due_s = self.due_s.pop(number, None)
        if due_s is None:
            self.twice += 1
        else:
            self.ended += 1
            self.ended_s.append(at_s - due_s)


@asynccontextmanager
async def running(bootstrap: str, folder: Path) -> AsyncIterator[Cluster]:
    port, log = free_port(), folder / "stripe.log"
    async with python("tests.bench.contenders.stripe_stub", str(port), "100", str(FAULTS), log=log) as stub:
        await listening(port, stub, log)
        async with cluster(
            bootstrap, "soak.", folder, partitions=str(PARTITIONS), stripe_api_base=f"http://127.0.0.1:{port}",
            log_level="warning", retry_tiers=RETRY_TIERS,
        ) as found:  # fmt: skip
            found.processes.pop("sandbox").kill()
            for role in ROLES[1:]:
                console = {"STRIPELINE_CONSOLE_PORT": str(free_port()), **BEHIND_PROXY}
                found.add(role, role, **(console if role == "console" else {}))
            await found.ready()
            yield found


def reading(found: Cluster, load: Load, began_s: float) -> Sample:
    """What the last minute was. The lists of times begin again."""
    sample = {"minutes": (time.time() - began_s) / 60, "ended": float(load.ended)}
    for role in ROLES:
        child = found.processes[role].child
        assert child is not None
        sample |= {
            f"{role}_mb": rss_mb(child.pid), f"{role}_cpu_s": cpu_s(child.pid),
            f"{role}_fds": len(list(Path(f"/proc/{child.pid}/fd").iterdir())),
        }  # fmt: skip
    for name, values in (("webhook", load.answered_s), ("result", load.ended_s)):
        ordered = sorted(values)
        sample |= {f"{name}_p50": percentile(ordered, 0.5) * 1e3, f"{name}_p99": percentile(ordered, 0.99) * 1e3}
        values.clear()
    return sample


def slope(samples: Sequence[Sample], measure: str) -> float:
    """By least squares, an hour, once everything is warm: after the first quarter."""
    rest = samples[len(samples) // 4 :]
    xs, ys = [one["minutes"] / 60 for one in rest], [one[measure] for one in rest]
    x, y = sum(xs) / len(xs), sum(ys) / len(ys)
    spread = sum((one - x) ** 2 for one in xs)
    return sum((a - x) * (b - y) for a, b in zip(xs, ys, strict=True)) / spread if spread else 0.0


def tables(samples: Sequence[Sample], load: Load, rate: float) -> list[Table]:
    first, last = samples[len(samples) // 4], samples[-1]
    hours = (last["minutes"] - first["minutes"]) / 60
    commands = 2 * (last["ended"] - first["ended"]) / max(hours, 1e-9)
    rows: dict[str, Sample] = {
        role: {
            "from": first[f"{role}_mb"], "to": last[f"{role}_mb"], "slope": slope(samples, f"{role}_mb"),
            "each": slope(samples, f"{role}_mb") * 1e6 / max(1.0, commands),
            "fds": first[f"{role}_fds"], "fds_to": last[f"{role}_fds"],
            "cpu": (last[f"{role}_cpu_s"] - first[f"{role}_cpu_s"]) / max(hours * 36, 1e-9),
        }
        for role in ROLES
    }  # fmt: skip
    columns = (
        Column("from", "memory at a quarter, MB", 1), Column("to", "at the end, MB", 1),
        Column("slope", "slope, MB an hour", 1), Column("each", "bytes a command", 1),
        Column("fds", "descriptors at a quarter"), Column("fds_to", "at the end"), Column("cpu", "CPU, % of a core", 1),
    )  # fmt: skip
    about = (
        f"{load.sent:,} events in {last['minutes']:.0f} minutes, {rate:g} a second, into a workflow of two steps;"
        f" Stripe answers after 100 ms, and one call in {FAULTS} fails. Each event had its second result, none had two."
    )
    memory = Plot(
        title="Memory of each process", x="minutes", y="MB",
        lines={role: [(one["minutes"], one[f"{role}_mb"]) for one in _some(samples)] for role in ROLES},
    )  # fmt: skip
    return [
        Table(title="A long run", about=about, columns=columns, rows=rows, plot=memory),
        _times(samples),
    ]


def _times(samples: Sequence[Sample]) -> Table:
    kinds = ("webhook_p50", "webhook_p99", "result_p50", "result_p99")
    quarter = max(1, len(samples) // 4)
    rows = {
        f"{name} quarter": {
            kind: sum(one[kind] for one in part) / len(part) for kind in kinds
        }
        for name, at in (("first", 0), ("second", 1), ("third", 2), ("last", 3))
        if (part := samples[at * quarter : (at + 1) * quarter])
    }  # fmt: skip
    columns = (
        Column("webhook_p50", "webhook → 200, p50, ms", 1), Column("webhook_p99", "p99, ms", 1),
        Column("result_p50", "→ second result, p50, ms", 1), Column("result_p99", "p99, ms", 1),
    )  # fmt: skip
    plot = Plot(
        title="The 99th percentile of each minute", x="minutes", y="ms",
        lines={
            "webhook → 200": [(one["minutes"], one["webhook_p99"]) for one in _some(samples)],
            "→ second result": [(one["minutes"], one["result_p99"]) for one in _some(samples)],
        },
    )  # fmt: skip
    about = "Means of the minutes' percentiles, from when an event was due. A call that failed is made again after 1 s."
    return Table(title="A long run: times", about=about, columns=columns, rows=rows, plot=plot)


def _some(samples: Sequence[Sample]) -> Sequence[Sample]:
    return samples[:: max(1, len(samples) // PLOTTED)]


async def soak(bootstrap: str, folder: Path, minutes: float, rate: float) -> list[Table]:
    """Raises AssertionError where an event has no second result, or two."""
    async with running(bootstrap, folder) as found:
        load, samples = Load(found.url, rate), list[Sample]()
        following = asyncio.create_task(load.follow(found))
        began_s = time.time()
        sending = asyncio.create_task(load.run(minutes * 60))
        while not sending.done():
            await asyncio.wait((sending,), timeout=MINUTE_S)
            samples.append(reading(found, load, began_s))
            print(_line(samples[-1], load), flush=True)
        await sending
        async with asyncio.timeout(DRAIN_S):
            await load.worked_off()
        following.cancel()
        assert load.ended == load.sent, f"{load.ended} of {load.sent} events ended"
        assert load.twice == 0, f"{load.twice} second results came twice"
        return tables(samples[:-1], load, rate)


def _line(sample: Mapping[str, float], load: Load) -> str:
    memory = "  ".join(f"{role} {sample[f'{role}_mb']:.1f} MB" for role in ROLES)
    return (
        f"{sample['minutes']:6.1f} min  {load.sent:>9,} sent  {load.refused} refused  {len(load.due_s):>6,} open"
        f"  {memory}  webhook p99 {sample['webhook_p99']:.1f} ms  result p99 {sample['result_p99']:.0f} ms"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=240)
    parser.add_argument("--rate", type=float, default=300)
    parser.add_argument("--no-doc", action="store_true", help="only print, do not write docs/performance.md")
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="soak-") as name,
        local_broker(Path(name) / "kafka", print, settings=KEEP) as kafka,
    ):
        found = asyncio.run(soak(kafka.bootstrap_servers, Path(name), given.minutes, given.rate))
    report.show(Console(), found)
    if not given.no_doc:
        report.keep("soak", found)
        report.write("soak")
    sys.exit(0)
