"""Notes of published events are written beside the deliveries, on a fake producer: never awaited, always counted."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from aiokafka.errors import KafkaConnectionError, TopicAuthorizationFailedError
from structlog.testing import capture_logs

from stripeline.contracts.deliveries.delivery_vocabulary import NotTakenReason
from stripeline.contracts.vocabulary import LogEvent
from stripeline.ingest.delivery_counters import Counters
from stripeline.ingest.kafka import seen_writer
from stripeline.ingest.kafka.seen_writer import DROPPED, NOTED, SeenWriter
from stripeline.ingest.seen_buffer import LIMIT, EventNote

TOPIC = "stripe.event-seen"


@dataclass
class Producer:
    """Takes records until it is told not to. held: Kafka does not answer."""

    world: "World"

    async def start(self) -> None:
        if self.world.away:
            raise KafkaConnectionError

    async def send_and_wait(self, topic: str, value: bytes) -> None:
        assert topic == TOPIC
        if self.world.refusing is not None:
            raise self.world.refusing
        await self.world.answering.wait()
        self.world.taken.append(orjson.loads(value)["events"])

    async def stop(self) -> None:
        self.world.stopped += 1

    @property
    def client(self) -> Any:
        async def close() -> None: ...

        return SimpleNamespace(close=close, _get_conn_lock=asyncio.Lock())

    _message_accumulator = SimpleNamespace(fail_all=lambda _: None)
    _sender = SimpleNamespace(sender_task=None)


@dataclass
class World:
    taken: list[Any] = field(default_factory=list)
    answering: asyncio.Event = field(default_factory=asyncio.Event)
    refusing: Exception | None = None
    away: bool = False
    there: bool = True
    stopped: int = 0
    counters: Counters = field(default_factory=Counters)

    def __post_init__(self) -> None:
        self.answering.set()

    def writer(self) -> SeenWriter:
        return SeenWriter(
            TOPIC, lambda: Producer(self), self.counters, is_there=lambda: self.there, words=str, every_s=0.001
        )

    def count(self, metric: str) -> dict[tuple[str, ...], Any]:
        return dict(self.counters.of(metric))

    @property
    def ids(self) -> list[str]:
        return [event[0] for record in self.taken for event in record]


def note(writer: SeenWriter, *numbers: int) -> None:
    writer.note("s.payment-event", 2, numbers[0], [EventNote(f"evt_{one}", "payments", 1) for one in numbers])


async def until(check: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not check():  # noqa: ASYNC110  the writer sets no event for a test
            await asyncio.sleep(0.001)


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seen_writer, "_LOOK_S", 0.001)
    monkeypatch.setattr(seen_writer, "_LONGEST_BACKOFF_S", 0.002)


async def test_batches_of_a_moment_are_one_record() -> None:
    world = World()
    async with world.writer() as writer:
        note(writer, 1, 2)
        note(writer, 3)
        await until(lambda: world.taken)
    assert world.taken == [[[f"evt_{one}", "payments", 1, "s.payment-event", 2, one] for one in (1, 2, 3)]]
    assert world.count(NOTED) == {(): 3}
    assert world.count(DROPPED) == {}


async def test_the_last_notes_are_written_at_a_clean_stop() -> None:
    world = World()
    async with world.writer() as writer:
        note(writer, 1)
    assert (world.ids, world.stopped) == (["evt_1"], 1)


async def test_a_stop_ends_though_kafka_does_not_answer() -> None:
    world = World()
    world.answering.clear()
    writer = world.writer()
    async with asyncio.timeout(3):
        async with writer:
            note(writer, 1)
            await until(lambda: writer._producer is not None)
            note(writer, 2, 3)
            await writer.stop(0.01)
    assert (world.ids, world.count(DROPPED)) == ([], {(NotTakenReason.AWAY,): 3})


async def test_what_is_kept_for_a_slow_kafka_is_bounded() -> None:
    world = World()
    world.answering.clear()
    async with world.writer() as writer:
        for number in range(0, LIMIT + 3_000, 100):
            note(writer, *range(number, number + 100))
        assert world.count(DROPPED) == {(NotTakenReason.FULL,): 3_000}
        world.answering.set()


async def test_a_refused_note_is_counted_and_said_once() -> None:
    world = World(refusing=TopicAuthorizationFailedError("no"))
    with capture_logs() as logs:
        async with world.writer() as writer:
            note(writer, 1)
            await until(lambda: writer.why)
            assert "find these events missing, and publish them once more" in str(writer.why)
            note(writer, 2)
            await until(lambda: world.count(DROPPED) == {(NotTakenReason.NOT_ALLOWED,): 2})
            world.refusing = None
            note(writer, 3)
            await until(lambda: world.ids == ["evt_3"])
            assert writer.why is None
    assert [line["event"] for line in logs] == [LogEvent.EVENTS_NOT_NOTED]


async def test_notes_go_on_after_kafka_was_away() -> None:
    world = World(away=True)
    async with world.writer() as writer:
        note(writer, 1)
        await until(lambda: writer.why)
        world.away = False
        note(writer, 2)
        await until(lambda: world.ids == ["evt_2"])
    assert world.count(DROPPED) == {(NotTakenReason.UNAVAILABLE,): 1}


async def test_a_topic_that_is_not_there_is_asked_for_nothing() -> None:
    world = World(there=False, refusing=AssertionError("Kafka was asked"))
    async with world.writer() as writer:
        note(writer, 1, 2)
        assert world.count(DROPPED) == {(NotTakenReason.NO_TOPIC,): 2}
        assert writer.why is None


async def test_a_topic_that_is_made_later_is_taken_up() -> None:
    world = World(there=False)
    async with world.writer() as writer:
        note(writer, 1)
        world.there = True
        await until(lambda: writer._open)
        note(writer, 2)
        await until(lambda: world.ids == ["evt_2"])
        world.there = False
        await until(lambda: not writer._open)
        note(writer, 3)
    assert world.count(DROPPED) == {(NotTakenReason.NO_TOPIC,): 2}
