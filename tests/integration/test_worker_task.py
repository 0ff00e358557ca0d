"""A worker's tasks on real Kafka, in this process, with calls that a test answers."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.structs import TopicPartition
from msgspec.structs import replace
from prometheus_client import CollectorRegistry, generate_latest

from stripeline.contracts import headers as h
from stripeline.contracts.retry_tiers import parse_tiers
from stripeline.contracts.topics import Topics
from stripeline.deploy.operations.topics import apply
from stripeline.deploy.telemetry.collector import MetricsCollector
from stripeline.deploy.telemetry.metrics.worker import WORKER
from stripeline.deploy.telemetry.sources import WorkerView
from stripeline.workers.actions import actions
from stripeline.workers.executor import ledger
from stripeline.workers.executor.command_state import Call
from stripeline.workers.executor.executor import Executor
from stripeline.workers.executor.setup import Setup
from stripeline.workers.executor.stripe_answer import StripeAnswer
from stripeline.workers.kafka.broker_clock import BrokerClock
from stripeline.workers.kafka.group_member import Membership, Worker
from stripeline.workers.roles import ExecutorRole
from stripeline.workers.task.input_partition import BUFFER_BYTES
from stripeline.workers.task.intake import HELD_BYTES
from stripeline.workers.task.watermark import decode
from tests.support.broker import Broker, quiet_fencing
from tests.support.end_state import read_topic
from tests.support.records import any_owner, command, installation

PARTITIONS = 2
DONE = StripeAnswer(
    status=200, headers={}, body=b'{"id":"cus_1","object":"customer","email":null,"name":null,"created":1}'
)
TOO_MANY = StripeAnswer(status=429, headers={}, body=b'{"error":{"type":"api_error"}}')
NOT_OFFERED = StripeAnswer(status=403, headers={}, body=b'{"error":{"type":"api_error"}}')
MORE = StripeAnswer(status=200, headers={}, body=b'{"object":"list","data":[{"id":"cus_9"}],"has_more":true}')
NOT_FOUND = StripeAnswer(status=200, headers={}, body=b'{"object":"list","data":[]}')


@dataclass
class Bench:
    """Topics of one prefix, workers on them, and every call that they made."""

    topics: Topics
    client: dict[str, Any]
    calls: list[tuple[str, str | None]] = field(default_factory=list)
    answer: Callable[[Call], Awaitable[Any]] | None = None
    number: int = 0

    async def send(self, call: Call) -> Any:
        self.calls.append((call.command.command_id, call.idempotency_key))
        return DONE if self.answer is None else await self.answer(call)

    @asynccontextmanager
    async def worker(self, clock: BrokerClock | None = None, **membership: Any) -> AsyncIterator[Worker[Any]]:
        executor = Executor(
            setup=Setup(topics=self.topics, installation=installation, actions=actions(), owner=any_owner)
        )
        role = ExecutorRole(self.topics, executor, self.send, 64)
        membership = {"client": self.client, "commit_interval_s": 0.03, **membership}
        worker = Worker(role, Membership(**membership), clock or BrokerClock())
        stop = asyncio.Event()
        run = asyncio.create_task(worker.run(stop))
        try:
            await until(lambda: worker.missing() is None and worker.tasks)
            yield worker
        finally:
            stop.set()
            await asyncio.wait_for(run, 40)

    async def produce(
        self, *commands: Any, partition: int = 0, key: bytes | None = b"k", headers: Sequence[Any] = ()
    ) -> None:
        async with AIOKafkaProducer(**self.client) as producer:
            for one in commands:
                value = one if one is None or isinstance(one, bytes) else orjson.dumps(one)
                await producer.send(self.topics.command, value, key=key, partition=partition, headers=list(headers))

    async def read(self, topic: str) -> list[Any]:
        return await read_topic(self.client["bootstrap_servers"], topic, PARTITIONS)

    async def results(self) -> list[str]:
        return [orjson.loads(record.value)["command_id"] for record in await self.read(self.topics.result)]

    async def committed(self, topic: str, partition: int = 0) -> Any:
        admin = AIOKafkaAdminClient(**self.client)
        await admin.start()
        try:
            tp = TopicPartition(topic, partition)
            found = await admin.list_consumer_group_offsets(f"{self.topics.prefix}executor", partitions=[tp])
            return found[tp]
        finally:
            await admin.close()


async def until(check: Callable[[], Any], within_s: float = 30) -> None:
    async with asyncio.timeout(within_s):
        while True:
            found = check()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return
            await asyncio.sleep(0.02)


@pytest.fixture
async def bench(broker: Broker, prefix: str) -> Bench:
    topics = Topics(prefix=prefix, tiers=parse_tiers("300ms,600ms,1h"))
    client = {"bootstrap_servers": broker.bootstrap_servers, "retry_backoff_ms": 20}
    await apply(topics, PARTITIONS, client)
    return Bench(topics, client)


def commands(count: int, name: str = "c") -> list[dict[str, Any]]:
    return [command(f"{name}{number}") for number in range(count)]


async def has_results(bench: Bench, count: int) -> bool:
    return len(await bench.results()) >= count


async def test_each_command_has_one_result_and_duplicates_have_none(bench: Bench):
    async with bench.worker():
        await bench.produce(*commands(50), *commands(50))
        await until(lambda: has_results(bench, 50))
        await until(lambda: caught_up(bench, 100))
    assert Counter(await bench.results()) == Counter(f"c{number}" for number in range(50))
    assert len(bench.calls) == 50


async def caught_up(bench: Bench, offset: int) -> bool:
    return (await bench.committed(bench.topics.command)).offset >= offset


async def test_a_fresh_worker_knows_what_was_done_before_it(bench: Bench):
    async with bench.worker():
        await bench.produce(*commands(20))
        await until(lambda: has_results(bench, 20))
    bench.calls.clear()
    async with bench.worker():
        await bench.produce(*commands(20), command("new"))
        await until(lambda: has_results(bench, 21))
    assert [command_id for command_id, _ in bench.calls] == ["new"]


async def test_results_behind_a_slow_call_are_published_once(bench: Bench):
    go = asyncio.Event()

    async def slow_first(call: Call) -> Any:
        if call.command.command_id == "slow":
            await go.wait()
        return DONE

    bench.answer = slow_first
    async with bench.worker(drain_s=0.1):
        await bench.produce(command("slow"), key=b"slow")
        for number, one in enumerate(commands(100)):
            await bench.produce(one, key=b"k%d" % number)
        await until(lambda: has_results(bench, 100))
        await until(lambda: has_ranges(bench))
        found = await bench.committed(bench.topics.command)
        assert (found.offset, decode(found.offset, found.metadata)) == (0, ((1, 100),))
    assert "slow" not in await bench.results()
    bench.calls.clear()
    go.set()
    async with bench.worker():
        await until(lambda: has_results(bench, 101))
    assert bench.calls == [("slow", "stripeline:inst1:slow")]
    assert max(Counter(await bench.results()).values()) == 1


async def has_ranges(bench: Bench) -> bool:
    found = await bench.committed(bench.topics.command)
    return decode(found.offset, found.metadata) == ((1, 100),)


async def test_a_fenced_task_leaves_nothing_behind_and_heals(bench: Bench):
    quiet_fencing()
    async with bench.worker() as worker:
        await bench.produce(*commands(5))
        await until(lambda: has_results(bench, 5))
        thief = AIOKafkaProducer(**bench.client, transactional_id=f"{bench.topics.prefix}executor-0")
        await thief.start()
        await bench.produce(*commands(30, "after"))
        await until(lambda: has_results(bench, 35))
        await thief.stop()
        await until(lambda: worker.missing() is None)
    assert max(Counter(await bench.results()).values()) == 1
    assert {key for command_id, key in bench.calls if command_id == "after0"} == {"stripeline:inst1:after0"}


@pytest.mark.long
async def test_after_a_standstill_a_former_owner_takes_nothing(bench: Bench):
    """Only its successor, here itself once more, which knows that they may have been attempted."""
    quiet_fencing()
    suspects: dict[str, bool] = {}

    async def answer(call: Call) -> StripeAnswer:
        suspects.setdefault(call.command.command_id, call.state.suspect)
        return DONE

    bench.answer, clock = answer, BrokerClock()
    async with bench.worker(clock):
        await bench.produce(*commands(5), key=None)
        await until(lambda: has_results(bench, 5))
        thief = AIOKafkaProducer(**bench.client, transactional_id=f"{bench.topics.prefix}executor-0")
        await thief.start()
        clock.still.doubts += 1
        await bench.produce(*commands(5, "after"), key=None)
        await until(lambda: has_results(bench, 10))
        await thief.stop()
    assert suspects == {f"c{number}": False for number in range(5)} | {f"after{number}": True for number in range(5)}


async def test_a_retry_returns_when_due_and_holds_only_its_key(bench: Bench):
    failures = Counter({"c0": 2})

    async def answer(call: Call) -> Any:
        if failures[call.command.command_id] > 0:
            failures[call.command.command_id] -= 1
            return TOO_MANY
        return DONE

    bench.answer = answer
    async with bench.worker():
        await bench.produce(*commands(3), key=b"held")
        await bench.produce(*commands(3, "free"), key=b"free")
        await until(lambda: has_results(bench, 3))
        assert set((await bench.results())[:3]) == {"free0", "free1", "free2"}, "another key was delayed"
        await until(lambda: has_results(bench, 6))
    ends = [name for name in await bench.results() if name.startswith("c")]
    assert ends == ["c0", "c1", "c2"]


async def test_a_head_that_is_not_due_holds_only_its_own_tier(bench: Bench):
    async def answer(call: Call) -> Any:
        first = bench.calls.count((call.command.command_id, call.idempotency_key)) == 1
        wait_s = "3000" if call.command.command_id == "far" else "0"
        return replace(TOO_MANY, headers={"retry-after": wait_s}) if first else DONE

    bench.answer = answer
    async with bench.worker():
        await bench.produce(command("far"), key=b"far")
        await until(lambda: bench.read(bench.topics.prefix + "action-retry.1h"))
        await bench.produce(command("near"), key=b"near")
        await until(lambda: has_results(bench, 1))
    assert await bench.results() == ["near"]


async def test_a_deep_and_slow_partition_does_not_stop_another(bench: Bench):
    async def answer(call: Call) -> Any:
        if call.command.command_id.startswith("deep"):
            await asyncio.sleep(0.5)
        return DONE

    bench.answer = answer
    async with bench.worker():
        await bench.produce(*commands(600, "deep"), key=None)
        await bench.produce(*commands(20, "other"), partition=1, key=None)
        await until(lambda: others_done(bench), within_s=3)
    assert len({command_id for command_id, _ in bench.calls if command_id.startswith("deep")}) < 600


async def others_done(bench: Bench) -> bool:
    return sum(name.startswith("other") for name in await bench.results()) == 20


async def test_a_call_in_flight_at_the_end_is_finished_and_committed(bench: Bench):
    started = asyncio.Event()

    async def answer(_: Call) -> Any:
        started.set()
        await asyncio.sleep(0.5)
        return DONE

    bench.answer = answer
    async with bench.worker(drain_s=5):
        await bench.produce(command("late"))
        await started.wait()
    assert await bench.results() == ["late"]
    assert len(bench.calls) == 1


@pytest.mark.parametrize("key", [b"k", b"k" * 900_000])
async def test_poison_is_a_dead_letter_and_the_partition_moves_on(bench: Bench, key: bytes):
    poison = [b"not JSON", None, b"", b"{}", orjson.dumps(command("with space"))]
    async with bench.worker():
        await bench.produce(*poison, key=key)
        await bench.produce(command("good"), key=b"other")
        await until(lambda: has_results(bench, 1))
        await until(lambda: caught_up(bench, len(poison) + 1))
    letters = await bench.read(bench.topics.dead_letter)
    assert [letter.value for letter in letters] == poison
    assert [dict(letter.headers)[h.REASON] for letter in letters] == [b"unreadable"] * len(poison)
    assert [dict(letter.headers)[h.ORIGIN_OFFSET] for letter in letters] == [b"0", b"1", b"2", b"3", b"4"]


async def test_a_fault_of_ours_is_one_records_fate(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    take = Executor.take

    def broken(self: Executor, state: Any, record: Any, *given: Any) -> Any:
        if b"bad" in record.value:
            raise RuntimeError("a fault of ours")
        return take(self, state, record, *given)

    monkeypatch.setattr(Executor, "take", broken)
    async with bench.worker():
        await bench.produce(command("bad"), command("good"))
        await until(lambda: has_results(bench, 1))
    (letter,) = await bench.read(bench.topics.dead_letter)
    assert dict(letter.headers)[h.REASON] == b"internal_error"


async def test_a_task_that_comes_back_goes_on_from_the_state_it_kept(bench: Bench):
    async with bench.worker() as first:
        await bench.produce(*commands(10))
        await until(lambda: has_results(bench, 10))
        async with bench.worker():
            await until(lambda: len(first.tasks) == 1 and first.missing() is None)
            await bench.produce(*commands(10))
        await until(lambda: len(first.tasks) == 2 and first.missing() is None)
        await bench.produce(*commands(10), command("new"))
        await until(lambda: has_results(bench, 11))
    assert len(bench.calls) == 11


class ClockADayAhead(BrokerClock):
    """25 hours have passed since the command was appended."""

    def now_ms(self) -> int:
        return super().now_ms() + 25 * 3_600_000


async def test_after_a_day_a_crashed_call_is_looked_up_and_not_sent(bench: Bench):
    asked = asyncio.Event()

    async def dies(_: Call) -> Any:
        asked.set()
        await asyncio.Event().wait()

    bench.answer = dies
    async with bench.worker(drain_s=0.05):
        await bench.produce(command("lost"))
        await asked.wait()
    assert bench.calls == [("lost", "stripeline:inst1:lost")]

    async def not_found(call: Call) -> Any:
        assert call.look_up is not None
        return NOT_FOUND

    bench.answer = not_found
    async with bench.worker(clock=ClockADayAhead()):
        await until(lambda: has_results(bench, 1))
    assert bench.calls == [("lost", "stripeline:inst1:lost"), ("lost", None)]
    (letter,) = await bench.read(bench.topics.dead_letter)
    assert dict(letter.headers)[h.REASON] == b"past_horizon"


async def test_a_look_up_through_pages_is_one_call(bench: Bench):
    """Its pages keep the slot of its search, so a look-up that hangs has the age of all of them."""
    asked: list[tuple[str, int, float]] = []

    async def answer(call: Call) -> Any:
        asked.append((call.request.path, worker.slots.taken, worker.call_ages.of(0).oldest_s()))
        if call.look_up is not None and call.look_up.pages == 2:
            return NOT_FOUND
        await asyncio.sleep(0.2)
        return NOT_OFFERED if call.request.path.endswith("/search") else MORE

    bench.answer = answer
    two_days_ago = str(int(time.time() - 2 * 86_400) * 1000).encode()
    async with bench.worker() as worker:
        await bench.produce(command("old"), headers=[(h.FIRST_APPENDED_AT, two_days_ago)])
        await until(lambda: has_results(bench, 1))
    assert [path for path, _, _ in asked] == ["/v1/customers/search", "/v1/customers", "/v1/customers"]
    assert [taken for _, taken, _ in asked] == [1, 1, 1]
    assert asked[-1][2] >= 0.4


async def test_a_full_state_takes_no_more_commands_and_drops_none(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ledger, "MAX_COMMANDS", 10)
    async with bench.worker() as worker:
        task = worker.tasks[0]
        await bench.produce(*commands(15))
        await until(lambda: has_results(bench, 15))
        await bench.produce(*commands(15, "more"))
        await until(lambda: task.load.records_waiting == 15)
        assert task.load.full
        registry = CollectorRegistry()
        metrics = MetricsCollector()
        metrics.show(WORKER, lambda: WorkerView.of(worker, bench.topics.retries))
        registry.register(metrics)
        shown = generate_latest(registry).decode()
        assert 'stripeline_task_state_full{partition="0",role="executor"} 1.0' in shown
        assert 'stripeline_task_state_entries{kind="commands",partition="0",role="executor"} 15.0' in shown
        assert 'stripeline_task_records_waiting{partition="0",role="executor"} 15.0' in shown
        assert len(bench.calls) == 15
        monkeypatch.setattr(ledger, "MAX_COMMANDS", 1_000)
        await until(lambda: has_results(bench, 30))
    assert len(bench.calls) == 30


async def test_the_bytes_in_hand_are_bounded(bench: Bench):
    go = asyncio.Event()

    async def waits(_: Call) -> Any:
        await go.wait()
        return DONE

    bench.answer = waits
    async with bench.worker() as worker:
        big = [command(f"c{number}", input={"description": "x" * 900_000}) for number in range(60)]
        await bench.produce(*big, key=None)
        task = worker.tasks[0]
        await until(lambda: task.load.bytes_waiting >= BUFFER_BYTES)
        await until(lambda: len(bench.calls) > 5)
        assert task.load.bytes_waiting < BUFFER_BYTES + 10_000_000
        assert task.load.bytes_held < HELD_BYTES + 2_000_000
        go.set()
        await until(lambda: has_results(bench, 60))
        assert (task.load.bytes_waiting, task.load.bytes_held, task.load.calls) == (0, 0, 0)
