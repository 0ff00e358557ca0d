"""The end-to-end job: from a webhook that was due to the result of its last action, at 100 events a second.

Ingest, router and executor are processes of their own; Stripe's stand-in answers at once, so what is measured is ours.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from functools import partial

import aiohttp
import orjson

from stripeline.contracts.ids import command_id, run_id
from tests.bench.harness import Column, Contender, Lab, Sample, Table, alternate, percentile
from tests.bench.router import WORKFLOW
from tests.bench.stripe_load import event_bodies, event_id, signature
from tests.bench.workers import Setup, read, setup

RATES = (100, 400)
PARTITIONS = 4
_DONE_S = 30.0


async def measure(lab: Lab, rate: int, role: Sequence[str]) -> Sample:
    count = int(rate * lab.seconds * 2)
    async with setup(lab, partitions=PARTITIONS) as of:
        for name in ("ingest", *role):
            of.cluster.add(name, name)
        await of.cluster.ready()
        topic = of.cluster.settings.topics.result
        bodies = list(event_bodies(count + rate))
        await _deliver(of, rate, bodies, range(count, count + rate))  # warms every process up, and is not counted
        due_s, acknowledged_s = await _deliver(of, rate, bodies, range(count))
        done_ms = await _results(of, topic, 2 * (count + rate))
    steps = {step: _latencies(due_s, done_ms, step) for step in ("customer", "deposit")}
    measured = {"webhook": [acknowledged_s[n] - due_s[n] for n in due_s], **steps}
    return {
        f"{name}_{label}_ms": percentile(sorted(values), share) * 1000
        for name, values in measured.items()
        for label, share in (("p50", 0.5), ("p99", 0.99))
    }


async def _deliver(
    of: Setup, rate: int, bodies: Sequence[bytes], numbers: range
) -> tuple[dict[int, float], dict[int, float]]:
    """Deliveries at fixed times, however long the answers take: when each was due, and answered (epoch seconds)."""
    due_s: dict[int, float] = {}
    acknowledged_s: dict[int, float] = {}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def send(number: int) -> None:
            body = bodies[number]
            headers = {
                "Content-Type": "application/json", "Stripe-Signature": signature(body, int(time.time())).decode()
            }  # fmt: skip
            async with session.post(of.cluster.url, data=body, headers=headers) as answer:
                if answer.status != 200:
                    raise RuntimeError(f"a delivery was answered {answer.status}")
            acknowledged_s[number] = time.time()

        start_s = time.time()
        async with asyncio.TaskGroup() as group:
            for number in numbers:
                due_s[number] = start_s + (number - numbers.start) / rate
                await asyncio.sleep(max(0.0, due_s[number] - time.time()))
                group.create_task(send(number))
    return due_s, acknowledged_s


async def _results(of: Setup, topic: str, count: int) -> Mapping[str, int]:
    """When the broker had each command's result (epoch milliseconds)."""
    starts = dict.fromkeys(of.partitions_of(topic), 0)
    async with asyncio.timeout(_DONE_S):
        while len(found := [record async for record in read(of, topic, starts)]) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.5)
    return {orjson.loads(record.value)["command_id"]: record.timestamp for record in found}


def _latencies(due_s: Mapping[int, float], done_ms: Mapping[str, int], step: str) -> list[float]:
    return [done_ms[command_id(run_id(event_id(number), WORKFLOW), step)] / 1000 - due for number, due in due_s.items()]


COLUMNS = tuple(
    Column(f"{name}_{label}_ms", f"{shown}, {label}, ms", 1)
    for name, shown in (("webhook", "webhook → 200"), ("customer", "→ first result"), ("deposit", "→ second result"))
    for label in ("p50", "p99")
)


async def job(lab: Lab) -> Sequence[Table]:
    contenders: dict[str, Contender] = {
        f"{rate} events a second": partial(measure, lab, rate, ("router", "executor")) for rate in RATES
    }
    about = (
        "Webhooks at fixed times into a workflow of two steps; each time is counted from when the webhook was due to"
        " when the broker had the result, by its own clock. Each event is four transactions of a router or executor,"
        f" which commit every 50 ms. {PARTITIONS} partitions. Medians of {lab.rounds} alternating rounds."
    )
    return [Table(title="End to end", about=about, columns=COLUMNS, rows=await alternate(lab, contenders))]
