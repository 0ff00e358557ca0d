"""Published events are noted on a real Kafka with their true places, and deliveries never depend on it."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from msgspec.structs import astuple

from stripeline.contracts.deliveries.delivery_vocabulary import NotTakenReason
from stripeline.contracts.deliveries.seen_events import SeenEvent, SeenEvents
from stripeline.contracts.topics import Topics
from stripeline.ingest.delivery_counters import Counters
from stripeline.ingest.kafka.publisher import Publisher
from stripeline.ingest.kafka.seen_writer import DROPPED, NOTED, SeenWriter, seen_connector
from stripeline.ingest.publish_result import Published
from stripeline.ingest.routing import Publication
from stripeline.ingest.seen_buffer import EventNote
from tests.support.broker import Broker, create_topics
from tests.support.end_state import read_topic
from tests.support.publish_futures import published

PARTITIONS = 4


def publication(number: int, topic: str = "payment-event") -> Publication:
    note = EventNote(f"evt_{number}", "payments", 1_790_000_000 + number)
    return Publication(
        topic=topic, key=b"pi_%d" % number, value=b"{}", headers=(("ce_id", note.id.encode()),),
        timestamp_ms=int(time.time() * 1000), trigger=note.trigger, note=note,
    )  # fmt: skip


class Ingest:
    """A publisher whose events are noted, as `ingest_part` wires the two."""

    def __init__(self, broker: Broker, prefix: str) -> None:
        client: dict[str, Any] = {"bootstrap_servers": broker.bootstrap_servers}
        self.topics, self.counters, self.there = Topics(prefix=prefix), Counters(), True
        self.notes = SeenWriter(
            self.topics.event_seen, seen_connector(client), self.counters, is_there=lambda: self.there
        )
        self.publisher = Publisher(client, prefix, seen=self.notes.note)

    def count(self, metric: str) -> dict[tuple[str, ...], Any]:
        return dict(self.counters.of(metric))


@asynccontextmanager
async def ingest(broker: Broker, prefix: str, *, there: bool = True) -> AsyncIterator[Ingest]:
    topics = Topics(prefix=prefix)
    await create_topics(broker.bootstrap_servers, dict.fromkeys(topics.events, PARTITIONS))
    if there:
        await create_topics(broker.bootstrap_servers, {topics.event_seen: PARTITIONS})
    running = Ingest(broker, prefix)
    running.there = there
    async with running.notes, running.publisher as publisher:
        await until(lambda: publisher.ready)
        yield running


async def until(check: Callable[[], object], within_s: float = 20) -> None:
    async with asyncio.timeout(within_s):
        while not check():  # noqa: ASYNC110  the writer sets no event for a test
            await asyncio.sleep(0.02)


async def read_all(broker: Broker, topic: str) -> list[Any]:
    return await read_topic(broker.bootstrap_servers, topic, PARTITIONS)


async def noted(broker: Broker, running: Ingest) -> list[SeenEvent]:
    records = await read_all(broker, running.topics.event_seen)
    assert {record.key for record in records} <= {None}
    return [event for record in records for event in msgspec.json.decode(record.value, type=SeenEvents).events]


async def test_each_event_is_noted_with_its_true_place(broker: Broker, prefix: str) -> None:
    async with ingest(broker, prefix) as running:
        sent = [publication(number, ("payment-event", "charge-event")[number % 2]) for number in range(300)]
        outcomes = await asyncio.gather(*(published(running.publisher, one) for one in sent))
        assert {type(one) for one in outcomes} == {Published}
        await until(lambda: running.count(NOTED) == {(): 300})
    notes = await noted(broker, running)
    assert len(notes) == 300
    assert len(await read_all(broker, running.topics.event_seen)) <= 10, "a record is of many events"
    there = {
        (record.topic, record.partition, record.offset): dict(record.headers)["ce_id"].decode()
        for topic in running.topics.events
        for record in await read_all(broker, topic)
    }
    assert {(note.topic, note.partition, note.offset): note.id for note in notes} == there
    assert {(note.id, note.trigger, note.created_s) for note in notes} == {astuple(one.note) for one in sent}


async def test_deliveries_go_on_while_the_topic_is_not_there(broker: Broker, prefix: str) -> None:
    async with ingest(broker, prefix, there=False) as running:
        assert isinstance(await published(running.publisher, publication(1)), Published)
        await until(lambda: running.count(DROPPED) == {(NotTakenReason.NO_TOPIC,): 1})
        await create_topics(broker.bootstrap_servers, {running.topics.event_seen: PARTITIONS})
        running.there = True
        await until(lambda: running.notes._open)
        assert isinstance(await published(running.publisher, publication(2)), Published)
        await until(lambda: running.count(NOTED) == {(): 1})
    assert [note.id for note in await noted(broker, running)] == ["evt_2"]


async def test_deliveries_go_on_while_the_topic_refuses_notes(broker: Broker, prefix: str) -> None:
    refusing = {"max.message.bytes": "10"}
    await create_topics(broker.bootstrap_servers, {f"{prefix}event-seen": PARTITIONS}, configs=refusing)
    async with ingest(broker, prefix, there=False) as running:
        running.there = True
        await until(lambda: running.notes._open)
        assert isinstance(await published(running.publisher, publication(1)), Published)
        await until(lambda: running.notes.why)
        assert sum(running.count(DROPPED).values()) == 1
        assert isinstance(await published(running.publisher, publication(2)), Published)
        assert (running.publisher.missing(), running.publisher.unavailable) == (None, {})


async def test_a_kill_loses_notes_and_no_event(broker: Broker, prefix: str) -> None:
    async with ingest(broker, prefix) as running:
        assert isinstance(await published(running.publisher, publication(1)), Published)
        await until(lambda: running.count(NOTED) == {(): 1})
        assert isinstance(await published(running.publisher, publication(2)), Published)
        running.notes._buffer.clear()  # what a kill -9 in the next quarter of a second costs
    assert [note.id for note in await noted(broker, running)] == ["evt_1"]
    assert len(await read_all(broker, running.topics.event("payment-event"))) == 2
