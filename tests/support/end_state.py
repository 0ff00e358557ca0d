"""Reads what is there at the end: the topics, the sandbox's ledger, and how far the groups have come."""

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.structs import TopicPartition

from stripeline.contracts import headers as h
from stripeline.contracts.records import Command, parse_command
from stripeline.deploy.local.reconciliation import EndedCommand, EndState, SentCommand
from tests.support.cluster import Cluster

PAGE = 5_000


@dataclass
class Found:
    """Every record of the topics, and every effect."""

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


async def event_records(cluster: Cluster, name: str) -> list[ConsumerRecord]:
    """All records of an event topic, such as `payment-event`."""
    settings = cluster.settings
    return await read_topic(settings.kafka_bootstrap_servers, settings.topics.event(name), settings.partitions)


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


def end_state(found: Found, not_commands: frozenset[bytes] = frozenset()) -> EndState:
    """As the product's own comparison takes it. not_commands: values that look like commands and are none."""
    commands = []
    for record in sorted(found.commands, key=lambda record: (record.partition, record.offset)):
        command = parse_command(record.value)
        if isinstance(command, Command) and record.value not in not_commands:
            commands.append(SentCommand(id=command.command_id, key=record.key, of_a_run=command.run is not None))
    return EndState(
        events=[orjson.loads(record.value)["id"] for record in found.events],
        commands=commands,
        runs=found.runs,
        results=[orjson.loads(record.value) for record in found.results],
        dead_letters=[_ended(record.value, h.text(h.read(record.headers), h.REASON)) for record in found.dead],
        effects=found.effects,
    )


def _ended(value: bytes, reason: str | None) -> EndedCommand:
    command = parse_command(value)
    command_id = command.command_id if isinstance(command, Command) else None
    return EndedCommand(reason=reason or "", value=value, command_id=command_id)
