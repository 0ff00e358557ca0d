"""When Kafka last answered a consumer: by the fetches it answered, or by a question."""

from dataclasses import dataclass, field

import pytest
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from stripeline.workers.kafka.watch import sign_of_life
from stripeline.workers.kafka.watch.sign_of_life import ASK_AFTER_S, SignOfLife

ONE, TWO = TopicPartition("stripe.action-command", 0), TopicPartition("stripe.action-command", 1)


@dataclass
class Consumer:
    """`polled`: the host's time of the last answered fetch of each partition."""

    polled: dict[TopicPartition, int | None] = field(default_factory=dict)
    answers: bool = True
    asked: list[TopicPartition] = field(default_factory=list)

    def assignment(self):
        return set(self.polled)

    def last_poll_timestamp(self, tp):
        return self.polled[tp]

    async def end_offsets(self, partitions):
        self.asked.extend(partitions)
        if not self.answers:
            raise KafkaError
        return dict.fromkeys(partitions, 0)


class Time:
    now_s = 1_000.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def time(monkeypatch):
    found = Time()
    monkeypatch.setattr(sign_of_life, "time", found)
    return found


def test_an_answered_fetch_of_any_partition_is_a_sign(time):
    consumer, life = Consumer({ONE: None, TWO: None}), SignOfLife()
    time.now_s += 20
    life.look(consumer)
    assert life.silent_s() == 20, "no fetch was answered yet"
    consumer.polled[TWO] = 1_700_000
    time.now_s += 1
    life.look(consumer)
    assert life.silent_s() == 0
    time.now_s += 7
    life.look(consumer)
    assert life.silent_s() == 7, "the same answer is no second sign"


def test_the_hosts_time_of_day_may_be_set_back(time):
    consumer, life = Consumer({ONE: 1_700_000}), SignOfLife()
    for polled in (1_700_000, 900_000):
        consumer.polled[ONE] = polled
        time.now_s += 5
        life.look(consumer)
        assert life.silent_s() == 0


async def test_without_fetches_each_question_is_for_another_partition(time):
    consumer, life = Consumer(), SignOfLife()
    await life.ask(consumer, [ONE, TWO])
    assert consumer.asked == [], "it was heard a moment ago"
    for _ in range(3):
        time.now_s += ASK_AFTER_S
        await life.ask(consumer, [ONE, TWO])
        assert life.silent_s() == 0
    assert consumer.asked == [ONE, TWO, ONE]


async def test_a_question_without_an_answer_is_no_sign(time):
    consumer, life = Consumer(answers=False), SignOfLife()
    time.now_s += ASK_AFTER_S
    await life.ask(consumer, [ONE])
    time.now_s += ASK_AFTER_S - 1
    await life.ask(consumer, [ONE])
    assert (life.silent_s(), consumer.asked) == (2 * ASK_AFTER_S - 1, [ONE])
