"""`make acts`: 1,000 stopped runs are retried by one act while an executor is killed three times; each goes on once."""

import asyncio
import time
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from stripeline.deploy.local.example_events import example_event, sign
from tests.support.broker import Broker
from tests.support.cluster import SECRET, Cluster, cluster
from tests.support.end_state import read_topic
from tests.support.money import effects, stripeline, until

RUNS, KILLS = 1_000, 3


async def statuses(found: Cluster) -> Counter[str]:
    """The runs by their newest status."""
    settings = found.settings
    records = await read_topic(settings.kafka_bootstrap_servers, settings.topics.run, settings.partitions)
    newest = {record.key: orjson.loads(record.value) for record in records if record.value}
    return Counter(run["status"] for run in newest.values())


async def deliver_all(found: Cluster) -> None:
    async with aiohttp.ClientSession() as session:
        for number in range(RUNS):
            body = example_event(
                "payment_intent.succeeded", {"id": f"pi_{number}", "amount": 900}, event_id=f"evt_{number:05}"
            )
            headers = {"Content-Type": "application/json", "Stripe-Signature": sign(body, SECRET, int(time.time()))}
            async with session.post(found.url, data=body, headers=headers) as answer:
                assert answer.status == 200, await answer.text()


@pytest.mark.timeout(1_200)
async def test_each_of_many_runs_goes_on_once(broker: Broker, prefix: str, tmp_path: Path, note: Any) -> None:
    async with cluster(broker.bootstrap_servers, prefix, tmp_path, retry_tiers="200ms,400ms") as found:
        found.add("router-0", "router")
        found.add("executor-0", "executor")
        await found.ready()
        fault = {"status": 402, "stored": True}
        match = {"method": "POST", "path": "/v1/customers"}
        await found.sandbox("/faults", {"match": match, "fault": fault, "times": None})
        await deliver_all(found)

        async def all_are(status: str) -> bool:
            return (await statuses(found))[status] == RUNS

        await until("all runs stopped", lambda: all_are("stopped"), found, 300)
        await found.sandbox("/faults", method="DELETE")
        start = time.monotonic()
        act = asyncio.create_task(
            stripeline(
                found, "runs", "retry", "--code", "PAYMENT_REQUIRED", "--limit", str(RUNS), "--rate", "100", "--yes",
                "--why", "the card network is back", "--json",
            )
        )  # fmt: skip
        for kill in range(KILLS):

            async def so_many(wanted: int = RUNS * (kill + 1) // (KILLS + 1)) -> bool:
                return len((await found.sandbox("/ledger"))["effects"]) >= wanted

            await until("effects", so_many, found, 300)
            executor = found.processes["executor-0"]
            executor.kill()
            executor.start()
        assert (await act).code == 0
        await until("all runs succeeded", lambda: all_are("succeeded"), found, 600)
        took_s = time.monotonic() - start
        done = Counter({command: len(made) for command, made in (await effects(found)).items()})
        twice = [command for command, times in done.items() if times > 1]
        note(f"{RUNS} runs retried in {took_s:.0f} s, {KILLS} kills: {done.total()} effects, {len(twice)} twice")
        assert (done.total(), twice) == (2 * RUNS, [])
