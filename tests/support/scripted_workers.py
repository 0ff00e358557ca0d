"""One role's workers in this process, on a real Kafka, with scripted calls: a test sees and steers each of them."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord
from aiokafka.structs import OffsetAndMetadata, TopicPartition

from stripeline.contracts.retry_tiers import parse_tiers
from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import Fault
from stripeline.deploy.operations.topics import apply as apply_topics
from stripeline.workers.actions import actions
from stripeline.workers.executor.command_state import Call
from stripeline.workers.executor.executor import Executor
from stripeline.workers.executor.setup import Setup
from stripeline.workers.executor.stripe_answer import StripeAnswer
from stripeline.workers.kafka.broker_clock import BrokerClock
from stripeline.workers.kafka.group_member import Membership, Worker
from stripeline.workers.kafka.unread.held_inputs import Skips
from stripeline.workers.roles import ExecutorRole, Role
from tests.support.broker import admin
from tests.support.records import INSTALLATION, any_owner, command, installation

WITHIN_S = 20.0
TIERS = "300ms,700ms,1h"
LIMITED = StripeAnswer(status=429, headers={}, body=b'{"error":{"type":"rate_limit_error","message":"slow"}}')
DONE = StripeAnswer(
    status=200, headers={}, body=b'{"id":"cus_1","object":"customer","email":null,"name":null,"created":1}'
)
Poison = tuple[bytes | None, bytes | None]


async def until(holds: Callable[[], bool | Awaitable[bool]], what: str, within_s: float = WITHIN_S) -> None:
    """Wait until a condition holds; say which one did not."""
    deadline = time.monotonic() + within_s
    while True:
        held = holds()
        if held if isinstance(held, bool) else await held:
            return
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s} s: {what}")
        await asyncio.sleep(0.01)


@dataclass(frozen=True, slots=True)
class Made:
    """One call that was made."""

    command: str
    key: str | None
    at_s: float


@dataclass
class ScriptedStripe:
    """Stands where Stripe would: notes each call, and answers as the script says; a gated one waits for its gate."""

    made: list[Made] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    gates: dict[str, asyncio.Event] = field(default_factory=dict)
    script: dict[str, list[StripeAnswer | Fault]] = field(default_factory=dict)

    @property
    def commands(self) -> list[str]:
        return [made.command for made in self.made]

    def gate(self, *commands: str) -> asyncio.Event:
        """Hold these commands' calls until the event is set."""
        event = asyncio.Event()
        self.gates.update(dict.fromkeys(commands, event))
        return event

    async def send(self, call: Call) -> StripeAnswer | Fault:
        name = call.command.command_id
        self.made.append(Made(name, call.idempotency_key, time.monotonic()))
        if (gate := self.gates.get(name)) is not None:
            await gate.wait()
        self.ended.append(name)
        answers = self.script.get(name)
        return answers.pop(0) if answers else DONE


@dataclass
class Running:
    """A worker that runs."""

    worker: Worker[Any]
    stripe: ScriptedStripe
    stop: asyncio.Event
    task: asyncio.Task[None]

    async def ready(self, partitions: int | None = None) -> None:
        def is_ready() -> bool:
            assert not self.task.done(), "the worker ended"
            count = len(self.worker.tasks)
            return self.worker.missing() is None and (count == partitions if partitions is not None else count > 0)

        try:
            await until(is_ready, f"a worker with {partitions or 'some'} partitions")
        except AssertionError:
            raise AssertionError(f"not ready: {self.worker.missing()}; tasks {self.worker.tasks}") from None

    async def end(self, within_s: float = WITHIN_S) -> None:
        """As SIGTERM ends it."""
        self.stop.set()
        async with asyncio.timeout(within_s):
            await self.task

    async def kill(self) -> None:
        """As kill -9 ends it, but that it leaves the group at once: nothing more is committed."""
        owners = self.worker._owners
        running, tasks = [*owners._running.values()], [*owners.tasks.values()]
        owners.tasks.clear()
        owners._running.clear()
        for one in running:
            one.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await asyncio.gather(*(task.discard() for task in tasks))
        await self.end()


