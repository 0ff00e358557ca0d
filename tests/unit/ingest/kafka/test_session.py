"""How records become batches of their partitions, on a fake producer."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
import structlog
from aiokafka.errors import NotLeaderForPartitionError, TopicAuthorizationFailedError, UnknownTopicOrPartitionError
from aiokafka.producer.message_accumulator import BatchBuilder

from stripeline.contracts.deliveries.delivery_vocabulary import NotTakenReason
from stripeline.contracts.deliveries.partitioner import partition_of
from stripeline.contracts.topics import RECORD_MAX_BYTES, Topics
from stripeline.ingest.kafka.aiokafka_internals import DeferredBatch
from stripeline.ingest.kafka.batches import BATCH_BYTES
from stripeline.ingest.kafka.room import RECORD_OVERHEAD_BYTES, ROOM_BYTES, Room
from stripeline.ingest.kafka.session import ProducerSession
from stripeline.ingest.limited_log import LimitedLog
from stripeline.ingest.publish_result import NotTaken, Published
from stripeline.ingest.routing import Publication
from stripeline.ingest.seen_buffer import EventNote
from tests.support.publish_futures import outcome_of

log = structlog.get_logger(__name__)
SIZE = RECORD_OVERHEAD_BYTES + len(b"pi_0")
LATE = NotTaken(NotTakenReason.LATE)
AWAY = NotTaken(NotTakenReason.AWAY)
FAILED = NotTaken(NotTakenReason.FAILED)


@dataclass
class Sent:
    """A batch that aiokafka was given. `delivery` is what it gave back."""

    batch: BatchBuilder
    partition: int
    delivery: "asyncio.Future[Any]"

    @property
    def records(self) -> int:
        return self.batch.record_count()  # type: ignore[no-any-return]

    def take(self) -> None:
        """As the sender does when the broker is free."""
        self.batch._set_producer_state(producer_id=1, producer_epoch=0, base_sequence=0)

    def acknowledge(self, first_offset: int) -> None:
        self.delivery.set_result(SimpleNamespace(offset=first_offset))


@dataclass
class Producer:
    """Keeps what it is sent; `held` is a queue that does not move. `busy`: another request is under way.

    leaders: by partition number; the others have one.
    """

    sent: list[Sent] = field(default_factory=list)
    held: asyncio.Event | None = None
    busy: bool = False
    leaders: dict[int, int | None] = field(default_factory=dict)

    @property
    def client(self) -> Any:
        return SimpleNamespace(
            cluster=SimpleNamespace(leader_for_partition=lambda tp: self.leaders.get(tp.partition, 1))
        )

    async def partitions_for(self, topic: str) -> set[int]:
        if topic == "stripe.customer-event":
            raise UnknownTopicOrPartitionError
        return {0, 1, 2, 3}

    async def send_batch(self, batch: BatchBuilder, topic: str, *, partition: int) -> "asyncio.Future[Any]":
        if self.held is not None:
            await self.held.wait()
        sent = Sent(batch, partition, asyncio.get_running_loop().create_future())
        if not self.busy:
            sent.take()
        self.sent.append(sent)
        return sent.delivery


class World:
    """A session that knows one topic's partitions, on a fake producer."""

    def __init__(self) -> None:
        self.producer = Producer()
        self.room = Room(ROOM_BYTES)
        self.answered, self.deliveries = True, list[asyncio.Future[Published | NotTaken]]()
        self.seen: list[tuple[str, int, int, list[str]]] = []
        self.session = ProducerSession(self.producer, Topics(), 5.0, self.room, LimitedLog(log), seen=self._see)
        self.session.learn("stripe.payment-event", 4)

    def _see(self, topic: str, partition: int, first_offset: int, notes: Sequence[EventNote | None]) -> None:
        self.answered = self.answered and all(delivery.done() for delivery in self.deliveries)
        self.seen.append((topic, partition, first_offset, [note.id for note in notes if note is not None]))

    def add(
        self, *, value: bytes = b"{}", within_s: float = 5.0, partition: int = 2, topic: str = "payment-event",
        note: EventNote | None = None,
    ) -> "asyncio.Future[Published | NotTaken]":  # fmt: skip
        future, done = outcome_of()
        self.session._deadline_s = within_s
        key = next(key for key in (b"pi_%d" % number for number in range(99)) if partition_of(key, 4) == partition)
        publication = Publication(
            topic=topic, key=key, value=value, headers=(), timestamp_ms=1, trigger="pay", note=note
        )
        self.session.publish(publication, done)
        return future

    @property
    def in_flight(self) -> tuple[int, int]:
        return self.session.records, self.room.used

    async def sent(self, batches: int) -> list[Sent]:
        await until(lambda: len(self.producer.sent) == batches)
        return self.producer.sent


