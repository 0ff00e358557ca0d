"""The ingest job: `stripeline ingest` beside the floor, a peer on Node and the tutorial stack, all with one load.

Each contender is measured twice a round: as fast as it goes, and at half the speed it reached in its first round.
Ours and the floor are measured twice more: with more connections, and at rates that both can keep.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import orjson

from stripeline.deploy.local.kafka import free_port
from tests.bench.harness import Column, Contender, Lab, Sample, Table, alternate
from tests.bench.peer import TOPIC, peer
from tests.bench.processes import Target, listening, output, python
from tests.support.broker import create_topics
from tests.support.cluster import cluster

PATH = "/webhooks/payments"
PARTITIONS = 4
CONNECTIONS = 64
MORE_CONNECTIONS = (64, 256, 512)
RATES = (1_000, 3_000, 6_000)


Start = Callable[[Lab], AbstractAsyncContextManager[Target]]


@asynccontextmanager
async def floor(lab: Lab) -> AsyncIterator[Target]:
    async with _contender(lab, "floor") as target:
        yield target


@asynccontextmanager
async def application(lab: Lab) -> AsyncIterator[Target]:
    async with _contender(lab, "application") as target:
        yield target


@asynccontextmanager
async def tutorial(lab: Lab) -> AsyncIterator[Target]:
    async with _contender(lab, "tutorial", lab.bootstrap_servers, "bench-tutorial") as target:
        yield target


@asynccontextmanager
async def ours(lab: Lab) -> AsyncIterator[Target]:
    """The product's own process, as an operator runs it."""
    prefix = f"bench{free_port()}."  # of its own: each cluster has its own master key
    folder = lab.folder / prefix
    folder.mkdir()
    async with cluster(lab.bootstrap_servers, prefix, folder) as found:
        process = found.processes["ingest"]
        await process.ready()
        assert process.child is not None
        yield Target(port=found.ingest_port, pid=process.child.pid)


@asynccontextmanager
async def _contender(lab: Lab, name: str, *arguments: str) -> AsyncIterator[Target]:
    port, log = free_port(), lab.folder / f"{name}.log"
    async with python(f"tests.bench.contenders.{name}", str(port), *arguments, log=log) as child:
        await listening(port, child, log)
        yield Target(port=port, pid=child.pid)


@dataclass
class Measured:
    """One contender: a process for each round, loaded closed and then open."""

    lab: Lab
    start: Start
    half_load: list[float] = field(default_factory=list)

    async def round(self) -> Sample:
        async with self.start(self.lab) as target:
            full = await _load(self.lab, target, CONNECTIONS)
            self.half_load = self.half_load or [full["per_s"] / 2]
            half = await _load(self.lab, target, CONNECTIONS, "--rate", str(self.half_load[0]))
        return {
            "cpu_us": full["cpu_us"], "per_s": full["per_s"], "p50_full_ms": full["p50_ms"],
            "half_per_s": half["per_s"], "half_cpu_us": half["cpu_us"],
            "p50_ms": half["p50_ms"], "p99_ms": half["p99_ms"],
        }  # fmt: skip


async def widened(lab: Lab, start: Start) -> Sample:
    """A round of one contender: one process, with ever more connections."""
    async with start(lab) as target:
        loads = [(number, await _load(lab, target, number)) for number in MORE_CONNECTIONS]
    return {f"cpu_us_{number}": got["cpu_us"] for number, got in loads}


async def paced(lab: Lab, start: Start) -> Sample:
    """A round of one contender: one process, at ever higher rates."""
    async with start(lab) as target:
        loads = [(rate, await _load(lab, target, CONNECTIONS, "--rate", str(rate))) for rate in RATES]
    return {f"{measure}_{rate}": got[measure] for rate, got in loads for measure in ("cpu_us", "p50_ms", "p99_ms")}


async def _load(lab: Lab, target: Target, connections: int, *arguments: str) -> dict[str, float]:
    where = ("--port", str(target.port), "--path", PATH, "--pid", str(target.pid))
    how = ("--seconds", str(lab.seconds), "--connections", str(connections), *arguments)
    got: dict[str, float] = orjson.loads(await output("tests.bench.load", *where, *how))
    if got["failed"]:
        raise RuntimeError(f"{got['failed']:.0f} of {got['answered']:.0f} deliveries were not answered 200")
    return got


CONTENDERS: dict[str, Start] = {
    "floor": floor, "aiohttp application": application, "stripeline": ours, "Fastify": peer,
    "tutorial stack": tutorial,
}  # fmt: skip
COLUMNS = (
    Column("cpu_us", "CPU an event, µs", 1),
    Column("cpu_us", "÷ floor", of="floor"),
    Column("cpu_us", "÷ Fastify", of="Fastify"),
    Column("per_s", "events a second"),
    Column("half_per_s", "half load, a second"),
    Column("p50_ms", "p50, ms", 2),
    Column("p99_ms", "p99, ms", 2),
    Column("p99_ms", "p99 ÷ floor", of="floor"),
)
WIDER = (
    *(Column(f"cpu_us_{number}", f"{number} connections, µs", 1) for number in MORE_CONNECTIONS),
    *(Column(f"cpu_us_{number}", f"{number}, ÷ floor", of="floor") for number in MORE_CONNECTIONS),
)
AT_A_RATE = (
    Column("cpu_us", "CPU an event, µs", 1),
    Column("of_floor", "÷ floor", 2),
    Column("p50_ms", "p50, ms", 1),
    Column("p99_ms", "p99, ms", 1),
)


def by_rate(samples: Mapping[str, Sample]) -> dict[str, Sample]:
    """A row for each rate and contender, beside the floor at the same rate."""
    return {
        f"{name}, {rate:,} a second": {
            **{measure: sample[f"{measure}_{rate}"] for measure in ("cpu_us", "p50_ms", "p99_ms")},
            "of_floor": sample[f"cpu_us_{rate}"] / samples["floor"][f"cpu_us_{rate}"],
        }
        for rate in RATES
        for name, sample in samples.items()
    }


async def job(lab: Lab) -> Sequence[Table]:
    await create_topics(lab.bootstrap_servers, {"bench-tutorial": PARTITIONS, TOPIC: PARTITIONS})
    contenders: dict[str, Contender] = {name: Measured(lab, start).round for name, start in CONTENDERS.items()}
    rows = await alternate(lab, contenders)
    about = (
        f"Signed 4 kB deliveries of distinct events over {CONNECTIONS} connections, {PARTITIONS} partitions, answered"
        " after acks=all (but for the first two, which only read the body);"
        f" medians of {lab.rounds} alternating rounds."
        " CPU and events a second as fast as it goes; p50 and p99 at half of that, from when each request was due."
    )
    both = {name: CONTENDERS[name] for name in ("floor", "stripeline")}
    wider = await alternate(lab, {name: partial(widened, lab, start) for name, start in both.items()})
    rated = await alternate(lab, {name: partial(paced, lab, start) for name, start in both.items()})
    return [
        Table(title="Ingest", about=about, columns=COLUMNS, rows=rows),
        Table(title="Ingest, more connections", about="CPU an event, as fast as it goes.", columns=WIDER, rows=wider),
        Table(
            title="Ingest, at a given rate",
            about=f"The same over {CONNECTIONS} connections, sent at that rate whatever the server does.",
            columns=AT_A_RATE,
            rows=by_rate(rated),
        ),
    ]
