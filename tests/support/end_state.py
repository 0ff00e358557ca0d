"""Compares four sets at the end: acknowledged, on the topics, effects at the sandbox, results and dead letters."""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.structs import TopicPartition

from tests.support.cluster import Cluster

STEPS = ("customer", "deposit")
PAGE = 5_000


@dataclass
class Found:
    """Everything that stands on the topics, and everything that was done."""

    events: list[ConsumerRecord]
    commands: list[ConsumerRecord]
    results: list[ConsumerRecord]
    runs: dict[str, dict[str, Any]]
    dead: list[ConsumerRecord]
    effects: list[dict[str, Any]]


async def read_topic(bootstrap: str, topic: str, partitions: int) -> list[ConsumerRecord]:
    """All committed records of a topic, in order within each partition."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, isolation_level="read_committed", auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        found: list[ConsumerRecord] = []
        tps = [TopicPartition(topic, number) for number in range(partitions)]
        consumer.assign(tps)
        ends = await consumer.end_offsets(tps)
        while any([await consumer.position(tp) < ends[tp] for tp in tps]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found.extend(records)
        return found
    finally:
        await consumer.stop()


async def lag(cluster: Cluster) -> int:
    """Records, and transaction markers, that the group of a role that runs has not passed yet."""
    topics, bootstrap = cluster.settings.topics, cluster.settings.kafka_bootstrap_servers
    inputs = {
        "router": (*topics.events, topics.result),
        "executor": (topics.command, *topics.retries),
    }
    running = {name.partition("-")[0] for name in cluster.processes}
    running |= set(inputs) if "worker" in running else set()  # a worker is both
    admin, consumer = AIOKafkaAdminClient(bootstrap_servers=bootstrap), AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await admin.start()
    await consumer.start()
    try:
        total = 0
        for role in running & set(inputs):
            group, names = f"{topics.prefix}{role}", inputs[role]
            tps = [TopicPartition(name, n) for name in names for n in range(cluster.settings.partitions)]
            committed = await admin.list_consumer_group_offsets(group, partitions=tps)
            for tp, end in (await consumer.end_offsets(tps)).items():
                offset = committed[tp].offset if tp in committed else -1
                total += end - max(offset, 0)
        return total
    finally:
        await consumer.stop()
        await admin.close()


async def no_lag(cluster: Cluster, within_s: float) -> float:
    """Wait until everything is worked off; the seconds it took."""
    start, left = time.monotonic(), -1
    while time.monotonic() - start < within_s:
        left = await lag(cluster)
        if left == 0 and await lag(cluster) == 0:
            return time.monotonic() - start
        await asyncio.sleep(0.2)
    logs = "\n".join(f"--- {process.name}\n{process.tail(12)}" for process in cluster.processes.values())
    raise AssertionError(f"{left} records are left after {within_s} s\n{logs}")


async def find(cluster: Cluster) -> Found:
    topics, partitions = cluster.settings.topics, cluster.settings.partitions
    names = (topics.event("payment-event"), topics.command, topics.result, topics.run, topics.dead_letter)
    read = [await read_topic(cluster.settings.kafka_bootstrap_servers, name, partitions) for name in names]
    runs = {record.key.decode(): orjson.loads(record.value) for record in read[3] if record.value is not None}
    return Found(read[0], read[1], read[2], runs, read[4], await effects(cluster))


async def effects(cluster: Cluster) -> list[dict[str, Any]]:
    """The sandbox's whole ledger, in pages: in one answer, a long run's would stop the sandbox for seconds."""
    found: list[dict[str, Any]] = []
    while True:
        page = await cluster.sandbox(f"/ledger?after={len(found)}&limit={PAGE}")
        found += page["effects"]
        if not page["has_more"]:
            return found


def check(found: Found, acknowledged: list[str]) -> Mapping[str, int]:
    """The promises, for a workflow of two steps in which nothing fails. Returns the numbers."""
    on_topic = {orjson.loads(record.value)["id"] for record in found.events}
    assert set(acknowledged) <= on_topic, "an acknowledged event is not on its topic"
    runs = {f"{event}:two-steps" for event in on_topic}
    assert set(found.runs) == runs, "a run is missing, or there is one of no event"
    unfinished = [run for run in found.runs.values() if run["status"] != "succeeded"]
    assert not unfinished, unfinished[:3]
    wanted = {f"{run}:{step}" for run in runs for step in STEPS}
    check_once("command", [orjson.loads(record.value)["command_id"] for record in found.commands], wanted)
    results = [orjson.loads(record.value) for record in found.results]
    check_once("result", [result["command_id"] for result in results], wanted)
    assert {result["status"] for result in results} == {"succeeded"}
    check_once("effect", [effect["command"] for effect in found.effects], wanted)
    assert not found.dead
    check_order(found)
    return {"events": len(on_topic), "commands": len(wanted), "effects": len(found.effects)}


def check_once(what: str, seen: list[str], wanted: set[str]) -> None:
    counts = Counter(seen)
    assert set(counts) == wanted, (
        f"{what}s missing: {len(wanted - set(counts))}, unexpected: {len(set(counts) - wanted)}"
    )
    twice = [name for name, count in counts.items() if count > 1]
    assert not twice, f"{len(twice)} {what}s twice: {twice[:5]}"


def check_order(found: Found) -> None:
    """The effects of each key came in the order of its commands."""
    done = {effect["command"]: number for number, effect in enumerate(found.effects)}
    last: dict[bytes, int] = {}
    for record in sorted(found.commands, key=lambda record: (record.partition, record.offset)):
        if record.key is None:
            continue
        number = done[orjson.loads(record.value)["command_id"]]
        assert number > last.get(record.key, -1), f"an effect of {record.key!r} came before an earlier one"
        last[record.key] = number
