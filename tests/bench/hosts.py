"""The hosts job: what a second process of a host brings, for ingest and for a worker (router and executor).

Each process of the role has the same share of a core, by a quota; the load, Kafka, Stripe's stand-in and the parent of
two processes have no limit. The shares are so small that two of them leave the others what they need.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from typing import Final

import orjson

from stripeline.workers.kafka.partition_reader import log_ends
from tests.bench.harness import Column, Contender, Lab, Sample, Table, alternate
from tests.bench.processes import output
from tests.bench.quotas import children, quota
from tests.bench.router import events
from tests.bench.workers import Setup, produce, setup

SHARE: Final = 0.15
COUNTS: Final = (1, 2)
CONNECTIONS: Final = 256
PARTITIONS: Final = 4
EVENTS: Final = 20_000
_MOST: Final = 3
"""Commands and results of an event, while the backlog is not at its end; there are four."""
_WARM_S, _COUNTED_S = 15.0, 30.0


@asynccontextmanager
async def limited(of: Setup, role: str, count: int) -> AsyncIterator[int]:
    """A role as so many processes, each with its share, once they are ready. Gives the first one's process id."""
    process = of.cluster.add(role, role, *(("--processes", str(count)) if count > 1 else ()))
    await process.ready()
    assert process.child is not None
    pids = children(process.child.pid) if count > 1 else [process.child.pid]
    assert len(pids) == count
    try:
        with ExitStack() as stack:
            for pid in pids:
                stack.enter_context(quota(pid, SHARE))
            yield pids[0]
    finally:
        process.kill()


async def ingest(lab: Lab, count: int) -> Sample:
    async with setup(lab, partitions=PARTITIONS) as of, limited(of, "ingest", count) as pid:
        where = ("--port", str(of.cluster.ingest_port), "--path", "/webhooks/payments", "--pid", str(pid))
        how = ("--seconds", str(lab.seconds), "--connections", str(CONNECTIONS))
        got = orjson.loads(await output("tests.bench.load", *where, *how))
    if got["failed"]:
        raise RuntimeError(f"{got['failed']:.0f} of {got['answered']:.0f} deliveries were not answered 200")
    return {"per_s": got["per_s"], "of_share": got["cpu_share"] / SHARE}


async def worker(lab: Lab, count: int) -> Sample:
    """Events with runs of two steps: how many commands and results are written a second.

    Counted while all processes have a backlog: at its end, one waits for what the other has not committed.
    """
    async with setup(lab, partitions=PARTITIONS) as of, limited(of, "worker", count):
        await produce(lab, f"{of.cluster.settings.topics.prefix}payment-event", events(EVENTS))
        await asyncio.sleep(_WARM_S)
        before, began_s = await _written(of), time.monotonic()
        await asyncio.sleep(_COUNTED_S)
        after, ended_s = await _written(of), time.monotonic()
    if after > _MOST * EVENTS:
        raise RuntimeError(f"the backlog of {EVENTS} events was too small: {after} records were written")
    return {"per_s": (after - before) / (ended_s - began_s)}


async def _written(of: Setup) -> int:
    """Offsets of the commands and results; a few are ends of transactions."""
    topics = of.cluster.settings.topics
    places = [*of.partitions_of(topics.command), *of.partitions_of(topics.result)]
    return sum((await log_ends(places, {"bootstrap_servers": of.lab.bootstrap_servers})).values())


async def job(lab: Lab) -> Sequence[Table]:
    contenders: dict[str, Contender] = {
        _name(kind, count): partial(measure, lab, count)
        for kind, measure in (("ingest", ingest), ("worker", worker))
        for count in COUNTS
    }
    samples = await alternate(lab, contenders)
    rows = {
        _name(kind, count): {
            **samples[_name(kind, count)],
            "of_one": samples[_name(kind, count)]["per_s"] / samples[_name(kind, 1)]["per_s"],
        }
        for kind in ("ingest", "worker")
        for count in COUNTS
    }
    return [
        Table(
            title="Several processes of a host",
            about=(
                f"`--processes 2` beside one process. Each process of the role has {SHARE:.0%} of a core by a quota of"
                " the kernel's; load generator, Kafka, Stripe's stand-in and the parent have no limit."
                f" Ingest: signed 4 kB deliveries over {CONNECTIONS} connections, as fast as they are answered."
                f" Worker: commands and results of {EVENTS:,} events with runs of two steps, both roles in one;"
                f" {PARTITIONS} partitions, {_COUNTED_S:.0f} s of it. Medians of {lab.rounds} alternating rounds."
            ),
            columns=(Column("per_s", "records a second"), Column("of_one", "÷ one process", 2)),
            rows=rows,
        )
    ]


def _name(kind: str, count: int) -> str:
    return f"{kind}, {count} process{'es' if count > 1 else ''}"
