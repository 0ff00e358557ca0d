"""A member's reads, on a consumer that fails as aiokafka 0.14 does: with what it had taken of others gone."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from aiokafka.errors import CorruptRecordException, KafkaError, TopicAuthorizationFailedError
from aiokafka.structs import TopicPartition

from stripeline.workers.kafka.broker_clock import BrokerClock
from stripeline.workers.kafka.consumer import IDLE_POLL_MS, POLL_MS
from stripeline.workers.kafka.partition_reader import IDLE_FETCH_WAIT_MS
from stripeline.workers.kafka.polling import Polling
from stripeline.workers.task.idle_reads import QUIET_S
from stripeline.workers.task.input_partition import InputPartition
from tests.support.records import Record

ONE, TWO, THREE = (TopicPartition("commands", number) for number in range(3))


@dataclass
class Consumer:
    """Each partition has this many records; a read that comes to a bad offset raises, and has moved the others."""

    ends: dict[TopicPartition, int]
    bad: dict[TopicPartition, int] = field(default_factory=dict)
    error: Exception = field(default_factory=lambda: CorruptRecordException("Invalid CRC"))
    positions: dict[TopicPartition, int] = field(default_factory=dict)
    fetched_ms: int = 1
    waits_ms: list[int] = field(default_factory=list)
    asked: list[TopicPartition] = field(default_factory=list)
    _fetch_max_wait_ms: int = POLL_MS
    _fetcher_timeout: float = 0.2

    @property
    def _fetcher(self) -> "Consumer":
        return self

    def seek(self, tp: TopicPartition, offset: int) -> None:
        self.positions[tp] = offset

    async def position(self, tp: TopicPartition) -> int:
        self.asked.append(tp)
        return self.positions[tp]

    def last_stable_offset(self, tp: TopicPartition) -> int:
        return self.ends[tp]

    def last_poll_timestamp(self, tp: TopicPartition) -> int:
        return self.fetched_ms

    def assignment(self) -> set[TopicPartition]:
        return {*self.ends}

    def highwater(self, tp: TopicPartition) -> int:
        return self.ends[tp]

    async def getmany(self, *tps: TopicPartition, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[Any]]:
        found = {}
        self.waits_ms.append(timeout_ms)
        for tp in tps:
            first = self.positions[tp]
            last = min(self.ends[tp], first + max_records)
            if first <= self.bad.get(tp, -1) < last:
                raise self.error
            if last > first:
                self.positions[tp] = last
                found[tp] = [Record(topic=tp.topic, partition=tp.partition, offset=at) for at in range(first, last)]
        return found


@dataclass
class Held:
    """Holds what it is asked to examine."""

    readable: bool = False
    denied: bool = False
    went_on: list[TopicPartition] = field(default_factory=list)
    at: dict[TopicPartition, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.at)

    def __contains__(self, tp: object) -> bool:
        return tp in self.at

    def keeps(self, tp: TopicPartition, position: int, now_s: float) -> bool:
        return self.at.get(tp) == position

    async def examine(self, tp: TopicPartition, position: int, error: Exception | None) -> bool:
        if not self.readable:
            self.at[tp] = position
        return not self.readable

    def past(self, *_: Any) -> None:
        return None

    def is_denied(self, tp: TopicPartition) -> bool:
        return self.denied and tp in self.at

    def goes_on(self, tp: TopicPartition) -> None:
        assert tp not in self.at or self.denied
        if tp in self.at:
            self.went_on.append(tp)


@dataclass
class Task:
    inputs: dict[TopicPartition, InputPartition]
    taken: list[int] = field(default_factory=list)
    open: bool = True
    role: Any = field(default_factory=lambda: type("Role", (), {"dead_letters": "letters"}))

    def wanted(self) -> list[TopicPartition]:
        return [*self.inputs]

    def deliver(self, tp: TopicPartition, records: list[Any], position: int) -> None:
        self.taken += [record.offset for record in records]
        self.inputs[tp].read(records, position)


def opened(consumer: Consumer, held: Held) -> tuple[Polling, dict[TopicPartition, Task]]:
    consumer.positions = dict.fromkeys(consumer.ends, 0)
    tasks = {tp: Task({tp: InputPartition(grows=True)}) for tp in consumer.ends}
    by_number: Any = {tp.partition: task for tp, task in tasks.items()}
    fake: Any = consumer
    kept: Any = held
    return Polling(fake, by_number, kept, BrokerClock()), tasks


async def polled(polling: Polling, times: int) -> None:
    for _ in range(times):
        await polling.once()


async def test_a_member_without_records_waits_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    consumer, clock = Consumer(ends={ONE: 1, TWO: 0}), [0.0]
    polling, tasks = opened(consumer, Held())
    monkeypatch.setattr("stripeline.workers.kafka.polling.time.monotonic", lambda: clock[0])
    for clock[0] in (0.0, 1.0, 1.0 + QUIET_S - 0.1, 1.0 + QUIET_S):  # the first one brings a record
        await polling.once()
    assert consumer.waits_ms == [POLL_MS, POLL_MS, POLL_MS, IDLE_POLL_MS]
    assert (consumer._fetch_max_wait_ms, consumer._fetcher_timeout) == (IDLE_FETCH_WAIT_MS, 3.0)
    consumer.ends[TWO] = 1
    await polling.once()
    # Of the fetch that follows the records:
    assert (consumer._fetch_max_wait_ms, consumer._fetcher_timeout) == (POLL_MS, 0.2)
    tasks[ONE].open = False  # it has no room, or is being restored
    tasks[ONE].wanted = list  # type: ignore[method-assign]
    for clock[0] in (10.0, 20.0):
        await polling.once()
    assert consumer.waits_ms[-2:] == [POLL_MS, POLL_MS]


async def test_only_where_more_may_have_been_read_is_asked() -> None:
    consumer = Consumer(ends={ONE: 0, TWO: 0})
    polling, tasks = opened(consumer, Held())
    await polled(polling, 3)
    assert sorted(consumer.asked) == [ONE, TWO]  # that they were read for the first time
    consumer.ends[TWO] = consumer.positions[TWO] = 1  # a transaction marker
    await polled(polling, 3)
    assert consumer.asked[2:] == [TWO]
    assert tasks[TWO].inputs[TWO].watermark.next == 1


async def test_a_marker_behind_records_that_waited_is_passed_later() -> None:
    consumer = Consumer(ends={ONE: 1})
    polling, tasks = opened(consumer, Held())
    source = tasks[ONE].inputs[ONE]
    await polled(polling, 1)
    consumer.ends[ONE] = consumer.positions[ONE] = 2  # a transaction marker, while the record waits for room
    await polled(polling, 1)
    assert source.watermark.take(source.pop().offset)
    assert source.watermark.next == 1
    await polled(polling, 1)
    assert source.watermark.next == 2


async def test_records_before_and_beside_a_bad_one_come_once() -> None:
    consumer = Consumer(ends={ONE: 700, TWO: 900, THREE: 30}, bad={TWO: 620, THREE: 7})
    held = Held()
    polling, tasks = opened(consumer, held)
    await polled(polling, 30)
    assert tasks[ONE].taken == [*range(700)]
    assert tasks[TWO].taken == [*range(620)]
    assert tasks[THREE].taken == [*range(7)]
    assert held.at == {TWO: 620, THREE: 7}


async def test_what_kafka_can_read_is_the_memberships_failure() -> None:
    """An error that is no batch's would otherwise be met for ever, without a word."""
    polling, _ = opened(Consumer(ends={ONE: 9}, bad={ONE: 0}, error=ValueError("of a library")), Held(readable=True))
    with pytest.raises(KafkaError, match="commands-0 was not read: ValueError"):
        await polled(polling, 5)


async def test_an_error_of_no_partition_ends_the_membership_at_once() -> None:
    polling, _ = opened(Consumer(ends={ONE: 9, TWO: 9}, bad={ONE: 0}, error=KafkaError("of the group")), Held())
    with pytest.raises(KafkaError, match="of the group"):
        await polling.once()


async def test_a_denied_partition_without_records_goes_on() -> None:
    """Nothing is read of it before and after the right is granted: only a fetch that succeeds tells the two apart."""
    consumer = Consumer(ends={ONE: 1, TWO: 9}, bad={ONE: 0}, error=TopicAuthorizationFailedError("commands"))
    held = Held(denied=True)
    polling, tasks = opened(consumer, held)
    await polled(polling, 10)
    assert (held.at, tasks[TWO].taken) == ({ONE: 0}, [*range(9)])
    consumer.bad, consumer.ends[ONE] = {}, 0
    held.at[ONE] = -1  # to be looked at again
    await polled(polling, 3)
    assert held.went_on == []
    consumer.fetched_ms = 2
    await polled(polling, 3)
    assert ONE in held.went_on
