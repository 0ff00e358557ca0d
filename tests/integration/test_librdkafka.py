"""Another family of clients, librdkafka with the partitioner that it has when nobody chooses one, as another team."""

import asyncio
import json
import time
from collections import Counter, defaultdict
from collections.abc import Mapping

from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition

from stripeline.contracts.vocabulary import Fault
from stripeline.workers.executor.command_state import Call
from stripeline.workers.executor.stripe_answer import StripeAnswer
from tests.support.broker import Broker
from tests.support.scripted_workers import LIMITED, ScriptedStripe, ScriptedWorkers, customers, scripted_workers

PARTITIONS, KEYS, OF_EACH, WITHOUT = 4, 25, 8, 60
LIMITED_ONCE = "key3-2"
WITHIN_S = 30.0


def orders() -> list[tuple[str | None, str]]:
    """Keys and command ids: the commands of each key in their order, among each other and among those without."""
    keyed = [(f"key{key}", f"key{key}-{number}") for number in range(OF_EACH) for key in range(KEYS)]
    free = [(None, f"free-{number}") for number in range(WITHOUT)]
    return [*keyed[: len(keyed) // 2], *free, *keyed[len(keyed) // 2 :]]


def produce(workers: ScriptedWorkers) -> dict[str, int]:
    """The partition of each command, as the broker told it."""
    places: dict[str, int] = {}
    producer = Producer({"bootstrap.servers": workers.bootstrap, "enable.idempotence": True})
    for key, command_id in orders():

        def delivered(error: KafkaError | None, message: Message, command_id: str = command_id) -> None:
            assert error is None
            places[command_id] = message.partition()

        (command,) = customers(command_id)
        producer.produce(workers.topics.command, json.dumps(command), key, on_delivery=delivered)
    assert producer.flush(WITHIN_S) == 0
    return places


def consume(workers: ScriptedWorkers, count: int) -> list[Message]:
    """So many results from the beginning on, and whatever comes just behind them."""
    consumer = Consumer(
        {"bootstrap.servers": workers.bootstrap, "group.id": "another-team", "isolation.level": "read_committed"}
    )
    try:
        consumer.assign([TopicPartition(workers.topics.result, number, 0) for number in range(PARTITIONS)])
        found: list[Message] = []
        deadline = time.monotonic() + WITHIN_S
        while len(found) < count and time.monotonic() < deadline:
            found += consumer.consume(count, timeout=0.5)
        return [*found, *consumer.consume(count, timeout=0.5)]
    finally:
        consumer.close()


class Counting(ScriptedStripe):
    """How many calls of one key were under way together, at most."""

    def __init__(self, script: Mapping[str, list[StripeAnswer | Fault]]) -> None:
        super().__init__(script=dict(script))
        self.under_way: Counter[str] = Counter()
        self.most: Counter[str] = Counter()

    async def send(self, call: Call) -> StripeAnswer | Fault:
        key = call.command.command_id.rpartition("-")[0]
        self.under_way[key] += 1
        self.most[key] = max(self.most[key], self.under_way[key])
        await asyncio.sleep(0)
        try:
            return await super().send(call)
        finally:
            self.under_way[key] -= 1


async def test_librdkafkas_commands_have_one_result_each_in_order(broker: Broker, prefix: str):
    async with scripted_workers(broker.bootstrap_servers, prefix, partitions=PARTITIONS) as workers:
        stripe = Counting({LIMITED_ONCE: [LIMITED]})
        await workers.start(stripe).ready(PARTITIONS)
        places = await asyncio.to_thread(produce, workers)
        wanted = [command_id for _, command_id in orders()]
        assert set(places) == set(wanted)
        assert set(places.values()) == set(range(PARTITIONS))
        messages = await asyncio.to_thread(consume, workers, len(wanted))
        results = [(message, json.loads(message.value() or b"null")) for message in messages]
        assert Counter(result["command_id"] for _, result in results) == Counter(wanted)
        for message, result in results:
            name = result["command_id"]
            assert message.partition() == places[name]
            assert message.key() == (None if name.startswith("free") else name.rpartition("-")[0].encode())
            assert result["status"] == "succeeded"
        _in_order([result["command_id"] for _, result in results])
        _in_order([name for name in stripe.ended if name != LIMITED_ONCE])
        assert {key: most for key, most in stripe.most.items() if key != "free" and most > 1} == {}


def _in_order(names: list[str]) -> None:
    by_key = defaultdict(list)
    for name in names:
        key, _, number = name.rpartition("-")
        if key != "free":
            by_key[key].append(int(number))
    assert len(by_key) == KEYS
    assert all(numbers == sorted(numbers) for numbers in by_key.values())
