"""The receiver on a real Kafka: what is acknowledged is there, and what is not is answered within the deadline."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import OutOfOrderSequenceNumber

from stripeline.contracts.deliveries.delivery_vocabulary import NotTakenReason
from stripeline.contracts.deliveries.partitioner import partition_of
from stripeline.contracts.topics import RECORD_MAX_BYTES, Topics
from stripeline.contracts.vocabulary import LogEvent
from stripeline.deploy.local.kafka import LocalKafka
from stripeline.ingest.kafka.producer_supervisor import connector
from stripeline.ingest.kafka.publisher import Publisher
from stripeline.ingest.kafka.session import InFlightBounds
from stripeline.ingest.publish_result import NotTaken, Published
from stripeline.ingest.routing import Publication
from tests.support.broker import Broker, create_topics, delete_topics
from tests.support.publish_futures import in_flight, published

PARTITIONS = 4


def publication(
    number: int = 0, *, key: bytes | None = None, size: int = 0, topic: str = "payment-event"
) -> Publication:
    return Publication(
        topic=topic,
        key=key or b"pi_%d" % number,
        value=orjson.dumps({"id": f"evt_{number}", "pad": "x" * size}),
        headers=(("ce_id", b"evt_%d" % number),),
        timestamp_ms=1_790_000_000_000,
        trigger="pay",
    )


async def topics_on(bootstrap_servers: str, prefix: str) -> None:
    wanted = dict.fromkeys(Topics(prefix=prefix).events, PARTITIONS)
    await create_topics(bootstrap_servers, wanted, configs={"max.message.bytes": str(RECORD_MAX_BYTES)})


async def eventually(check: Callable[[], bool], within_s: float = 30) -> None:
    async with asyncio.timeout(within_s):
        while not check():  # noqa: ASYNC110  the publisher sets no event for a test
            await asyncio.sleep(0.02)


@asynccontextmanager
async def publishing(bootstrap_servers: str, prefix: str, **options: Any) -> AsyncIterator[Publisher]:
    async with Publisher({"bootstrap_servers": bootstrap_servers}, prefix, **options) as publisher:
        await eventually(lambda: publisher.ready)
        yield publisher


@pytest.fixture
async def publisher(broker: Broker, prefix: str) -> AsyncIterator[Publisher]:
    await topics_on(broker.bootstrap_servers, prefix)
    async with publishing(broker.bootstrap_servers, prefix) as started:
        yield started


async def consumed(bootstrap_servers: str, topic: str, count: int) -> list[Any]:
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap_servers, auto_offset_reset="earliest")
    await consumer.start()
    try:
        async with asyncio.timeout(20):
            return [await consumer.getone() for _ in range(count)]
    finally:
        await consumer.stop()


async def test_what_is_published_is_there(publisher: Publisher, broker: Broker, prefix: str) -> None:
    outcome = await published(publisher, publication(7))
    assert isinstance(outcome, Published)
    [record] = await consumed(broker.bootstrap_servers, f"{prefix}payment-event", 1)
    assert (record.partition, record.offset) == (outcome.partition, outcome.offset)
    assert (record.key, record.value, record.headers, record.timestamp) == (
        b"pi_7",
        publication(7).value,
        (("ce_id", b"evt_7"),),
        1_790_000_000_000,
    )
    assert in_flight(publisher) == 0


async def test_one_key_is_one_partition_in_order(publisher: Publisher, broker: Broker, prefix: str) -> None:
    sent = [publication(number, key=b"pi_%d" % (number % 5)) for number in range(200)]
    outcomes = await asyncio.gather(*(published(publisher, one) for one in sent))
    assert all(isinstance(one, Published) for one in outcomes)
    records = await consumed(broker.bootstrap_servers, f"{prefix}payment-event", 200)
    by_key: dict[bytes, list[Any]] = {}
    for record in records:
        by_key.setdefault(record.key, []).append(record)
    for number, key in enumerate(sorted(by_key)):
        assert len({record.partition for record in by_key[key]}) == 1
        assert [record.value for record in by_key[key]] == [one.value for one in sent[number::5]]


async def test_the_largest_record_passes_and_a_larger_is_refused(publisher: Publisher) -> None:
    fits = RECORD_MAX_BYTES - 200
    assert isinstance(await published(publisher, publication(size=fits)), Published)
    assert await published(publisher, publication(size=RECORD_MAX_BYTES)) == NotTaken(NotTakenReason.TOO_LARGE)
    assert isinstance(await published(publisher, publication()), Published)


async def test_no_record_that_passes_here_is_refused_by_the_broker(publisher: Publisher) -> None:
    edge = [publication(number, size=RECORD_MAX_BYTES - 30 - number) for number in range(0, 200, 10)]
    outcomes = {await published(publisher, one) for one in edge}
    assert NotTaken(NotTakenReason.TOO_LARGE) in outcomes
    assert {type(one) if isinstance(one, Published) else one.reason for one in outcomes} == {
        Published,
        NotTakenReason.TOO_LARGE,
    }


async def test_a_missing_topic_takes_no_record_and_names_the_remedy(
    broker: Broker, prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    await create_topics(broker.bootstrap_servers, {f"{prefix}payment-event": 1})
    async with publishing(broker.bootstrap_servers, prefix, bounds=InFlightBounds(deadline_s=0.5)) as publisher:
        assert await published(publisher, publication(topic="charge-event")) == NotTaken(NotTakenReason.LATE)
        assert isinstance(await published(publisher, publication()), Published)
        assert in_flight(publisher) == 0
    assert LogEvent.TOPIC_UNAVAILABLE in caplog.text
    assert f"topic='{prefix}charge-event'" in caplog.text
    assert "stripeline topics apply" in caplog.text


async def test_a_topic_that_appears_later_is_found(broker: Broker, prefix: str) -> None:
    async with publishing(broker.bootstrap_servers, prefix, bounds=InFlightBounds(deadline_s=1)) as publisher:
        assert await published(publisher, publication()) == NotTaken(NotTakenReason.LATE)
        await topics_on(broker.bootstrap_servers, prefix)
        assert isinstance(await published(publisher, publication()), Published)


async def test_a_deleted_topic_does_not_stop_the_others(broker: Broker, prefix: str) -> None:
    await topics_on(broker.bootstrap_servers, prefix)
    async with publishing(broker.bootstrap_servers, prefix, bounds=InFlightBounds(deadline_s=1)) as publisher:
        await published(publisher, publication())
        await delete_topics(broker.bootstrap_servers, [f"{prefix}payment-event"])
        assert await first_refusal(publisher) < 1.5
        assert isinstance(await published(publisher, publication(topic="charge-event")), Published)


async def first_refusal(publisher: Publisher, within_s: float = 30) -> float:
    """Publish until it is not taken, and how long that answer took: one of several brokers may hear of a deletion late.

    What is acknowledged meanwhile, the broker really had.
    """
    async with asyncio.timeout(within_s):
        while True:
            started = time.monotonic()
            if isinstance(await published(publisher, publication()), NotTaken):
                return time.monotonic() - started


async def test_too_much_in_flight_is_refused_at_once(broker: Broker, prefix: str) -> None:
    await topics_on(broker.bootstrap_servers, prefix)
    async with publishing(broker.bootstrap_servers, prefix, bounds=InFlightBounds(bytes=70_000)) as publisher:
        outcomes = await asyncio.gather(*(published(publisher, publication(size=10_000)) for _ in range(4)))
        assert outcomes.count(NotTaken(NotTakenReason.FULL)) == 2  # one partition has a third of the room


class Dying(AIOKafkaProducer):  # type: ignore[misc]  # aiokafka has no types
    """A producer whose sender dies of what it cannot retry, as after a gap in its sequence numbers."""

    async def send_batch(self, *args: Any, **options: Any) -> Any:
        delivery = await super().send_batch(*args, **options)
        self._sender.sender_task.cancel()
        self._message_accumulator.fail_all(OutOfOrderSequenceNumber())
        return delivery


async def test_a_producer_that_died_is_replaced(broker: Broker, prefix: str) -> None:
    await topics_on(broker.bootstrap_servers, prefix)
    made: list[Any] = []

    def connect() -> Any:
        kind = AIOKafkaProducer if made else Dying
        made.append(kind(bootstrap_servers=broker.bootstrap_servers, enable_idempotence=True))
        return made[-1]

    async with publishing(
        broker.bootstrap_servers, prefix, connect=connect, bounds=InFlightBounds(deadline_s=1)
    ) as publisher:
        assert await published(publisher, publication()) == NotTaken(NotTakenReason.FAILED)
        while not isinstance(await published(publisher, publication()), Published):  # noqa: ASYNC110  it sets no event
            await asyncio.sleep(0.02)
        assert len(made) == 2
        assert in_flight(publisher) == 0


async def test_a_gap_in_one_partition_stops_no_other(
    broker: Broker, prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    """As after a batch that the client dropped, or that the broker refused."""
    await topics_on(broker.bootstrap_servers, prefix)
    made: list[Any] = []

    def connect() -> Any:
        made.append(AIOKafkaProducer(bootstrap_servers=broker.bootstrap_servers, enable_idempotence=True))
        return made[-1]

    async with publishing(broker.bootstrap_servers, prefix, connect=connect) as publisher:
        first = await asyncio.gather(*(published(publisher, publication(number)) for number in range(20)))
        assert {type(one) for one in first} == {Published}
        spoiled = partition_of(publication(0).key, PARTITIONS)
        others = [number for number in range(20) if partition_of(publication(number).key, PARTITIONS) != spoiled]
        made[0]._txn_manager.increment_sequence_number(TopicPartition(f"{prefix}payment-event", spoiled), 5)
        gap: list[Published | NotTaken] = []
        while not gap or isinstance(gap[-1], NotTaken):
            assert len(gap) < 1_000
            well = [published(publisher, publication(number)) for number in others]
            gap.append(await published(publisher, publication(0)))
            assert {type(one) for one in await asyncio.gather(*well)} == {Published}
        assert set(gap[:-1]) == {NotTaken(NotTakenReason.FAILED)}
        assert publisher.missing() is None
    assert len(made) == 2
    assert caplog.text.count(LogEvent.PRODUCER_FAILED) == 1


async def test_it_starts_without_a_broker_and_finds_it_later(own_broker: LocalKafka, prefix: str) -> None:
    await topics_on(own_broker.bootstrap_servers, prefix)
    await own_broker.stop()
    async with Publisher({"bootstrap_servers": own_broker.bootstrap_servers}, prefix) as publisher:
        assert not publisher.ready
        assert await published(publisher, publication()) == NotTaken(NotTakenReason.AWAY)
        await own_broker.start()
        await eventually(lambda: publisher.ready)
        assert isinstance(await published(publisher, publication()), Published)


async def flood(publisher: Publisher, count: int) -> set[Published | NotTaken]:
    return set(await asyncio.gather(*(published(publisher, publication(number)) for number in range(count))))


async def test_a_killed_broker_is_answered_in_time_and_found_again(own_broker: LocalKafka, prefix: str) -> None:
    await topics_on(own_broker.bootstrap_servers, prefix)
    bounds = InFlightBounds(deadline_s=1, bytes=200_000)
    async with publishing(own_broker.bootstrap_servers, prefix, bounds=bounds, stalled_after_s=3) as publisher:
        assert isinstance(await published(publisher, publication()), Published)
        own_broker.kill()
        started = time.monotonic()
        assert await flood(publisher, 500) == {NotTaken(NotTakenReason.LATE), NotTaken(NotTakenReason.FULL)}
        assert time.monotonic() - started < 2
        assert in_flight(publisher) <= 200
        await eventually(lambda: not publisher.ready)  # stuck: the producer is given up
        assert await flood(publisher, 500) == {NotTaken(NotTakenReason.AWAY)}
        await own_broker.start()
        await eventually(lambda: publisher.ready)
        while not isinstance(await published(publisher, publication()), Published):  # noqa: ASYNC110  it may not lead yet
            await asyncio.sleep(0.02)
        await eventually(lambda: in_flight(publisher) == 0)


async def test_a_short_absence_needs_no_new_producer(own_broker: LocalKafka, prefix: str) -> None:
    await topics_on(own_broker.bootstrap_servers, prefix)
    async with publishing(own_broker.bootstrap_servers, prefix, bounds=InFlightBounds(deadline_s=0.5)) as publisher:
        own_broker.kill()
        assert await published(publisher, publication(1)) == NotTaken(NotTakenReason.LATE)
        await own_broker.start()
        await eventually(lambda: in_flight(publisher) == 0)
        assert isinstance(await published(publisher, publication(2)), Published)
    # The late one came after all: its sender was told 503, so its retry is a duplicate and nothing is lost.
    records = await consumed(own_broker.bootstrap_servers, f"{prefix}payment-event", 2)
    assert {record.key for record in records} == {b"pi_1", b"pi_2"}


async def test_a_frozen_broker_is_answered_in_time(own_broker: LocalKafka, prefix: str) -> None:
    await topics_on(own_broker.bootstrap_servers, prefix)
    async with publishing(own_broker.bootstrap_servers, prefix, bounds=InFlightBounds(deadline_s=0.5)) as publisher:
        await published(publisher, publication())
        os.kill(own_broker.pid, signal.SIGSTOP)
        try:
            assert await flood(publisher, 20) == {NotTaken(NotTakenReason.LATE)}
        finally:
            os.kill(own_broker.pid, signal.SIGCONT)
        await eventually(lambda: in_flight(publisher) == 0)
        assert isinstance(await published(publisher, publication()), Published)


@pytest.mark.parametrize("frozen", [True, False])
async def test_stopping_is_bounded_with_the_broker_gone(own_broker: LocalKafka, prefix: str, frozen: bool) -> None:
    await topics_on(own_broker.bootstrap_servers, prefix)
    async with publishing(own_broker.bootstrap_servers, prefix, bounds=InFlightBounds(deadline_s=0.2)) as publisher:
        await published(publisher, publication())
        pid = own_broker.pid
        os.kill(pid, signal.SIGSTOP if frozen else signal.SIGKILL)
        await published(publisher, publication())
        started = time.monotonic()
        await publisher.stop(grace_s=1)
        assert time.monotonic() - started < 5
    left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    assert [task for task in left if "aiokafka" in repr(task)] == []


async def test_stopping_while_it_connects_is_bounded(prefix: str) -> None:
    publisher = Publisher({"bootstrap_servers": "127.0.0.1:1"}, prefix)
    await publisher.start()
    await asyncio.sleep(0)
    started = time.monotonic()
    await publisher.stop()
    assert time.monotonic() - started < 5


def test_the_producer_is_idempotent_and_keeps_the_record_limit() -> None:
    async def look() -> None:
        producer = connector({"bootstrap_servers": "127.0.0.1:1"})()
        assert producer._txn_manager is not None
        assert producer._sender._acks == -1
        assert producer._max_request_size == RECORD_MAX_BYTES
        await producer.stop()

    asyncio.run(look())
