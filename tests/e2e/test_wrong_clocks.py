"""Host clocks hours wrong, in both directions: at a worker's start, while it works, and after it was killed."""

import asyncio
import time
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaProducer

from stripeline.contracts import headers as h
from stripeline.contracts.retry_tiers import HORIZON_MS
from tests.support.broker import Broker
from tests.support.cluster import Cluster, cluster
from tests.support.end_state import read_topic
from tests.support.wrong_clock import library, wrong_clock

SLOW, FAST, A_DAY_FAST = "-7200", "+7200", "+90000"
WITHIN_S = 60.0
OLD_MS = HORIZON_MS + 600_000


async def send(found: Cluster, *command_ids: str, age_ms: int = 0) -> None:
    headers = [(h.FIRST_APPENDED_AT, str(int(time.time() * 1000) - age_ms).encode())] if age_ms else []
    async with AIOKafkaProducer(bootstrap_servers=found.settings.kafka_bootstrap_servers) as producer:
        for name in command_ids:
            value = {"command_id": name, "action": "stripe/create-customer", "connection": "acme", "input": {}}
            await producer.send_and_wait(
                found.settings.topics.command, orjson.dumps(value), name.encode(), headers=headers
            )


async def results(found: Cluster, *wanted: str) -> dict[str, Any]:
    settings = found.settings
    async with asyncio.timeout(WITHIN_S):
        while True:
            read = await read_topic(settings.kafka_bootstrap_servers, settings.topics.result, settings.partitions)
            by_id = {value["command_id"]: value for value in map(orjson.loads, (record.value for record in read))}
            if by_id.keys() >= set(wanted):
                return by_id
            await asyncio.sleep(0.2)


@pytest.mark.skipif(library() is None, reason="libfaketime's wheel is for x86-64 Linux")
@pytest.mark.long
async def test_wrong_host_clocks_charge_once_and_delay_nothing(broker: Broker, prefix: str, tmp_path: Path):
    """A retry tier of an hour is there for a due time that is believed, and the 23 hours for one that is not."""
    clock = tmp_path / "clock"
    settings = {"retry_tiers": "300ms,1s,1h", "reconcile_after": "500ms", "executor_concurrency": "8"}
    async with cluster(broker.bootstrap_servers, prefix, tmp_path, **settings) as found:
        limited = {"status": 503, "headers": {"Stripe-Should-Retry": "true"}}
        names = []
        worker = None
        for number, (at_start, meanwhile) in enumerate(((SLOW, A_DAY_FAST), (FAST, SLOW), (A_DAY_FAST, FAST))):
            clock.write_text(at_start)
            if worker is None:
                worker = found.add("executor", "executor", **wrong_clock(clock))
                await found.ready()
            else:
                worker.kill()  # in the middle of its work, and with another wrong clock again
                worker.start()
            old, first, second = f"old-{number}", f"first-{number}", f"second-{number}"
            names += [old, first, second]
            await found.sandbox("/faults", {"fault": limited, "match": {"contains": first}})
            await send(found, old, age_ms=OLD_MS)
            await send(found, first)
            await results(found, old, first)
            clock.write_text(meanwhile)
            await found.sandbox("/faults", {"fault": limited, "match": {"contains": second}})
            await send(found, second)
            await asyncio.sleep(0.2)
        ended = await results(found, *names)
        ledger = await found.sandbox("/ledger")
    assert {name: one["status"] for name, one in ended.items()} == {
        name: "indeterminate" if name.startswith("old") else "succeeded" for name in names
    }
    assert {one["attempts"] for name, one in ended.items() if name.startswith("old")} == {0}
    assert sorted(effect["command"] for effect in ledger["effects"]) == sorted(
        name for name in names if not name.startswith("old")
    )
