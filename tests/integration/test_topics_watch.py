"""What changes on a real Kafka under a running process is a warning or a check, soon; what has grown stops no start."""

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator

import pytest
from aiokafka.admin import NewPartitions
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from stripeline.contracts.operator.operator_vocabulary import TopicProblemKind
from stripeline.deploy.operations.topics import TopicsError, apply, require
from stripeline.deploy.runtime import topics_watch
from stripeline.deploy.runtime.topics_watch import TopicsWatch
from tests.support.broker import Broker, admin, delete_topics
from tests.support.scripted_workers import ScriptedStripe, ScriptedWorkers, customers, scripted_workers, until

PARTITIONS = 2


@pytest.fixture
async def workers(broker: Broker, prefix: str) -> AsyncIterator[ScriptedWorkers]:
    async with scripted_workers(broker.bootstrap_servers, prefix, partitions=PARTITIONS) as found:
        yield found


@contextlib.asynccontextmanager
async def watching(workers: ScriptedWorkers, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[TopicsWatch]:
    monkeypatch.setattr(topics_watch, "LOOK_EVERY_S", 0.2)  # instead of 15 s
    watch = TopicsWatch(workers.topics, workers.partitions, workers.client)
    await watch.require()
    task = asyncio.create_task(watch.run())
    try:
        yield watch
    finally:
        task.cancel()
        await asyncio.wait((task,))


async def says(watch: TopicsWatch, words: str) -> None:
    await until(lambda: words in (watch.warnings() or ""), words)


async def in_use(workers: ScriptedWorkers) -> None:
    """Workers have committed offsets of every partition number, though no command came."""
    worker = workers.start(ScriptedStripe())
    await worker.ready(PARTITIONS)
    for number in range(PARTITIONS):

        async def committed(number: int = number) -> bool:
            return (await workers.committed(workers.topics.command, partition=number)).offset >= 0

        await until(committed, f"a commit of partition {number}")
    await worker.end()


async def grow(workers: ScriptedWorkers, *topics: str) -> None:
    async with admin(workers.bootstrap) as client:
        await client.create_partitions({topic: NewPartitions(4) for topic in topics})

        async def grown() -> bool:
            return all(len(one["partitions"]) == 4 for one in await client.describe_topics(list(topics)))

        await until(grown, "the partitions are there")


async def configure(workers: ScriptedWorkers, topic: str, **config: str) -> None:
    (wanted,) = [one for one in workers.topics.all(PARTITIONS) if one.name == topic]
    settings = {**wanted.config, **{name.replace("_", "."): value for name, value in config.items()}}
    async with admin(workers.bootstrap) as client:
        await client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, settings)])


