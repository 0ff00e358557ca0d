"""A topic that is deleted and created again: a new input is read from its beginning, a lost state stops its tasks."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import OffsetAndMetadata, TopicPartition

from stripeline.contracts.vocabulary import WorkerEvent
from stripeline.deploy.operations.topics import apply
from stripeline.workers.kafka import consumer as group_consumers
from stripeline.workers.kafka.aiokafka_topic_ids_internals import topic_ids
from stripeline.workers.kafka.opening import task_opening
from tests.support.broker import Broker, delete_topics
from tests.support.scripted_workers import ScriptedStripe, ScriptedWorkers, customers, numbered, scripted_workers, until

DONE = numbered(0, 3)


@pytest.fixture
async def workers(broker: Broker, prefix: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ScriptedWorkers]:
    monkeypatch.setattr(group_consumers, "METADATA_AGE_MS", 300)  # instead of 30 s
    monkeypatch.setattr(task_opening, "_LOOK_AGAIN_S", 0.2)
    async with scripted_workers(broker.bootstrap_servers, prefix) as found:
        yield found


async def create_again(workers: ScriptedWorkers, *topics: str) -> None:
    before = await topic_ids(topics, workers.client)
    await delete_topics(workers.bootstrap, list(topics))
    await apply(workers.topics, workers.partitions, workers.client)
    assert (await topic_ids(topics, workers.client)).keys() == before.keys()
    assert set((await topic_ids(topics, workers.client)).values()).isdisjoint(before.values())


async def accept(workers: ScriptedWorkers) -> None:
    """As `kafka-consumer-groups.sh --reset-offsets --to-current` does: the same offsets, without metadata."""
    group = workers.topics.groups[1]
    places = [TopicPartition(topic, 0) for topic in (workers.topics.command, *workers.topics.retries)]
    async with AIOKafkaConsumer(**workers.client, group_id=group, enable_auto_commit=False) as consumer:
        consumer.assign(places)
        offsets = {place: await consumer.committed(place) for place in places}
        await consumer.commit({place: OffsetAndMetadata(at, "") for place, at in offsets.items() if at is not None})


async def put_back(workers: ScriptedWorkers, topic: str, offset: int, metadata: str) -> None:
    """What a coordinator that was away while the topic was deleted still has."""
    place = TopicPartition(topic, 0)
    async with AIOKafkaConsumer(**workers.client, group_id=workers.topics.groups[1], enable_auto_commit=False) as one:
        one.assign([place])
        await one.commit({place: OffsetAndMetadata(offset, metadata)})


@pytest.mark.parametrize("more", [1, 9])
async def test_a_new_input_is_read_from_its_beginning(workers: ScriptedWorkers, more: int) -> None:
    """Though the committed offset of the former one is beyond its end (1), or in the middle of it (9)."""
    topics = workers.topics
    await workers.work_off(*DONE, key="k")
    committed = await workers.committed(topics.command)
    assert committed.offset == len(DONE)
    await create_again(workers, topics.command)
    await put_back(workers, topics.command, committed.offset, committed.metadata)
    await workers.send(*customers(*numbered(10, more)), key="k")
    stripe = ScriptedStripe()
    worker = workers.start(stripe)
    await workers.all_have_results(*numbered(10, more))
    assert stripe.commands == numbered(10, more)
    await worker.end()


async def test_an_input_created_again_under_a_running_worker(workers: ScriptedWorkers) -> None:
    topics, stripe = workers.topics, ScriptedStripe()
    worker = workers.start(stripe)
    await worker.ready()
    await workers.send(*customers(*DONE), key="k")
    await workers.all_have_results(*DONE)
    await delete_topics(workers.bootstrap, [topics.command])
    await until(lambda: worker.worker.missing() is not None or not worker.worker.tasks, "the worker has noticed")
    await apply(topics, 1, workers.client)
    await workers.send(*customers(*numbered(10, 9)), key="k")
    await workers.all_have_results(*numbered(10, 9), within_s=40)
    assert stripe.commands == [*DONE, *numbered(10, 9)]
    assert worker.worker.counts.events[WorkerEvent.FENCED] == 0


async def test_a_changelog_created_again_stops_its_tasks(workers: ScriptedWorkers) -> None:
    """Without its state every known command would be done again. A person may accept that; nothing else does."""
    topics = workers.topics
    await workers.work_off(*DONE, key="k")
    await create_again(workers, topics.ledger)
    await workers.send(*customers("later"), key="k")
    stripe = ScriptedStripe()
    worker = workers.start(stripe)
    await until(
        lambda: f"{topics.ledger} was deleted and created again" in (worker.worker.missing() or ""), "the reason"
    )
    await asyncio.sleep(0.5)  # nothing is done meanwhile
    assert stripe.commands == []
    await worker.end()
    await accept(workers)
    again = workers.start(stripe)
    await workers.all_have_results("later")
    assert stripe.commands == ["later"]
    await again.end()
