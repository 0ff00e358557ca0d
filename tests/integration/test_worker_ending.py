"""A worker ends whatever its group and its client are doing, and opens no task while it ends."""

import asyncio

import pytest
from aiokafka.structs import TopicPartition

from stripeline.contracts.topics import Topics
from stripeline.workers.kafka.broker_clock import BrokerClock
from stripeline.workers.kafka.group_member import Membership, Worker
from stripeline.workers.kafka.task_owners import _cancelled
from tests.support.broker import Broker
from tests.support.scripted_workers import ScriptedStripe, ScriptedWorkers, scripted_workers


async def test_a_worker_ends_though_the_client_waits_for_the_group(
    broker: Broker, prefix: str, monkeypatch: pytest.MonkeyPatch
):
    async with scripted_workers(broker.bootstrap_servers, prefix) as workers:
        running, waits = workers.start(ScriptedStripe(), drain_s=1), asyncio.Event()
        await running.ready(1)

        async def joins(*_: object, **__: object) -> None:
            waits.set()
            await asyncio.Event().wait()

        # As aiokafka 0.14 reads while the group is joined: it waits for the assignment, without its timeout.
        monkeypatch.setattr(running.worker._consumer, "getmany", joins)
        await waits.wait()
        await running.end(within_s=10)
        assert running.worker.tasks == {}


async def test_a_leaving_worker_opens_no_task_that_it_is_assigned(prefix: str):
    """Or it would fence the rightful owner, and nobody would close what it opened."""
    workers = ScriptedWorkers("127.0.0.1:1", Topics(prefix=prefix), 1)
    worker = Worker(workers.role(ScriptedStripe()), Membership(client=workers.client), BrokerClock())
    worker._leaving = True
    await worker.on_partitions_assigned([TopicPartition(workers.topics.command, 0)])
    assert worker.tasks == {}


async def test_what_swallows_a_cancellation_is_cancelled_again():
    began = asyncio.Event()

    async def stubborn() -> None:
        for _ in range(2):
            try:
                began.set()
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                continue
        await asyncio.Event().wait()

    task = asyncio.create_task(stubborn())
    await began.wait()
    async with asyncio.timeout(10):
        await _cancelled(task)
    assert task.cancelled()
