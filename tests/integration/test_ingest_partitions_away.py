"""Partitions that take nothing, on two brokers of which one is killed: the others never notice.

The first topic model has one copy, and its partitions are gone with the broker; the second has two copies, and a topic
that asks for both takes nothing while one is missing.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import pytest
from aiokafka.admin import NewTopic

from stripeline.contracts.deliveries.delivery_vocabulary import NotTakenReason
from stripeline.contracts.deliveries.partitioner import partition_of
from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import LogEvent
from stripeline.ingest.kafka.publisher import Publisher
from stripeline.ingest.kafka.session import InFlightBounds
from stripeline.ingest.publish_result import NotTaken, Published
from stripeline.ingest.routing import Publication
from tests.support.broker import admin
from tests.support.broker_cluster import BrokerCluster, Layout, broker_cluster
from tests.support.publish_futures import in_flight, published
from tests.support.scripted_workers import until

PARTITIONS = 4
DEADLINE_S = 1.0
SEEN_S = 7 * DEADLINE_S
BUSY_S = 4.0
"""How late a busy machine may be; an answer without a deadline would not come within the test."""
STAYS, GOES = 1, 2
LATE = {NotTakenReason.LATE, NotTakenReason.UNAVAILABLE}


@dataclass
class Deliveries:
    """What became of each delivery, by topic and partition."""

    publisher: Publisher
    outcomes: dict[tuple[str, int], Counter[str]] = field(default_factory=dict)
    slowest_s: float = 0.0
    waiting: set["asyncio.Task[None]"] = field(default_factory=set)
    number: int = 0

    def send(self, topic: str) -> None:
        self.number += 1
        task = asyncio.create_task(self._deliver(publication(topic, self.number)))
        self.waiting.add(task)
        task.add_done_callback(self.waiting.discard)

    async def _deliver(self, one: Publication) -> None:
        began = time.monotonic()
        outcome = await published(self.publisher, one)
        self.slowest_s = max(self.slowest_s, time.monotonic() - began)
        place = one.topic, partition_of(one.key, PARTITIONS)
        said = "taken" if isinstance(outcome, Published) else outcome.reason
        self.outcomes.setdefault(place, Counter())[said] += 1

    async def during(self, seconds: float, per_second: Mapping[str, float]) -> None:
        """Deliveries at a rate, topic by topic, and all their outcomes."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + seconds
        due = {topic: loop.time() for topic in per_second}
        while loop.time() < ends:
            for topic, rate in per_second.items():
                while due[topic] <= loop.time():
                    due[topic] += 1 / rate
                    self.send(topic)
            await asyncio.sleep(0.005)
        await asyncio.gather(*self.waiting)


def publication(topic: str, number: int) -> Publication:
    value = orjson.dumps({"id": f"evt_{number}", "pad": "x" * 3_000})
    return Publication(
        topic=topic, key=b"pi_%d" % number, value=value, headers=(), timestamp_ms=1_790_000_000_000, trigger="pay"
    )


async def create(bootstrap: str, *topics: NewTopic) -> None:
    async with admin(bootstrap) as client:
        answer = await client.create_topics(list(topics))
    assert [code for _, code, *_ in answer.topic_errors] == [0] * len(topics)


@asynccontextmanager
async def publishing(kafka: BrokerCluster, prefix: str, **bounds: float) -> AsyncIterator[Deliveries]:
    client = {"bootstrap_servers": kafka.bootstrap_servers, "request_timeout_ms": 2_000, "retry_backoff_ms": 20}
    limits = InFlightBounds(deadline_s=DEADLINE_S, **bounds)  # type: ignore[arg-type]
    async with Publisher(client, prefix, bounds=limits) as publisher:
        await until(lambda: publisher.missing() is None, "a producer")
        yield Deliveries(publisher)