async def test_added_partitions_are_named_with_their_records(
    workers: ScriptedWorkers, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = workers.topics.command
    async with watching(workers, monkeypatch) as watch:
        assert (watch.warnings(), watch.problems and watch.missing([topic])) == (None, None)
        await in_use(workers)
        await grow(workers, topic)
        await says(watch, f"{topic} has 4 partitions, not 2, and records on partitions 2 to 3 are read by nobody")
        await workers.send(*customers("a", "b"), partition=3)
        await says(
            watch, "and the 2 records on partitions 2 to 3 are read by nobody: let its producers use partitions 0"
        )
        assert watch.missing([topic]) is None  # the others go on


async def test_a_setting_that_loses_records_is_named(workers: ScriptedWorkers, monkeypatch: pytest.MonkeyPatch) -> None:
    topics = workers.topics
    async with watching(workers, monkeypatch) as watch:
        await configure(workers, topics.ledger, cleanup_policy="delete")
        await says(watch, f"{topics.ledger} has cleanup.policy=delete, not compact: `stripeline topics apply` sets it")
        await configure(workers, topics.command, message_timestamp_type="CreateTime")
        await says(watch, f"{topics.command} has message.timestamp.type=CreateTime, not LogAppendTime")
        await configure(workers, topics.events[0], retention_ms="1000")
        await says(watch, f"{topics.events[0]} has retention.ms=1000, not 604800000")
        await configure(workers, topics.result, retention_bytes="1000")
        await says(watch, f"{topics.result} has retention.bytes=1000, not -1")
        assert watch.missing([topics.ledger, topics.command]) is None
        await apply(topics, workers.partitions, workers.client)
        await until(lambda: watch.warnings() is None, "all is well again")


async def test_a_topic_that_is_gone_keeps_from_work(workers: ScriptedWorkers, monkeypatch: pytest.MonkeyPatch) -> None:
    topics = workers.topics
    async with watching(workers, monkeypatch) as watch:
        await delete_topics(workers.bootstrap, [topics.result, topics.events[0]])
        await says(watch, f"{topics.events[0]}, {topics.result} does not exist")
        assert "does not exist" in (watch.missing([topics.result]) or "")
        assert watch.missing([topics.command]) is None
        assert watch.all_missing(topics.events) is None  # two of three families go on
        assert watch.all_missing(topics.events[:1]) is not None


async def test_a_topic_that_was_created_again_is_named(
    workers: ScriptedWorkers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two looks, and with more records than before: no consumer would notice, and the first ones be skipped."""
    topics, stripe = workers.topics, ScriptedStripe()
    worker = workers.start(stripe)
    await workers.send(*customers("a", "b"), key="k")
    await workers.all_have_results("a", "b")
    async with watching(workers, monkeypatch) as watch:
        watch.on_recreated.append(lambda topic: worker.worker.reopen(topic) if topic == topics.command else None)
        await delete_topics(workers.bootstrap, [topics.command])
        await apply(topics, PARTITIONS, workers.client)
        await workers.send(*customers("c", "d", "e", "f"), key="k")
        await says(watch, f"{topics.command} was deleted and created again while this process ran")
        await workers.all_have_results("c", "d", "e", "f", within_s=40)
    assert stripe.commands == ["a", "b", "c", "d", "e", "f"]


@pytest.mark.parametrize("all_of_them", [False, True])
async def test_a_process_starts_on_topics_that_have_grown(workers: ScriptedWorkers, all_of_them: bool) -> None:
    topics = workers.topics
    await in_use(workers)
    grown = [topic.name for topic in topics.all(PARTITIONS) if topic.shares_count] if all_of_them else [topics.command]
    await grow(workers, *grown)
    found = await require(topics, PARTITIONS, workers.client)
    assert {one.kind for one in found.problems} == {TopicProblemKind.UNREAD_PARTITIONS}
    assert sorted(one.topic for one in found.problems) == sorted(grown)
    with pytest.raises(TopicsError, match=r"has 2 partitions, not 4|set STRIPELINE_PARTITIONS=2|does not exist|not 8"):
        await require(topics, 8, workers.client)


async def test_a_look_cancelled_at_any_moment_closes_what_it_opened(workers: ScriptedWorkers) -> None:
    """aiokafka leaves a bootstrap connection open whose start is cancelled. Its warning fails this test."""
    watch = TopicsWatch(workers.topics, workers.partitions, workers.client)
    for after_ms in range(0, 40, 2):
        look = asyncio.create_task(watch.require())
        await asyncio.wait((look,), timeout=after_ms / 1000)
        look.cancel()
        await asyncio.wait((look,))
        del look
        gc.collect()


async def test_a_smaller_count_than_workers_used_is_refused(workers: ScriptedWorkers) -> None:
    """A process with a wrong setting would leave keys and partitions alone that others work on."""
    await in_use(workers)
    with pytest.raises(TopicsError, match="set STRIPELINE_PARTITIONS=2: workers have worked on so many"):
        await require(workers.topics, 1, workers.client)


async def test_what_waits_in_a_former_tier_is_named(broker: Broker, prefix: str) -> None:
    async with (
        scripted_workers(broker.bootstrap_servers, prefix, tiers="1m,1h") as before,
        scripted_workers(broker.bootstrap_servers, prefix, tiers="1h") as after,
    ):
        (former,) = set(before.topics.retries) - set(after.topics.retries)
        assert (await require(after.topics, 1, after.client)).former_tiers == [former]
        await after.put(former, (b"k", b"{}"))
        (problem,) = (await require(after.topics, 1, after.client)).problems
        assert f"{former} belongs to no tier of STRIPELINE_RETRY_TIERS, and 1 commands wait in it" in problem.sentence
