"""Topics that change under running workers: partitions added, tiers that come and go, a topic created again."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiokafka.admin import NewPartitions

from stripeline.contracts.vocabulary import WorkerEvent
from stripeline.workers.kafka import consumer as group_consumers
from tests.support.broker import Broker, admin
from tests.support.scripted_workers import (
    LIMITED,
    Running,
    ScriptedStripe,
    ScriptedWorkers,
    customers,
    numbered,
    scripted_workers,
    until,
)

PARTITIONS = 4
FAILURES = (WorkerEvent.FENCED, WorkerEvent.TASK_FAILED, WorkerEvent.SESSION_FAILED, WorkerEvent.WATCHDOG)


@pytest.fixture
async def workers(broker: Broker, prefix: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ScriptedWorkers]:
    monkeypatch.setattr(group_consumers, "METADATA_AGE_MS", 500)  # instead of 30 s
    async with scripted_workers(broker.bootstrap_servers, prefix, partitions=PARTITIONS) as found:
        yield found


async def grow(workers: ScriptedWorkers, *topics: str, to: int = 8) -> None:
    async with admin(workers.bootstrap) as client:
        await client.create_partitions({topic: NewPartitions(to) for topic in topics})

        async def grown() -> bool:
            return all(len(one["partitions"]) == to for one in await client.describe_topics(list(topics)))

        await until(grown, "the partitions are there")


def assignments(*running: Running) -> list[int]:
    return [one.worker.counts.events[WorkerEvent.ASSIGNED] for one in running]


async def rebalanced(*running: Running, since: list[int]) -> None:
    """Wait until each was assigned its partitions again."""
    await until(lambda: all(now > then for now, then in zip(assignments(*running), since, strict=True)), "a rebalance")
    await asyncio.gather(*(one.ready() for one in running))


def failures(*running: Running) -> dict[str, int]:
    return {event: count for one in running for event in FAILURES if (count := one.worker.counts.events[event])}


async def two(workers: ScriptedWorkers, stripe: ScriptedStripe) -> list[Running]:
    running = [workers.start(stripe) for _ in range(2)]
    await asyncio.gather(*(one.ready(2) for one in running))
    return running


@pytest.mark.parametrize("which", ["command", "tiers", "all"])
async def test_added_partitions_start_no_fight(workers: ScriptedWorkers, which: str) -> None:
    """Kafka's range assignor gives one member 0 to 3 of the grown topic and the other one 2 and 3 of the tiers."""
    topics = workers.topics
    stripe = ScriptedStripe()
    running = await two(workers, stripe)
    names = {"command": [topics.command], "tiers": list(topics.retries), "all": [topics.command, *topics.retries]}
    before = assignments(*running)
    await grow(workers, *names[which])
    await rebalanced(*running, since=before)
    owners = [sorted(one.worker.tasks) for one in running]
    assert sorted(owners) == [[0, 1], [2, 3]]
    for number in range(PARTITIONS):
        stripe.script[f"c{number}"] = [LIMITED]  # each goes through a tier
        await workers.send(*customers(f"c{number}"), key=f"k{number}", partition=number)
    await workers.all_have_results(*numbered(0, PARTITIONS))
    assert sorted(stripe.commands) == sorted(2 * numbered(0, PARTITIONS))
    assert failures(*running) == {}


async def test_a_worker_starts_on_topics_that_have_grown(workers: ScriptedWorkers) -> None:
    await grow(workers, workers.topics.command)
    stripe = ScriptedStripe()
    await workers.send(*customers("known"), key="k", partition=3)
    await workers.send(*customers("unread"), key="k", partition=7)
    running = await two(workers, stripe)
    await workers.all_have_results("known")
    assert stripe.commands == ["known"]
    assert failures(*running) == {}


async def test_a_tier_is_added_and_taken_away_in_rolls(broker: Broker, prefix: str) -> None:
    """Workers are rolled one by one: no task is fenced, nothing is lost, and each key keeps its order."""
    few, many = "300ms,1h", "50ms,300ms,1h"
    async with (
        scripted_workers(broker.bootstrap_servers, prefix, partitions=PARTITIONS, tiers=few) as before,
        scripted_workers(broker.bootstrap_servers, prefix, partitions=PARTITIONS, tiers=many) as after,
    ):
        stripe = ScriptedStripe()
        running = await two(before, stripe)
        everyone = list(running)
        sent = 0
        for version in (after, after, before, before):
            for _ in range(PARTITIONS):
                name = f"c{sent}"
                stripe.script[name] = [LIMITED]
                await before.send(*customers(name), key=f"k{sent % PARTITIONS}", partition=sent % PARTITIONS)
                sent += 1
            await running.pop(0).end()
            former = [] if version is after else sorted(set(after.topics.retries) - set(before.topics.retries))
            running.append(version.start(stripe, role=version.role(stripe, former=former)))
            everyone.append(running[-1])
            await asyncio.gather(*(one.ready(2) for one in running))
        done = await before.all_have_results(*numbered(0, sent))
        assert sorted(done) == sorted(numbered(0, sent))
        assert failures(*everyone) == {}
        for number in range(PARTITIONS):
            results = [result["command_id"] for result in await before.results(number)]
            assert results == [f"c{place}" for place in range(sent) if place % PARTITIONS == number]
