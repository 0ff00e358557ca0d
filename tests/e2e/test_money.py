"""Commands under random faults and kills: one effect, one result, and every key in order."""

import asyncio
import os
import random
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from aiokafka import AIOKafkaProducer

from tests.support.broker import Broker
from tests.support.cluster import Cluster, cluster
from tests.support.end_state import find, no_lag
from tests.support.invariants import check_once

KEYS, EACH = int(os.environ.get("FAULT_KEYS", "20")), int(os.environ.get("FAULT_EACH", "50"))
KILLS = int(os.environ.get("FAULT_KILLS", "4"))
FAULTS = (
    {"fault": {"status": 500, "when": "before", "stored": False}},
    {"fault": {"status": 500, "when": "after", "stored": True}},
    {"fault": {"status": 429, "when": "before"}},
    {"fault": {"drop": True, "when": "before"}},
    {"fault": {"drop": True, "when": "after"}},
    {"fault": {"cut_body": True, "when": "after"}},
)


async def produce(found: Cluster) -> list[tuple[bytes, str]]:
    """Commands of `KEYS` keys, in turn; their keys and ids in the order in which they were produced."""
    sent = []
    async with AIOKafkaProducer(bootstrap_servers=found.settings.kafka_bootstrap_servers) as producer:
        for number in range(KEYS * EACH):
            key, command_id = b"key-%d" % (number % KEYS), f"c-{number:05}"
            value = {
                "command_id": command_id, "action": "stripe/create-customer", "connection": "acme",
                "input": {"name": command_id},
            }  # fmt: skip
            await producer.send(found.settings.topics.command, orjson.dumps(value), key=key)
            sent.append((key, command_id))
    return sent


def check_money(found, sent: list[tuple[bytes, str]]) -> None:
    """One result and one effect of each command, the effects of a key in the order of its commands."""
    wanted = {command_id for _, command_id in sent}
    results = [orjson.loads(record.value) for record in found.results]
    check_once("result", [result["command_id"] for result in results], wanted)
    check_once("effect", [effect["command"] for effect in found.effects], wanted)
    assert {result["status"] for result in results} == {"succeeded"}
    key_of = {command_id: key for key, command_id in sent}
    done, asked = defaultdict(list), defaultdict(list)
    for effect in found.effects:
        done[key_of[effect["command"]]].append(effect["command"])
    for key, command_id in sent:
        asked[key].append(command_id)
    assert done == asked


@pytest.mark.long
async def test_random_faults_and_kills_give_one_effect_and_result(
    broker: Broker, prefix: str, tmp_path: Path, note: Callable[[str], None]
):
    settings = {"retry_tiers": "200ms,400ms,800ms,2s", "reconcile_after": "500ms", "call_timeout": "5s"}
    async with cluster(broker.bootstrap_servers, prefix, tmp_path, **settings) as found:
        found.add("executor-0", "executor", STRIPELINE_INSTANCE_ID="executor-0")
        found.add("executor-1", "executor", STRIPELINE_INSTANCE_ID="executor-1")
        await found.ready()
        for fault in FAULTS:
            rule = {"match": {"method": "POST", "probability": 0.2 / len(FAULTS)}, "times": None, **fault}
            await found.sandbox("/faults", rule)
        sent = await produce(found)
        choice, start = random.Random(prefix), time.monotonic()
        for _ in range(KILLS):
            await asyncio.sleep(choice.uniform(0.6, 2.4))
            worker = found.processes[f"executor-{choice.randrange(2)}"]
            worker.kill()
            worker.start()
        await no_lag(found, within_s=300)
        took_s = time.monotonic() - start
        seen = await find(found)
        check_money(seen, sent)
        ledger = await found.sandbox("/ledger?limit=1")
        note(f"{len(sent)} commands, {KILLS} kills, {took_s:.1f} s, calls {ledger['requests']}")
