"""Kafka forgets a producer that has been silent for long. The next work goes on without an alarm."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

from stripeline.contracts.vocabulary import WorkerEvent
from stripeline.deploy.local.kafka import KafkaSpec, LocalKafka, free_port
from stripeline.workers.kafka.group_member import Worker
from tests.support.scripted_workers import ScriptedStripe, customers, numbered, scripted_workers, until

FORGETS = {
    "transactional.id.expiration.ms": "2000",
    "transaction.remove.expired.transaction.cleanup.interval.ms": "500",
    "producer.id.expiration.ms": "2000",
    "producer.id.expiration.check.interval.ms": "500",
}


async def test_a_forgotten_producer_is_replaced_without_an_alarm(prefix: str, tmp_path: Path):
    kafka = LocalKafka(KafkaSpec(port=free_port(), data_dir=tmp_path, settings=FORGETS))
    await kafka.start()
    try:
        async with scripted_workers(kafka.bootstrap_servers, prefix) as workers:
            stripe, before, after = ScriptedStripe(), numbered(0, 5), numbered(5, 5)
            running = workers.start(stripe)
            await running.ready()
            await workers.send(*customers(*before))
            await workers.all_have_results(*before)
            await asyncio.sleep(4)  # Kafka says nothing when it forgets a producer
            unready: list[str] = []
            watching = asyncio.create_task(watch(running.worker, unready))
            await workers.send(*customers(*after))
            assert Counter(await workers.all_have_results(*after)) == Counter([*before, *after])
            await until(lambda: running.worker.missing() is None, "ready")
            watching.cancel()
            events = running.worker.counts.events
            assert events[WorkerEvent.PRODUCER_EXPIRED] == 1
            assert events[WorkerEvent.TASK_FAILED] == 0
            assert not [words for words in unready if "can't commit" in words]
    finally:
        await kafka.stop()


async def watch(worker: Worker[Any], unready: list[str]) -> None:
    while True:
        if words := worker.missing():
            unready.append(words)
        await asyncio.sleep(0.01)
