"""How records of a partition become batches, with a producer that does what the test says."""

import asyncio
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import MessageSizeTooLargeError, NotLeaderForPartitionError
from aiokafka.producer.message_accumulator import BatchBuilder, MessageAccumulator, MessageBatch

from stripeline.contracts.topics import RECORD_MAX_BYTES
from stripeline.contracts.vocabulary import NotTakenReason
from stripeline.ingest.kafka.batches import BATCH_BYTES, Lane
from stripeline.ingest.kafka.producer_supervisor import Session
from stripeline.ingest.publish_result import NotTaken, Published
from stripeline.ingest.routing import Publication
from tests.support.publish_futures import outcome_of

SIZE = 100
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
    """Keeps what it is sent; `held` is a queue that does not move. `busy`: another request is under way."""

    sent: list[Sent] = field(default_factory=list)
    held: asyncio.Event | None = None
    busy: bool = False

    async def send_batch(self, batch: BatchBuilder, topic: str, *, partition: int) -> "asyncio.Future[Any]":
        if self.held is not None:
            await self.held.wait()
        sent = Sent(batch, partition, asyncio.get_running_loop().create_future())
        if not self.busy:
            sent.take()
        self.sent.append(sent)
        return sent.delivery


class World:
    """One lane of partition 2, on a producer of the test's."""

    def __init__(self) -> None:
        self.producer = Producer()
        self.session = Session(self.producer)
        self.judged: list[Exception] = []
        self.lane = Lane(self.session, "stripe.payment-event", 2, self._judge)
        self.session.lanes["payment-event"] = [self.lane]

    def _judge(self, error: Exception) -> NotTaken:
        self.judged.append(error)
        return LATE if isinstance(error, TimeoutError) else FAILED

    def add(
        self, *, value: bytes = b"{}", within_s: float = 5.0, lane: Lane | None = None
    ) -> "asyncio.Future[Published | NotTaken]":
        publication = Publication(topic="payment-event", key=b"pi", value=value, headers=(), timestamp_ms=1)
        size = SIZE + len(value)
        self.session.entered(size)
        future, done = outcome_of()
        (lane or self.lane).add(publication, size, self.session.loop.time() + within_s, done)
        return future

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


async def test_records_of_one_turn_leave_in_one_batch_and_are_answered_together(world: World) -> None:
    waiting = [world.add() for _ in range(3)]
    [batch] = await world.sent(1)
    assert (batch.records, batch.partition) == (3, 2)
    assert not any(one.done() for one in waiting)
    batch.acknowledge(40)
    assert await asyncio.gather(*waiting) == [Published(partition=2, offset=40 + number) for number in range(3)]
    assert (world.session.count, world.session.bytes) == (0, 0)


async def test_batches_of_all_partitions_leave_together(world: World) -> None:
    other = Lane(world.session, "stripe.payment-event", 3, world._judge)
    first = world.add()
    (await world.sent(1))[0].acknowledge(0)
    await first
    waiting = [world.add(), world.add(lane=other)]  # in the rest behind the first
    await until(lambda: len(world.producer.sent) > 1)
    _, *together = world.producer.sent
    assert [sent.partition for sent in together] == [2, 3]
    for sent in together:
        sent.acknowledge(1)
    assert {type(await one) for one in waiting} == {Published}


async def test_what_comes_while_a_batch_is_under_way_leaves_when_it_is_acknowledged(world: World) -> None:
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


async def test_what_comes_before_the_sender_takes_a_batch_leaves_with_it(world: World) -> None:
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


async def test_nothing_joins_those_who_were_told_that_it_is_too_late(world: World) -> None:
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


async def test_a_batch_that_is_not_taken_is_as_large_as_any(world: World) -> None:
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
    assert await asyncio.gather(*lost) == [FAILED, FAILED]
    assert [type(error) for error in world.judged] == [NotLeaderForPartitionError]
    (await world.sent(2))[1].acknowledge(7)
    assert await kept == Published(partition=2, offset=7)
    assert world.session.count == 0


