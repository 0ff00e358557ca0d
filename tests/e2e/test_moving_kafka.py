"""A Kafka that comes back at another address of the bootstrap list: every process finds it within a minute."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import aiohttp
import orjson
import pytest

from stripeline.deploy.local.example_events import example_event, sign
from stripeline.deploy.local.kafka import KafkaSpec, LocalKafka, free_port
from stripeline.deploy.local.kafka_warm_up import warm_up
from stripeline.workers.kafka.control_table import publish
from tests.support.cluster import CONFIG, SECRET, Cluster, cluster
from tests.support.end_state import no_lag, read_topic

WITHIN_S = 60
TWO_TRIGGERS = CONFIG.replace(
    "workflows:",
    '  charges: {kind: stripe/charge-event, connection: acme, signing_secrets: ["${env:ACME_WHSEC}"]}\nworkflows:',
)


async def delivered(found: Cluster, trigger: str, event_type: str, number: int) -> int:
    """The answer to one delivery; 0 for none."""
    body = example_event(event_type, {"id": f"pi_{number}", "amount": 6_000}, event_id=f"evt_{number:04}")
    headers = {"Content-Type": "application/json", "Stripe-Signature": sign(body, SECRET, int(time.time()))}
    url = f"http://127.0.0.1:{found.ingest_port}/webhooks/{trigger}"
    try:
        async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=headers) as answer:
            return answer.status
    except aiohttp.ClientError:
        return 0


async def answered(found: Cluster, trigger: str, event_type: str, number: int, status: int) -> None:
    """Deliver as Stripe does, until the answer is this one."""
    while await delivered(found, trigger, event_type, number) != status:  # noqa: ASYNC110  (an answer is no event)
        await asyncio.sleep(0.2)


async def ran(found: Cluster, number: int) -> None:
    """Wait until both steps of an event's run have their results."""
    topic, bootstrap = found.settings.topics.result, found.settings.kafka_bootstrap_servers
    while True:
        results = [orjson.loads(record.value) for record in await read_topic(bootstrap, topic, 4)]
        if len([one for one in results if one["run"]["run_id"].startswith(f"evt_{number:04}:")]) == 2:
            return
        await asyncio.sleep(0.2)


@pytest.mark.long
async def test_all_processes_find_kafka_at_its_new_address(tmp_path: Path, prefix: str, note: Callable[[str], None]):
    await warm_up(progress=note)
    first = LocalKafka(KafkaSpec(port=free_port(), data_dir=tmp_path / "kafka"))
    second = LocalKafka(replace(first.spec, port=free_port()))
    bootstrap = f"{first.bootstrap_servers},{second.bootstrap_servers}"
    await first.start()
    try:
        async with cluster(bootstrap, prefix, tmp_path, config=TWO_TRIGGERS) as found:
            found.add("router", "router")
            found.add("executor", "executor")
            await found.ready()
            await answered(found, "payments", "payment_intent.succeeded", 1, 200)
            await answered(found, "charges", "charge.succeeded", 2, 200)
            async with asyncio.timeout(WITHIN_S):
                await ran(found, 1)
            # A Kafka that ends amid a transaction may forget its end, and the task then waits for a person.
            await no_lag(found, within_s=WITHIN_S)
            await first.stop()
            await second.start()
            back_s, took_s = time.monotonic(), dict[str, float]()
            await publish(found.settings.topics.control, found.client, {"trigger/charges": None})

            async def ingest_and_workers() -> None:
                await answered(found, "payments", "payment_intent.succeeded", 3, 200)
                took_s["ingest"] = time.monotonic() - back_s
                await ran(found, 3)
                took_s["router and executor"] = time.monotonic() - back_s

            async def control_table() -> None:
                await answered(found, "charges", "charge.succeeded", 2, 404)
                took_s["control table"] = time.monotonic() - back_s

            async with asyncio.timeout(WITHIN_S), asyncio.TaskGroup() as group:
                group.create_task(ingest_and_workers())
                group.create_task(control_table())
            note(f"After Kafka's return: {', '.join(f'{name} {s:.0f} s' for name, s in took_s.items())}")
            await found.ready()
    finally:
        first.kill()
        second.kill()