@pytest.mark.long
async def test_partitions_of_a_lost_broker_stop_no_other(
    tmp_path: Path, note: Callable[[str], None], prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with broker_cluster(tmp_path, note, Layout(brokers=2, replication=1, min_isr=1, session_s=2.0)) as kafka:
        placed = {number: [STAYS if number % 2 else GOES] for number in range(PARTITIONS)}
        await create(kafka.bootstrap_servers, *(
            NewTopic(topic, -1, -1, replica_assignments=placed) for topic in Topics(prefix=prefix).events
        ))  # fmt: skip
        async with publishing(kafka, prefix) as deliveries:
            await deliveries.during(0.5, {"payment-event": 250})
            kafka.kill(GOES)
            ready = asyncio.create_task(always(lambda: deliveries.publisher.missing() is None))
            deliveries.outcomes.clear()
            await deliveries.during(SEEN_S, {"payment-event": 250})
            ready.cancel()
            assert not ready.done() or ready.exception() is None
            for number in range(PARTITIONS):
                outcomes = set(deliveries.outcomes["payment-event", number])
                assert outcomes == {"taken"} if number % 2 else outcomes <= LATE, deliveries.outcomes
            assert deliveries.slowest_s < DEADLINE_S + BUSY_S
            gone = {(topic, number) for topic in Topics(prefix=prefix).events for number in placed if not number % 2}
            assert set(deliveries.publisher.unavailable) == gone
            assert "no broker leads it" in deliveries.publisher.unavailable[f"{prefix}payment-event", 0]
            assert LogEvent.PRODUCER_FAILED not in caplog.text
            assert LogEvent.PRODUCER_STALLED not in caplog.text
            await kafka.start(GOES)
            await until(lambda: not deliveries.publisher.unavailable, "all partitions")
            await until(lambda: all_taken(deliveries, "payment-event"), "payments")
            deliveries.outcomes.clear()
            await deliveries.during(2, {"payment-event": 100})
            assert set().union(*deliveries.outcomes.values()) == {"taken"}, deliveries.outcomes


async def always(check: Callable[[], bool]) -> None:
    while True:
        assert check()
        await asyncio.sleep(0.01)


@pytest.mark.long
async def test_a_topic_short_of_replicas_fills_no_other_topics_room(
    tmp_path: Path, note: Callable[[str], None], prefix: str
) -> None:
    async with broker_cluster(tmp_path, note, Layout(brokers=2, replication=2, min_isr=1, session_s=2.0)) as kafka:
        needed = {"payment-event": "2", "charge-event": "1", "customer-event": "1"}
        await create(kafka.bootstrap_servers, *(
            NewTopic(prefix + topic, PARTITIONS, 2, topic_configs={"min.insync.replicas": copies})
            for topic, copies in needed.items()
        ))  # fmt: skip
        async with publishing(kafka, prefix, bytes=4 * 1024 * 1024) as deliveries:
            rates = {"payment-event": 300.0, "charge-event": 5.0}
            await deliveries.during(1, rates)
            kafka.kill(GOES)
            await until(lambda: not_taken(deliveries, "payment-event"), "payments without replicas")
            await until(lambda: all_taken(deliveries, "charge-event"), "a leader for charges")
            deliveries.outcomes.clear()
            await deliveries.during(SEEN_S, rates)
            by_topic = {topic: Counter[str]() for topic in rates}
            for (topic, _), outcomes in deliveries.outcomes.items():
                by_topic[topic] += outcomes
            assert set(by_topic["charge-event"]) == {"taken"}, by_topic
            assert "taken" not in by_topic["payment-event"], by_topic
            assert deliveries.slowest_s < DEADLINE_S + BUSY_S
            assert {topic for topic, _ in deliveries.publisher.unavailable} == {f"{prefix}payment-event"}
            assert deliveries.publisher.missing() is None
            await kafka.start(GOES)
            began = time.monotonic()
            await until(lambda: not deliveries.publisher.unavailable, "all partitions")
            deliveries.outcomes.clear()
            await deliveries.during(2, rates)
            assert set().union(*deliveries.outcomes.values()) == {"taken"}, deliveries.outcomes
            note(f"recovered in {time.monotonic() - began:.1f} s")
            assert in_flight(deliveries.publisher) == 0


async def not_taken(deliveries: Deliveries, topic: str) -> bool:
    """Whether no partition of a topic takes a record."""
    return not any(isinstance(one, Published) for one in await several(deliveries, topic))


async def all_taken(deliveries: Deliveries, topic: str) -> bool:
    """Whether every partition of a topic takes a record."""
    return all(isinstance(one, Published) for one in await several(deliveries, topic))


async def several(deliveries: Deliveries, topic: str) -> list[Published | NotTaken]:
    sent = (published(deliveries.publisher, publication(topic, number)) for number in range(20))
    return await asyncio.gather(*sent)