async def until(check: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not check():  # noqa: ASYNC110  a lane sets no event for a test
            await asyncio.sleep(0)


@pytest.fixture
async def world() -> World:
    return World()


async def test_records_of_one_turn_share_a_batch_and_its_answer(world: World) -> None:
    waiting = [world.add() for _ in range(3)]
    [batch] = await world.sent(1)
    assert (batch.records, batch.partition) == (3, 2)
    assert not any(one.done() for one in waiting)
    batch.acknowledge(40)
    assert await asyncio.gather(*waiting) == [Published(partition=2, offset=40 + number) for number in range(3)]
    assert world.in_flight == (0, 0)


async def test_what_kafka_acknowledged_is_seen_with_its_place(world: World) -> None:
    notes = [EventNote(f"evt_{number}", "payments", 1) for number in range(2)]
    world.deliveries = waiting = [world.add(note=note) for note in notes]
    [batch] = await world.sent(1)
    assert world.seen == []
    batch.acknowledge(40)
    await asyncio.gather(*waiting)
    assert world.seen == [("stripe.payment-event", 2, 40, ["evt_0", "evt_1"])]
    assert world.answered, "a delivery is answered before it is noted"


async def test_what_was_answered_late_and_is_there_is_seen(world: World) -> None:
    late = world.add(within_s=0.001, note=EventNote("evt_0", "payments", 1))
    [batch] = await world.sent(1)
    assert await late == LATE
    batch.acknowledge(40)
    await until(lambda: world.seen)
    assert world.seen == [("stripe.payment-event", 2, 40, ["evt_0"])]


async def test_what_kafka_did_not_take_is_not_seen(world: World) -> None:
    failed = world.add(note=EventNote("evt_0", "payments", 1))
    [batch] = await world.sent(1)
    batch.delivery.set_exception(NotLeaderForPartitionError())
    assert isinstance(await failed, NotTaken)
    assert world.seen == []


async def test_batches_of_all_partitions_leave_together(world: World) -> None:
    first = world.add()
    (await world.sent(1))[0].acknowledge(0)
    await first
    waiting = [world.add(), world.add(partition=3)]  # in the linger behind the first
    await until(lambda: len(world.producer.sent) > 1)
    _, *together = world.producer.sent
    assert [sent.partition for sent in together] == [2, 3]
    for sent in together:
        sent.acknowledge(1)
    assert {type(await one) for one in waiting} == {Published}


async def test_records_behind_a_batch_in_flight_leave_after_its_ack(world: World) -> None:
    first = world.add()
    [batch] = await world.sent(1)
    later = [world.add(), world.add()]
    await asyncio.sleep(0.01)  # that nothing is sent has no condition to wait for
    assert len(world.producer.sent) == 1
    batch.acknowledge(0)
    assert await first == Published(partition=2, offset=0)
    [_, second] = await world.sent(2)
    assert second.records == 2
    second.acknowledge(1)
    assert await asyncio.gather(*later) == [Published(partition=2, offset=1), Published(partition=2, offset=2)]


async def test_records_join_a_batch_until_the_sender_takes_it(world: World) -> None:
    world.producer.busy = True
    waiting = [world.add()]
    [batch] = await world.sent(1)
    waiting += [world.add(), world.add()]
    batch.take()
    behind = world.add()
    assert batch.records == 3
    batch.acknowledge(7)
    assert [(await one).offset for one in waiting] == [7, 8, 9]  # type: ignore[union-attr]
    [_, second] = await world.sent(2)
    assert second.records == 1
    second.take()
    second.acknowledge(10)
    assert await behind == Published(partition=2, offset=10)


async def test_no_record_joins_a_batch_with_a_late_one(world: World) -> None:
    world.producer.busy = True
    assert await world.add(within_s=0.02) == LATE
    fresh = world.add()
    [late] = await world.sent(1)
    assert late.records == 1
    late.take()
    late.acknowledge(0)
    (await world.sent(2))[1].take()
    world.producer.sent[1].acknowledge(1)
    assert await fresh == Published(partition=2, offset=1)


async def test_a_batch_not_taken_yet_keeps_the_size_limit(world: World) -> None:
    world.producer.busy = True
    waiting = [world.add(value=b"x" * (BATCH_BYTES // 4 - SIZE)) for _ in range(4)]
    [batch] = await world.sent(1)
    waiting += [world.add(value=b"x" * (BATCH_BYTES // 4 - SIZE))]
    batch.take()
    assert batch.records == 4
    world.session.abandon()
    assert await asyncio.gather(*waiting) == [AWAY] * 5


async def test_a_full_batch_is_followed_by_another_in_order(world: World) -> None:
    waiting = [world.add(value=b"x" * (BATCH_BYTES * 2 // 5)) for _ in range(5)]
    for number in range(3):
        batch = (await world.sent(number + 1))[number]
        assert batch.records == (1 if number == 2 else 2)
        batch.acknowledge(2 * number)
    assert [(await one).offset for one in waiting] == [0, 1, 2, 3, 4]  # type: ignore[union-attr]


async def test_a_batch_that_fails_fails_its_own_records_only(world: World) -> None:
    lost = [world.add(), world.add()]
    [batch] = await world.sent(1)
    kept = world.add()
    batch.delivery.set_exception(NotLeaderForPartitionError())
    assert await asyncio.gather(*lost) == [NotTaken(NotTakenReason.UNAVAILABLE)] * 2
    assert not world.session.broken
    (await world.sent(2))[1].acknowledge(7)
    assert await kept == Published(partition=2, offset=7)
    assert world.session.records == 0


async def test_each_record_has_its_own_deadline(world: World) -> None:
    started = asyncio.get_running_loop().time()
    hasty, patient = world.add(within_s=0.02), world.add(within_s=0.06)
    ended: list[object] = []
    for waits in (patient, hasty):
        waits.add_done_callback(ended.append)
    [batch] = await world.sent(1)
    assert await asyncio.gather(hasty, patient) == [LATE, LATE]
    assert ended == [hasty, patient]
    assert asyncio.get_running_loop().time() - started >= 0.06
    assert world.session.records == 2  # Kafka may have it yet: it counts until that is known
    batch.acknowledge(0)
    await until(lambda: world.session.records == 0)


async def test_an_acknowledgement_in_time_beats_the_timer(world: World) -> None:
    hasty, patient = world.add(within_s=0.02), world.add(within_s=5)
    [batch] = await world.sent(1)
    assert await hasty == LATE
    batch.acknowledge(3)
    assert await patient == Published(partition=2, offset=4)


async def test_a_batch_past_its_last_deadline_is_not_sent(world: World) -> None:
    world.producer.held = asyncio.Event()
    waiting = [world.add(within_s=0.02), world.add(within_s=0.03)]
    assert await asyncio.gather(*waiting) == [LATE, LATE]
    await until(lambda: world.session.records == 0)
    world.producer.held.set()
    again = world.add()
    [batch] = await world.sent(1)
    assert batch.records == 1
    batch.acknowledge(0)
    assert isinstance(await again, Published)


async def test_a_batch_that_waited_past_its_deadline_is_not_sent(world: World) -> None:
    first = world.add()
    [batch] = await world.sent(1)
    second = world.add(within_s=0.02)
    assert await second == LATE
    batch.acknowledge(0)
    assert isinstance(await first, Published)
    await until(lambda: world.session.records == 0)
    assert len(world.producer.sent) == 1


async def test_a_record_that_is_too_large_is_refused_alone(world: World) -> None:
    assert await world.add(value=b"x" * RECORD_MAX_BYTES) == NotTaken(NotTakenReason.TOO_LARGE)
    assert not world.session.broken
    assert (world.session.records, world.producer.sent) == (0, [])
    large, small = world.add(value=b"x" * (RECORD_MAX_BYTES - 200)), world.add()
    (await world.sent(1))[0].acknowledge(0)
    (await world.sent(2))[1].acknowledge(1)
    assert [(await one).offset for one in (large, small)] == [0, 1]  # type: ignore[union-attr]


async def test_a_full_batch_fits_in_aiokafkas_batch(world: World) -> None:
    waiting = [world.add(value=b"x" * (BATCH_BYTES // 4 - SIZE)) for _ in range(4)]
    (await world.sent(1))[0].acknowledge(0)
    assert {type(await one) for one in waiting} == {Published}


async def test_an_abandoned_session_answers_all_that_waits(world: World) -> None:
    under_way = world.add()
    await world.sent(1)
    behind = [world.add(value=b"x" * (BATCH_BYTES - SIZE)), world.add()]
    world.session.abandon()
    assert await asyncio.gather(under_way, *behind) == [AWAY] * 3


async def test_a_session_abandoned_before_a_send_answers_too(world: World) -> None:
    waiting = world.add()
    world.session.abandon()
    assert await waiting == AWAY


async def test_draining_waits_for_what_is_in_flight_and_is_bounded(world: World) -> None:
    waiting = world.add()
    [batch] = await world.sent(1)
    drained = asyncio.create_task(world.session.drained(5))
    await asyncio.sleep(0)
    assert not drained.done()
    batch.acknowledge(0)
    await drained
    assert isinstance(await waiting, Published)
    world.add()
    await world.session.drained(0.02)
    assert world.session.records == 1
    world.session.abandon()


async def test_a_batch_sent_without_its_records_is_not_acknowledged(world: World) -> None:
    """As after an upgrade of aiokafka that no longer calls the hook in which a batch writes them."""
    world.producer.busy = True
    waiting = [world.add(), world.add()]
    [batch] = await world.sent(1)
    assert isinstance(batch.batch, DeferredBatch)
    BatchBuilder._set_producer_state(batch.batch, producer_id=1, producer_epoch=0, base_sequence=0)
    assert batch.batch._build() is not None
    batch.acknowledge(0)
    assert await asyncio.gather(*waiting) == [FAILED, FAILED]
    assert world.session.broken


async def test_a_topic_seen_for_the_first_time_is_looked_up(world: World) -> None:
    waiting = world.add(topic="charge-event")
    (await world.sent(1))[0].acknowledge(9)
    assert await waiting == Published(partition=2, offset=9)
    assert await world.add(topic="customer-event") == NotTaken(NotTakenReason.NO_TOPIC)
    assert world.in_flight == (0, 0)


async def test_a_key_keeps_its_partition_when_its_topic_grows(world: World) -> None:
    """Its place in the order, and its task, are those of the prefix's partition count."""
    session = ProducerSession(world.producer, Topics(), 5.0, Room(), LimitedLog(log), partitions=2)
    keys = [b"pi_%d" % number for number in range(20)]
    for key in keys:  # of a topic with four partitions by now
        session.publish(Publication("charge-event", key, b"{}", (), 1, "pay"), outcome_of()[1])
    await until(lambda: len(world.producer.sent) == 2)
    assert {sent.partition for sent in world.producer.sent} == {partition_of(key, 2) for key in keys} == {0, 1}
    session.abandon()


async def test_a_topic_with_fewer_partitions_takes_nothing(world: World) -> None:
    """Created again by somebody else: half of the keys would have no place."""
    session = ProducerSession(world.producer, Topics(), 5.0, Room(), LimitedLog(log), partitions=8)
    future, done = outcome_of()
    session.publish(Publication("charge-event", b"pi_0", b"{}", (), 1, "pay"), done)
    assert await future == NotTaken(NotTakenReason.NO_TOPIC)


async def test_more_than_its_share_is_refused_at_once(world: World) -> None:
    world.room.limit = 4 * SIZE  # a partition alone has a third of it
    waiting, refused = world.add(), world.add(value=b"x" * SIZE)
    assert await refused == NotTaken(NotTakenReason.FULL)
    (await world.sent(1))[0].acknowledge(0)
    assert isinstance(await waiting, Published)
    assert world.in_flight == (0, 0)


async def test_a_lookup_takes_room_and_is_refused_without(world: World) -> None:
    world.room.limit = SIZE
    assert await world.add(topic="charge-event", value=b"x" * SIZE) == NotTaken(NotTakenReason.FULL)
    assert world.in_flight == (0, 0)


async def test_what_nobody_waits_for_leaves_its_room(world: World) -> None:
    stuck = world.add(within_s=0.01)
    [batch] = await world.sent(1)
    behind = [world.add(within_s=0.02, value=b"x" * BATCH_BYTES) for _ in range(3)]
    assert await asyncio.gather(stuck, *behind) == [LATE] * 4
    await until(lambda: world.in_flight == (1, SIZE + len(b"{}")))  # aiokafka has it, and may deliver it yet
    batch.acknowledge(0)
    await until(lambda: world.in_flight == (0, 0))
    assert len(world.producer.sent) == 1


async def test_records_wait_here_while_no_broker_leads(world: World) -> None:
    world.producer.leaders[2] = -1
    waiting, other = world.add(), world.add(partition=3)
    [sent] = await world.sent(1)
    assert sent.partition == 3
    sent.acknowledge(0)
    assert isinstance(await other, Published)
    assert world.session.leaderless
    assert world.session.stirred.is_set()
    world.session.check()
    assert world.session.leaderless
    world.producer.leaders[2] = 1
    world.session.check()
    assert not world.session.leaderless
    (await world.sent(2))[1].acknowledge(7)
    assert await waiting == Published(partition=2, offset=7)


async def test_leaderless_records_are_answered_at_their_deadline(world: World) -> None:
    world.producer.leaders[2] = None
    assert await world.add(within_s=0.02) == LATE
    assert world.in_flight == (0, 0)
    world.session.check()
    assert not world.session.leaderless  # nothing waits any more
    assert world.producer.sent == []


def unavailable(world: World) -> list[int]:
    world.session.check()
    return [number for _, number in sorted(world.session.unavailable)]


async def test_partitions_that_take_nothing_are_named(world: World) -> None:
    world.producer.leaders[0] = -1
    refused, unanswered = world.add(partition=1), world.add(within_s=0.01)
    (await world.sent(2))[0].delivery.set_exception(TopicAuthorizationFailedError())
    assert await refused == NotTaken(NotTakenReason.NOT_ALLOWED)
    assert await unanswered == LATE
    await until(lambda: unavailable(world) == [0, 1, 2])
    assert not world.session.takes_nothing
    assert not world.session.broken
    world.producer.leaders = dict.fromkeys(range(4), -1)
    world.session.check()
    assert world.session.takes_nothing
    world.producer.leaders.clear()
    world.producer.sent[1].acknowledge(0)
    await until(lambda: world.session.records == 0)
    world.session.check()
    assert world.session.unavailable == {}  # a new leader begins without the refusal


async def test_a_partition_long_away_holds_a_batch_at_most(world: World) -> None:
    """Each record that waits holds one of Stripe's connections open."""
    world.producer.leaders[2] = -1
    world.session._deadline_s = 0.0
    world.session.check()
    world.session.check()
    waiting = [world.add(value=b"x" * (BATCH_BYTES // 3 - SIZE)) for _ in range(5)]
    refused = [one.result() for one in waiting if one.done()]
    assert refused == [NotTaken(NotTakenReason.UNAVAILABLE)] * 2
    world.producer.leaders.clear()
    world.session.check()
    assert not world.add(value=b"x" * (BATCH_BYTES // 3 - SIZE)).done()
    world.session.abandon()


async def test_a_session_is_stalled_by_what_is_unanswered(world: World) -> None:
    assert world.session.stalled_s() == 0.0
    waiting = [world.add(), world.add(partition=3)]
    [first, second] = await world.sent(2)
    began = asyncio.get_running_loop().time()
    await until(lambda: world.session.stalled_s() > 0.02)
    first.acknowledge(0)
    await waiting[0]
    assert world.session.stalled_s() < asyncio.get_running_loop().time() - began
    second.acknowledge(0)
    await waiting[1]
    assert world.session.stalled_s() == 0.0


async def test_an_abandoned_session_gives_its_room_back(world: World) -> None:
    waiting = [world.add(), world.add(partition=3, value=b"x" * BATCH_BYTES)]
    await world.sent(2)
    waiting.append(world.add(value=b"x" * BATCH_BYTES))
    world.session.abandon()
    assert await asyncio.gather(*waiting) == [AWAY] * 3
    await until(lambda: world.in_flight == (0, 0))
