"""An outage of Stripe on a real Kafka, with the sandbox: commands that wait are written once and done in order."""

import asyncio
import random
from collections import defaultdict
from pathlib import Path

import orjson
import pytest
from aiokafka import ConsumerRecord

from stripeline.deploy.sandbox.faults import FaultRule, InjectedFault, Match
from tests.support.broker import Broker
from tests.support.end_state import read_topic
from tests.support.in_process_stack import in_process_stack
from tests.support.money import Order, effects, order, until

KEYS, EACH, LONG_KEYS, LONG = 200, 10, 2, 200
OUTAGE_S = 60


@pytest.mark.long
async def test_an_outage_leaves_little_to_do_but_the_calls(
    broker: Broker, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [f"k{number}" for number in range(KEYS) for _ in range(EACH)]
    keys += [f"long{number}" for number in range(LONG_KEYS) for _ in range(LONG)]
    random.Random(1).shuffle(keys)
    orders = [Order(id=f"c{number}", key=key.encode(), input={"name": key}) for number, key in enumerate(keys)]
    tiers = "5s,30s,2m,10m,1h"
    async with in_process_stack(broker.bootstrap_servers, prefix, tmp_path, monkeypatch, retry_tiers=tiers) as found:
        cluster, topics = found.cluster, found.cluster.settings.topics
        faults = found.sandbox.sandbox.faults
        faults.add(FaultRule(match=Match(), fault=InjectedFault(status=500), times=None))
        await order(cluster, orders)
        await asyncio.sleep(OUTAGE_S)
        faults.clear()

        async def all_done() -> list | None:
            found = await read_topic(cluster.settings.kafka_bootstrap_servers, topics.result, 2)
            return found if len(found) == len(orders) else None

        results = await until("all results", all_done, cluster, within_s=180)
        by_key, sent = defaultdict(list), defaultdict(list)
        for record in results:
            by_key[record.key].append(orjson.loads(record.value)["command_id"])
        for one in orders:
            sent[one.key].append(one.id)
        assert by_key == sent
        assert {name: len(made) for name, made in (await effects(cluster)).items()} == {one.id: 1 for one in orders}
        written = [await read_topic(cluster.settings.kafka_bootstrap_servers, topic, 2) for topic in topics.retries]
        records = [record for topic in written for record in topic]
        assert len(records) < 1.5 * len(orders)
        commands = await read_topic(cluster.settings.kafka_bootstrap_servers, topics.command, 2)
        assert size(records) < 3 * size(commands)


def size(records: list[ConsumerRecord]) -> int:
    """Bytes of keys, values and headers."""
    parts = (part for record in records for part in (record.key, record.value, *sum(record.headers, ())))
    return sum(len(part or b"") for part in parts)
