"""Workers under measurement: backlogs produced, a real `stripeline` process on them, and what it wrote, counted.

Throughput is told by the broker's own append times of the results; the CPU is the process's, from its first result to
its last. Every count is checked: a command without its one result is a failure and not a number.
"""

import asyncio
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord
from aiokafka.structs import TopicPartition

from stripeline.deploy.local.kafka import free_port
from tests.bench.harness import Lab, Sample
from tests.bench.processes import cpu_s, listener, listening, python, rss_mb
from tests.support.cluster import CONFIG, Cluster, cluster

_LOOK_S = 0.1
_QUIET_S = 1.0
_STUCK_S = 60.0
Given = tuple[int, bytes, bytes, Sequence[tuple[str, bytes]]]
"""Partition, key, value and headers of a record to produce."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """A prefix of its own with topics and configuration, and the stand-in for Stripe."""

    lab: Lab
    cluster: Cluster
    stripe_url: str

    @property
    def partitions(self) -> int:
        return self.cluster.settings.partitions

    def partitions_of(self, topic: str) -> list[TopicPartition]:
        return [TopicPartition(topic, number) for number in range(self.partitions)]


@asynccontextmanager
async def setup(
    lab: Lab, *, partitions: int, delay_ms: int = 0, slow_ms: int = 0, config: str = CONFIG, **settings: str
) -> AsyncIterator[Setup]:
    port = free_port()
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=lab.folder))  # a port comes again
    log = folder / "stripe.log"
    async with python(
        "tests.bench.contenders.stripe_stub", str(port), str(delay_ms), "0", str(slow_ms), log=log
    ) as stub:
        await listening(port, stub, log)
        base, prefix = f"http://127.0.0.1:{port}", f"bench-{folder.name}."
        async with cluster(
            lab.bootstrap_servers, prefix, folder, config=config, partitions=str(partitions), stripe_api_base=base,
            log_level="warning", **settings,
        ) as found:  # fmt: skip
            for name in ("ingest", "sandbox"):
                found.processes.pop(name).kill()
            yield Setup(lab=lab, cluster=found, stripe_url=base)


async def produce(lab: Lab, topic: str, records: Iterable[Given]) -> None:
    """Records in batches, as fast as they go."""
    producer = AIOKafkaProducer(bootstrap_servers=lab.bootstrap_servers, max_batch_size=262_144, linger_ms=5)
    async with producer:
        for partition, key, value, headers in records:
            await producer.send(topic, value, key, partition=partition, headers=headers)


def commands(count: int, *, keys: int, partitions: int) -> Iterable[Given]:
    """PaymentIntents to create, each key on a partition of its own choice."""
    for number in range(count):
        key = number % keys
        value = {
            "command_id": f"c-{number}",
            "action": "stripe/create-payment-intent",
            "connection": "acme",
            "input": {"amount": 6_200, "currency": "eur"},
        }
        yield key % partitions, b"k-%d" % key, orjson.dumps(value), ()


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a process was at a moment: offsets on its output (a transaction's end is one too), CPU used, memory.

    broker_s: CPU that the broker has used; 0 where it is on another host.
    """

    done: int
    at_ms: float
    cpu_s: float
    rss_mb: float
    broker_s: float = 0.0


Pids = tuple[int, int | None]
"""Of the process under test, and of the broker."""
Start = Callable[[], AbstractAsyncContextManager[subprocess.Popen[bytes]]]


def process(of: Setup, role: str) -> Start:
    """A process of the product, killed at the end: it is not what is measured."""

    @asynccontextmanager
    async def started() -> AsyncIterator[subprocess.Popen[bytes]]:
        made = of.cluster.add(role, role)
        assert made.child is not None
        try:
            yield made.child
        finally:
            made.kill()

    return started


async def watched(
    of: Setup, start: Start, topic: str, count: int, note: Callable[[Mark], None] = lambda _: None, *,
    quiet_s: float = _QUIET_S,
) -> Sample:  # fmt: skip
    """Start a process, wait for `count` more records on the topic, and tell what each of them cost.

    quiet_s: longer than it is silent between two transactions.
    Raises AssertionError when another number came, or none for a minute.
    """
    tps = of.partitions_of(topic)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=of.lab.bootstrap_servers, isolation_level="read_committed", auto_offset_reset="earliest"
    )
    async with consumer:
        consumer.assign(tps)
        starts = await consumer.end_offsets(tps)
        before = sum(starts.values())
        async with start() as child:
            pids = (child.pid, listener(int(of.lab.bootstrap_servers.rpartition(":")[2])))
            first = await _until_more(consumer, tps, before, pids)
            last = await _until_quiet(consumer, tps, before, count, pids, note, quiet_s)
    times = sorted([record.timestamp async for record in read(of, topic, starts)])
    assert len(times) == count, f"{len(times)} of {count} records on {topic}"
    counted = sum(1 for at_ms in times if at_ms > first.at_ms)
    took_s = (times[-1] - first.at_ms) / 1000
    return {
        "per_s": counted / took_s, "cpu_us": (last.cpu_s - first.cpu_s) / counted * 1e6, "rss_mb": last.rss_mb,
        "broker_us": (last.broker_s - first.broker_s) / counted * 1e6,
    }  # fmt: skip


async def _until_more(consumer: AIOKafkaConsumer, tps: Sequence[TopicPartition], than: int, pids: Pids) -> Mark:
    async with asyncio.timeout(_STUCK_S):
        while (end := sum((await consumer.end_offsets(tps)).values())) <= than:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_S / 5)
    return _mark(end - than, pids)


async def _until_quiet(
    consumer: AIOKafkaConsumer, tps: Sequence[TopicPartition], before: int, count: int, pids: Pids,
    note: Callable[[Mark], None], quiet_s: float,
) -> Mark:  # fmt: skip
    """Until the ends are far enough and stand still."""
    mark, moved_s = _mark(0, pids), time.monotonic()
    while time.monotonic() - moved_s < (quiet_s if mark.done >= count else _STUCK_S):
        now = sum((await consumer.end_offsets(tps)).values()) - before
        if now != mark.done:
            mark, moved_s = _mark(now, pids), time.monotonic()
            note(mark)
        await asyncio.sleep(_LOOK_S)
    return mark


def _mark(done: int, pids: Pids) -> Mark:
    mine, broker = pids
    return Mark(done, time.time() * 1000, cpu_s(mine), rss_mb(mine), 0.0 if broker is None else cpu_s(broker))


async def in_flight(of: Setup) -> Sample:
    """How many calls were in flight at Stripe's stand-in, at most and on average, since it was asked last."""
    async with aiohttp.ClientSession() as session, session.get(f"{of.stripe_url}/in-flight") as answer:
        told = orjson.loads(await answer.read())
    return {"most": told["most"], "mean": told["mean"]}


async def read(of: Setup, topic: str, starts: Mapping[TopicPartition, int]) -> AsyncIterator[ConsumerRecord]:
    """The committed records of a topic from these offsets on; a million of them are never held at once."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=of.lab.bootstrap_servers, isolation_level="read_committed", auto_offset_reset="earliest",
        max_partition_fetch_bytes=8_388_608,
    )  # fmt: skip
    async with consumer:
        consumer.assign(list(starts))
        for tp, offset in starts.items():
            consumer.seek(tp, offset)
        ends = await consumer.end_offsets(list(starts))
        while any([await consumer.position(tp) < ends[tp] for tp in starts]):
            for records in (await consumer.getmany(timeout_ms=200, max_records=20_000)).values():
                for record in records:
                    yield record
