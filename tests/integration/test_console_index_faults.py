"""The console's index on a real Kafka that fails it: it goes on, and says what it could not read."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaConnectionError

from stripeline.contracts.topics import Topics
from stripeline.deploy.console.index import isolated_reads, topic_reading
from stripeline.deploy.console.index.topic_index import TopicIndex
from stripeline.deploy.console.index.topic_plan import TopicPlan
from stripeline.deploy.local.kafka import LocalKafka
from stripeline.deploy.operations.topics import apply
from stripeline.deploy.runtime.console_process import behind
from stripeline.workers.kafka import partition_reader
from stripeline.workers.kafka.aiokafka_internals import end_producer
from stripeline.workers.kafka.watch.sign_of_life import SignOfLife
from stripeline.workers.task import open_transaction, stalled_reads
from tests.support import index_facts, spoiled_log
from tests.support.followed_index import caught_up, command_ids, has_commands, publish, running, until
from tests.support.records import INSTALLATION
from tests.support.spoiled_log import spoil

READABLE_AGAIN = spoiled_log.wrong_checksum
FAULTS = (READABLE_AGAIN, spoiled_log.wrong_header, spoiled_log.unknown_codec, spoiled_log.no_records_of_its_codec)
"""Of which the first one is undone by doing it twice."""


async def batch(client: Mapping[str, Any], topic: str, number: int, *command_ids: str) -> None:
    """Commands in one batch."""
    async with AIOKafkaProducer(**client) as producer:
        made = producer.create_batch()
        for command_id in command_ids:
            made.append(key=b"k", value=index_facts.command(0, command_id).value, timestamp=None)
        made.close()
        await (await producer.send_batch(made, topic, partition=number))


@asynccontextmanager
async def started(producer: AIOKafkaProducer) -> AsyncIterator[None]:
    """It ends in bounded time, which aiokafka's own stop does not promise."""
    await producer.start()
    try:
        yield
    finally:
        await end_producer(producer, 5.0)


async def test_what_can_not_be_read_is_left_out_and_named(
    own_broker: LocalKafka, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stalled_reads, "STALLED_AFTER_S", 0.5)
    monkeypatch.setattr(isolated_reads, "_STALLS_EVERY_S", 0.2)
    topics, client = Topics(prefix=prefix, tiers=()), {"bootstrap_servers": own_broker.bootstrap_servers}
    await apply(topics, 6, client, wanted=INSTALLATION)
    for number in range(6):
        first = () if number == 3 else (f"before-{number}",)
        for ids in (first, (f"bad-{number}-1", f"bad-{number}-2"), (f"after-{number}",)):
            if ids:
                await batch(client, topics.command, number, *ids)
    for number, fault in enumerate((*FAULTS, spoiled_log.length_of_nothing)):
        spoil(own_broker, TopicPartition(topics.command, number), 1, fault)
    whole = {f"{what}-{number}" for number in range(5) for what in ("before", "after")} - {"before-3", "after-4"}
    whole |= {"before-5", "bad-5-1", "bad-5-2", "after-5"}
    async with running(None, topics, client) as index:
        await until(index, lambda: has_commands(index, whole))
        [(stuck, why)] = await until(index, lambda: missing(index))
        assert stuck == f"{topics.command}-4 from offset 1 on"
        assert "its broker can't read its own log there" in why
        state = index.catch_up()
        places = [(0, 1, 2), (1, 1, 2), (2, 1, 2), (3, 0, 1)]
        names = [f"{topics.command}-{number}, offsets {first} to {last}" for number, first, last in places]
        assert list(state.gaps) == names
        assert "its checksum is wrong" in state.gaps[names[0]]
        assert "its codec is" in state.gaps[names[2]]
        assert not state.whole
        await batch(client, topics.command, 0, "live")
        await until(index, lambda: has_commands(index, whole | {"live"}))
        spoil(own_broker, TopicPartition(topics.command, 0), 1, READABLE_AGAIN)
        await index.fill()
        assert await command_ids(index) == whole | {"live", "bad-0-1", "bad-0-2"}
        assert list(index.catch_up().gaps) == names[1:]


async def missing(index: TopicIndex) -> Sequence[tuple[str, str]]:
    return [*index.catch_up().missing.items()]


async def is_whole(index: TopicIndex) -> bool:
    return index.catch_up().whole


async def test_a_silent_kafka_is_opened_again(
    topics: Topics, client: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partition_reader, "SILENT_S", 2.0)
    async with running(None, topics, client) as index:
        await until(index, lambda: caught_up(index))
        with monkeypatch.context() as deaf:
            deaf.setattr(SignOfLife, "look", lambda *_: None)
            [(what, why)] = await until(index, lambda: missing(index))
        assert what == "Kafka"
        assert why.startswith("Kafka has not answered for ")
        await publish(topics, client, [index_facts.command(0, "after")])
        await until(index, lambda: has_commands(index, {"after"}))
        assert index.catch_up().missing == {}


async def test_a_hung_transaction_is_named_with_its_producer(
    topics: Topics, client: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_transaction, "HELD_AFTER_S", 0.0)
    await publish(topics, client, [index_facts.command(0, "before")])
    stranger = AIOKafkaProducer(**client, transactional_id=f"{topics.prefix}stranger")
    async with running(None, topics, client) as index, started(stranger):
        await stranger.begin_transaction()
        hung = index_facts.command(0, "hung")
        await stranger.send_and_wait(topics.command, hung.value, key=b"k", partition=0)
        await publish(topics, client, [index_facts.command(0, "behind-it")])
        [(what, why)] = await until(index, lambda: missing(index))
        assert what == f"{topics.command}-0 from offset 1 on"
        assert f" is open on {topics.command}-0 at offset 1 " in why
        assert why.startswith("a transaction of producer ")
        assert f"abort --topic {topics.command} --partition 0 --start-offset 1`" in why
        assert f"{what} can't be read: {why}" in (behind(index.catch_up()) or "")
        assert await command_ids(index) == {"before"}
        await stranger.commit_transaction()
        await until(index, lambda: has_commands(index, {"before", "hung", "behind-it"}))
        await until(index, lambda: is_whole(index))


async def test_a_look_at_the_topics_that_fails_stops_nothing(
    topics: Topics, client: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked = 0

    async def away(*_: object) -> TopicPlan:
        nonlocal asked
        asked += 1
        raise KafkaConnectionError

    async with running(None, topics, client) as index:
        await until(index, lambda: caught_up(index))
        monkeypatch.setattr(topic_reading, "topic_plan", away)
        async with asyncio.timeout(30):
            while asked < 2:  # noqa: ASYNC110  (it has no notice)
                await asyncio.sleep(0.05)
        await publish(topics, client, [index_facts.command(0, "live")])
        await until(index, lambda: has_commands(index, {"live"}))
        assert index.catch_up().missing == {}
    assert "index_failed" not in caplog.text