async def test_each_record_has_its_own_deadline_and_the_batch_goes_its_way(world: World) -> None:
    hasty, patient = world.add(within_s=0.02), world.add(within_s=0.06)
    [batch] = await world.sent(1)
    started = world.session.loop.time()
    assert await hasty == LATE
    assert not patient.done()
    assert await patient == LATE
    assert world.session.loop.time() - started >= 0.04
    assert world.session.count == 2  # Kafka may have it yet: it counts until that is known
    batch.acknowledge(0)
    await until(lambda: world.session.count == 0)


async def test_an_acknowledgement_in_time_is_not_overtaken_by_the_timer(world: World) -> None:
    hasty, patient = world.add(within_s=0.02), world.add(within_s=5)
    [batch] = await world.sent(1)
    assert await hasty == LATE
    batch.acknowledge(3)
    assert await patient == Published(partition=2, offset=4)


async def test_a_batch_that_nobody_waits_for_any_more_is_not_sent(world: World) -> None:
    world.producer.held = asyncio.Event()
    waiting = [world.add(within_s=0.02), world.add(within_s=0.03)]
    assert await asyncio.gather(*waiting) == [LATE, LATE]
    await until(lambda: world.session.count == 0)
    world.producer.held.set()
    again = world.add()
    [batch] = await world.sent(1)
    assert batch.records == 1
    batch.acknowledge(0)
    assert isinstance(await again, Published)


async def test_what_waited_too_long_behind_another_batch_is_not_sent(world: World) -> None:
    first = world.add()
    [batch] = await world.sent(1)
    second = world.add(within_s=0.02)
    assert await second == LATE
    batch.acknowledge(0)
    assert isinstance(await first, Published)
    await until(lambda: world.session.count == 0)
    assert len(world.producer.sent) == 1


async def test_a_record_that_is_too_large_is_refused_alone(world: World) -> None:
    assert await world.add(value=b"x" * RECORD_MAX_BYTES) == FAILED
    assert [type(error) for error in world.judged] == [MessageSizeTooLargeError]
    assert (world.session.count, world.producer.sent) == (0, [])
    large, small = world.add(value=b"x" * (RECORD_MAX_BYTES - 200)), world.add()
    (await world.sent(1))[0].acknowledge(0)
    (await world.sent(2))[1].acknowledge(1)
    assert [(await one).offset for one in (large, small)] == [0, 1]  # type: ignore[union-attr]


async def test_a_full_batch_fits_aiokafkas_to_the_byte(world: World) -> None:
    waiting = [world.add(value=b"x" * (BATCH_BYTES // 4 - SIZE)) for _ in range(4)]
    (await world.sent(1))[0].acknowledge(0)
    assert {type(await one) for one in waiting} == {Published}


async def test_a_producer_that_is_given_up_answers_whoever_waits(world: World) -> None:
    under_way = world.add()
    await world.sent(1)
    behind = [world.add(value=b"x" * (BATCH_BYTES - SIZE)), world.add()]
    world.session.abandon()
    assert await asyncio.gather(under_way, *behind) == [AWAY] * 3


async def test_a_producer_that_is_given_up_before_a_batch_began_answers_too(world: World) -> None:
    waiting = world.add()
    world.session.abandon()
    assert await waiting == AWAY


async def test_stopping_waits_for_what_is_in_flight_but_not_for_ever(world: World) -> None:
    waiting = world.add()
    [batch] = await world.sent(1)
    emptied = asyncio.create_task(world.session.emptied(5))
    await asyncio.sleep(0)
    assert not emptied.done()
    batch.acknowledge(0)
    await emptied
    assert isinstance(await waiting, Published)
    world.add()
    await world.session.emptied(0.02)
    assert world.session.count == 1
    world.session.abandon()


def test_what_is_used_of_aiokafka_and_is_not_public_is_as_it_was_in_0_14() -> None:
    """Read in aiokafka 0.14.0. When this fails, read the new accumulator against `ingest/kafka/batches.py`."""
    popped = inspect.getsource(MessageAccumulator._pop_batch)
    counted, taken = popped.index("batch.record_count"), popped.index("batch.set_producer_state(")
    assert counted < taken < popped.index("batch.drain_ready()")
    assert "await" not in popped  # nothing can be added between the two
    assert "self._builder._set_producer_state(" in inspect.getsource(MessageBatch.set_producer_state)
    assert list(inspect.signature(BatchBuilder).parameters)[:2] == ["batch_size", "compression_type"]
