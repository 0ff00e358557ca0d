"""Reading a topic from its end: the newest first, of each key the newest, through transactions and gaps."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition

from stripeline.deploy.failure import FailureError
from stripeline.deploy.operations.reading.topic_reader import Page, Read, Wanted, newest
from stripeline.workers.kafka.partition_reader import partition_reader
from tests.support.broker import Broker, TopicFactory


@pytest.fixture
def client(broker: Broker) -> Mapping[str, Any]:
    return {"bootstrap_servers": broker.bootstrap_servers}


@pytest.fixture
async def producer(client: Mapping[str, Any], prefix: str) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(**client, transactional_id=f"{prefix}writer")
    await producer.start()
    yield producer
    await producer.stop()


def everything(limit: int = 50, **given: Any) -> Wanted:
    return Wanted(**{"keep": lambda _: True, "limit": limit, **given})


def values(page: Page) -> list[bytes | None]:
    return [read.value for read in page.records]


async def write(producer: AIOKafkaProducer, topic: str, *records: tuple[bytes | None, bytes | None, int]) -> None:
    async with producer.transaction():
        sent = [
            await producer.send(topic, value, key=key, partition=partition, timestamp_ms=1_000 + position)
            for position, (key, value, partition) in enumerate(records)
        ]
    last = {TopicPartition(topic, record.partition): record.offset for record in await asyncio.gather(*sent)}
    async with partition_reader({"bootstrap_servers": producer.client._bootstrap_servers}) as reader:
        while any(end <= last[tp] for tp, end in (await reader.end_offsets([*last])).items()):
            pass  # Kafka confirms a commit before its markers are on the topic


async def test_the_newest_come_first_from_all_partitions(
    producer: AIOKafkaProducer, topic_factory: TopicFactory, client: Mapping[str, Any]
) -> None:
    topic = await topic_factory("letters", partitions=3)
    await write(producer, topic, *((None, b"%d" % number, number % 3) for number in range(10)))
    page = await newest(topic, client, everything())
    assert values(page) == [b"%d" % number for number in reversed(range(10))]
    assert not page.cut
    page = await newest(topic, client, everything(limit=4))
    assert values(page) == [b"9", b"8", b"7", b"6"]
    assert page.cut
    assert not (await newest(topic, client, everything(limit=10))).cut


async def test_of_each_key_the_newest_and_none_that_was_deleted(
    producer: AIOKafkaProducer, topic_factory: TopicFactory, client: Mapping[str, Any]
) -> None:
    topic = await topic_factory("runs", partitions=2)
    await write(
        producer, topic, (b"a", b"a1", 0), (b"b", b"b1", 1), (b"a", b"a2", 0), (b"b", None, 1), (b"c", b"c1", 1)
    )
    assert values(await newest(topic, client, everything(per_key=True))) == [b"c1", b"a2"]
    old = Wanted(keep=lambda read: read.value == b"a1", limit=5, per_key=True)
    assert values(await newest(topic, client, old)) == [], "an older state of a run is not its state"


async def test_what_was_aborted_is_not_seen(
    producer: AIOKafkaProducer, topic_factory: TopicFactory, client: Mapping[str, Any]
) -> None:
    topic = await topic_factory("aborted")
    await write(producer, topic, (None, b"kept", 0))
    await producer.begin_transaction()
    await producer.send_and_wait(topic, b"aborted", partition=0)
    await producer.abort_transaction()
    assert values(await newest(topic, client, everything())) == [b"kept"]


async def test_looks_back_as_far_as_needed_and_no_further(
    producer: AIOKafkaProducer, topic_factory: TopicFactory, client: Mapping[str, Any]
) -> None:
    topic = await topic_factory("long")
    await write(producer, topic, *((None, b"%d" % number, 0) for number in range(3_000)))
    looked: list[Read] = []

    def first(read: Read) -> bool:
        looked.append(read)
        return read.value == b"0"

    assert values(await newest(topic, client, Wanted(keep=first, limit=1))) == [b"0"]
    assert [read.offset for read in looked] == list(reversed(range(3_000)))
    looked.clear()
    assert values(await newest(topic, client, Wanted(keep=first, limit=1, since_ms=3_990))) == []
    assert len(looked) < 1_000


async def test_an_empty_topic_and_a_missing_one(
    topic_factory: TopicFactory, client: Mapping[str, Any], prefix: str
) -> None:
    topic = await topic_factory("empty", partitions=2)
    assert await newest(topic, client, everything()) == Page(records=(), cut=False)
    with pytest.raises(FailureError, match="stripeline topics apply"):
        await newest(f"{prefix}missing", client, everything())