@dataclass
class ScriptedWorkers:
    """The topics of one prefix, and what a test asks of them."""

    bootstrap: str
    topics: Topics
    partitions: int
    running: list[Running] = field(default_factory=list)
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def client(self) -> Mapping[str, Any]:
        return {"bootstrap_servers": self.bootstrap, "retry_backoff_ms": 20, **self.options}

    def role(self, stripe: ScriptedStripe, concurrency: int = 256, former: Sequence[str] = ()) -> ExecutorRole:
        executor = Executor(
            setup=Setup(topics=self.topics, installation=installation, actions=actions(), owner=any_owner)
        )
        return ExecutorRole(self.topics, executor, stripe.send, concurrency, former)

    def start(
        self, stripe: ScriptedStripe, *, role: Role[Any] | None = None, skips: Skips = dict, **membership_fields: Any
    ) -> Running:
        membership = Membership(
            **{"client": self.client, "partitions": self.partitions, "session_s": 6.0, **membership_fields}
        )
        worker: Worker[Any] = Worker(role or self.role(stripe), membership, BrokerClock(), skips)
        stop = asyncio.Event()
        started = Running(worker, stripe, stop, asyncio.create_task(worker.run(stop)))
        self.running.append(started)
        return started

    async def work_off(self, *names: str, key: str) -> None:
        """Have commands of one key done by a worker of their own, which then ends: what it knew is in the changelog."""
        worker = self.start(ScriptedStripe())
        await worker.ready()
        await self.send(*customers(*names), key=key)
        await self.all_have_results(*names)
        await worker.end()

    async def close(self) -> None:
        for one in self.running:
            if not one.task.done():
                await one.kill()

    async def send(self, *values: Mapping[str, Any], key: str | None = None, partition: int = 0) -> None:
        """Commands of one key, in order."""
        raw = None if key is None else key.encode()
        await self.put(self.topics.command, *((raw, orjson.dumps(value)) for value in values), partition=partition)

    async def put(self, topic: str, *records: Poison, partition: int = 0, headers: Sequence[Any] = ()) -> None:
        async with AIOKafkaProducer(**self.client, max_request_size=2_097_152, enable_idempotence=True) as producer:
            sent = [await producer.send(topic, value, key, partition, headers=list(headers)) for key, value in records]
            await asyncio.gather(*sent)

    async def read(self, topic: str, *, partition: int | None = None, committed: bool = True) -> list[ConsumerRecord]:
        """All records of a topic, or of one of its partitions."""
        level = "read_committed" if committed else "read_uncommitted"
        numbers = range(self.partitions) if partition is None else [partition]
        tps = [TopicPartition(topic, number) for number in numbers]
        async with AIOKafkaConsumer(**self.client, isolation_level=level, fetch_max_wait_ms=20) as consumer:
            consumer.assign(tps)
            await consumer.seek_to_beginning(*tps)
            ends = await consumer.end_offsets(tps)
            found: list[ConsumerRecord] = []
            while any([await consumer.position(tp) < ends[tp] for tp in tps]):
                for records in (await consumer.getmany(timeout_ms=100)).values():
                    found.extend(records)
            return found

    async def results(self, partition: int | None = None) -> list[dict[str, Any]]:
        return [orjson.loads(record.value) for record in await self.read(self.topics.result, partition=partition)]

    async def all_have_results(self, *wanted: str, within_s: float = WITHIN_S) -> list[str]:
        """Wait until each of these commands has a result; all command ids with one, in order."""
        seen: list[str] = []

        async def there() -> bool:
            seen[:] = [result["command_id"] for result in await self.results()]
            return set(wanted) <= set(seen)

        try:
            await until(there, "results", within_s)
        except AssertionError:
            missing = sorted(set(wanted) - set(seen))
            raise AssertionError(f"no result within {within_s} s of {len(missing)}: {missing[:5]}") from None
        return seen

    async def committed(self, topic: str, group: str = "executor", partition: int = 0) -> OffsetAndMetadata:
        tp = TopicPartition(topic, partition)
        async with admin(self.bootstrap) as client:
            offsets = await client.list_consumer_group_offsets(f"{self.topics.prefix}{group}", partitions=[tp])
            found: OffsetAndMetadata = offsets[tp]
            return found

    async def lag(self, topic: str, group: str = "executor", partition: int = 0) -> int:
        """Offsets that the group has not passed."""
        tp = TopicPartition(topic, partition)
        async with AIOKafkaConsumer(**self.client) as consumer:
            end = (await consumer.end_offsets([tp]))[tp]
        return int(end - max((await self.committed(topic, group, partition)).offset, 0))

    async def no_lag(self, *topics: str, group: str = "executor", partition: int = 0) -> None:
        for topic in topics:

            async def none_left(topic: str = topic) -> bool:
                return await self.lag(topic, group, partition) == 0

            await until(none_left, f"everything of {topic} is passed")


@contextlib.asynccontextmanager
async def scripted_workers(
    bootstrap: str, prefix: str, *, partitions: int = 1, tiers: str = TIERS
) -> AsyncIterator[ScriptedWorkers]:
    topics = Topics(prefix=prefix, tiers=parse_tiers(tiers))
    workers = ScriptedWorkers(bootstrap, topics, partitions)
    await apply_topics(topics, partitions, workers.client, wanted=INSTALLATION)
    try:
        yield workers
    finally:
        await workers.close()


def customers(*names: str) -> list[dict[str, Any]]:
    return [command(name, input={"name": name}) for name in names]


def numbered(start: int, count: int) -> list[str]:
    return [f"c{number}" for number in itertools.islice(itertools.count(start), count)]
