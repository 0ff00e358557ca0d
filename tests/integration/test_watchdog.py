"""A stalled worker on a real Kafka: detected, shown on /readyz, reopened, or given up."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer

from stripeline.contracts.retry_tiers import parse_tiers
from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import WorkerEvent
from stripeline.deploy.operations.topics import apply
from stripeline.workers.actions import actions
from stripeline.workers.executor.command_state import Call
from stripeline.workers.executor.executor import Executor
from stripeline.workers.executor.setup import Setup
from stripeline.workers.kafka.broker_clock import BrokerClock
from stripeline.workers.kafka.group_member import Membership, Worker
from stripeline.workers.kafka.polling import Polling
from stripeline.workers.kafka.watch import watchdog
from stripeline.workers.kafka.watch.watchdog import StuckError, watched
from stripeline.workers.roles import ExecutorRole
from stripeline.workers.task.health import StallLimits
from tests.integration.test_worker_task import DONE, PARTITIONS, Bench, bench, commands, has_results, until
from tests.support.records import any_owner, command, installation

__all__ = ["bench"]
LIMITS = StallLimits(poll_s=2, join_s=20, assign_s=4, progress_s=4, call_s=3, apart_s=1, late_s=3)


def worker_of(bench: Bench, **membership: Any) -> Worker[Any]:
    executor = Executor(setup=Setup(topics=bench.topics, installation=installation, actions=actions(), owner=any_owner))
    role = ExecutorRole(bench.topics, executor, bench.send, 64)
    return Worker(role, Membership(client=bench.client, commit_interval_s=0.03, **membership), BrokerClock())


@asynccontextmanager
async def guarded(bench: Bench, limits: StallLimits = LIMITS, **membership: Any) -> AsyncIterator[Worker[Any]]:
    worker, stop = worker_of(bench, **{"drain_s": 0.5, **membership}), asyncio.Event()
    run = asyncio.create_task(watched(worker, stop, partitions=PARTITIONS, limits=limits))
    try:
        await until(lambda: worker.missing() is None and worker.tasks)
        yield worker
    finally:
        stop.set()
        await asyncio.wait_for(run, 40)


async def test_a_call_without_end_is_cut_and_repeated_with_its_key(bench: Bench):
    hangs = 1

    async def answer(call: Call) -> Any:
        nonlocal hangs
        if call.command.command_id == "hangs" and hangs:
            hangs -= 1
            await asyncio.Event().wait()
        return DONE

    bench.answer = answer
    async with guarded(bench) as worker:
        await bench.produce(command("hangs"), *commands(20))
        await until(lambda: worker.trouble)
        assert "a call does not end" in str(worker.missing())
        await until(lambda: has_results(bench, 21))
        assert worker.counts.events[WorkerEvent.WATCHDOG] == 1
        await until(lambda: worker.missing() is None)
    assert bench.calls.count(("hangs", "stripeline:inst1:hangs")) == 2
    assert max(Counter(await bench.results()).values()) == 1


async def test_a_loop_that_hangs_is_noticed_and_recovers(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    read = Polling.once

    async with guarded(bench) as worker:
        await bench.produce(*commands(5))
        await until(lambda: has_results(bench, 5))

        async def hangs(self: Any) -> None:
            if worker.counts.events[WorkerEvent.WATCHDOG]:
                await read(self)
            else:
                await asyncio.Event().wait()

        monkeypatch.setattr(Polling, "once", hangs)
        await bench.produce(*commands(5, "after"))
        await until(lambda: worker.trouble)
        assert "does not read from Kafka any more" in str(worker.missing())
        await until(lambda: worker.missing() is None)
        await until(lambda: has_results(bench, 10))
    assert max(Counter(await bench.results()).values()) == 1


async def test_a_consumer_that_misses_records_is_reopened(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    getmany = AIOKafkaConsumer.getmany

    async with guarded(bench) as worker:

        async def hangs(self: Any, *tps: Any, **how: Any) -> Any:
            if worker.counts.events[WorkerEvent.WATCHDOG] or self is not worker._consumer:
                return await getmany(self, *tps, **how)
            return await asyncio.Event().wait()

        monkeypatch.setattr(AIOKafkaConsumer, "getmany", hangs)
        turns = worker.polls
        await until(lambda: worker.polls > turns + 1)  # the poll that was under way would still read
        await bench.produce(*commands(5))
        await until(lambda: has_results(bench, 5))
        assert worker.counts.events[WorkerEvent.WATCHDOG] == 1


async def test_a_lost_assignment_is_taken_back_and_a_spare_stays_well(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    async with guarded(bench) as worker:
        await worker._owners.close_all(1)  # as if the group had taken everything and never given it back
        await until(lambda: worker.trouble)
        assert "it has no partition" in str(worker.missing())
        await until(lambda: len(worker.tasks) == 2 and worker.missing() is None)
        async with guarded(bench, replace(LIMITS, assign_s=1)) as second, spare(bench) as third:
            await until(lambda: sorted(len(one.tasks) for one in (worker, second, third)) == [0, 1, 1])
            before = [one.counts.events[WorkerEvent.WATCHDOG] for one in (worker, second, third)]
            asked = asked_about(monkeypatch)
            [spared] = [one for one in (worker, second, third) if not one.tasks]
            await until(lambda: asked[spared] > LIMITS.tries, 60)  # often enough to have been opened anew and given up
            assert [one.counts.events[WorkerEvent.WATCHDOG] for one in (worker, second, third)] == before
            assert third.missing() is None


def asked_about(monkeypatch: pytest.MonkeyPatch) -> Counter[Worker[Any]]:
    """How often Kafka has answered what a watchdog asked about each worker."""
    asked, ask = Counter[Worker[Any]](), watchdog._ask

    async def counted(worker: Worker[Any]) -> Any:
        facts = await ask(worker)
        asked[worker] += facts is not None
        return facts

    monkeypatch.setattr(watchdog, "_ask", counted)
    return asked


@asynccontextmanager
async def spare(bench: Bench) -> AsyncIterator[Worker[Any]]:
    """A member more than there are partitions."""
    worker, stop = worker_of(bench), asyncio.Event()
    run = asyncio.create_task(watched(worker, stop, partitions=PARTITIONS, limits=replace(LIMITS, assign_s=1)))
    try:
        await until(lambda: worker.joined)
        yield worker
    finally:
        stop.set()
        await asyncio.wait_for(run, 40)


async def test_a_worker_that_reopening_does_not_help_ends(bench: Bench):
    async def hangs(_: Call) -> Any:
        await asyncio.Event().wait()

    bench.answer = hangs
    worker, stop = worker_of(bench, drain_s=0.1), asyncio.Event()
    run = asyncio.create_task(watched(worker, stop, partitions=PARTITIONS, limits=replace(LIMITS, call_s=1, tries=1)))
    await until(lambda: worker.missing() is None and worker.tasks)
    await bench.produce(command("c"))
    with pytest.raises(StuckError, match=r"a call does not end.*reopened 1 times without success"):
        await asyncio.wait_for(run, 60)
    assert stop.is_set()


async def test_without_kafka_it_waits_and_says_so(own_broker: Any, prefix: str):
    found = await a_bench(own_broker, prefix)
    async with guarded(found, replace(LIMITS, progress_s=2, call_s=2)) as worker:
        own_broker.kill()
        await until(
            lambda: "Kafka does not answer" in str(worker.missing()) or "can't commit" in str(worker.missing()), 60
        )
        assert worker.counts.events[WorkerEvent.WATCHDOG] == 0
        await own_broker.start()
        await found.produce(*commands(5))
        await until(lambda: has_results(found, 5), 60)
        await until(lambda: worker.missing() is None, 60)


async def a_bench(own_broker: Any, prefix: str) -> Bench:
    topics = Topics(prefix=prefix, tiers=parse_tiers("300ms,600ms,1h"))
    client = {"bootstrap_servers": own_broker.bootstrap_servers, "retry_backoff_ms": 20}
    await apply(topics, PARTITIONS, client)
    return Bench(topics, client)


@pytest.mark.long
async def test_a_loop_blocked_past_its_session_recovers_by_itself(bench: Bench):
    """Another member takes everything over meanwhile; nothing is done twice."""
    other, stop, ended = worker_of(bench), threading.Event(), threading.Event()

    async def beside() -> None:
        over = asyncio.Event()
        run = asyncio.create_task(other.run(over))
        while not stop.is_set():  # noqa: ASYNC110  (set by another thread)
            await asyncio.sleep(0.05)
        over.set()
        await run

    thread = threading.Thread(target=lambda: (asyncio.run(beside()), ended.set()), daemon=True)
    async with guarded(bench, StallLimits(), session_s=6.0) as worker:
        thread.start()
        await until(lambda: len(worker.tasks) == 1 and worker.missing() is None)
        await bench.produce(*commands(20, "before"), key=None)
        await bench.produce(*commands(20, "before2"), partition=1, key=None)
        await until(lambda: has_results(bench, 40))
        time.sleep(15)  # noqa: ASYNC251  (the loop is blocked, that is the case)
        await bench.produce(*commands(20, "after"), key=None)
        await bench.produce(*commands(20, "after2"), partition=1, key=None)
        await until(lambda: has_results(bench, 80))
        await until(lambda: len(worker.tasks) == 1 and worker.missing() is None)
        assert worker.counts.events[WorkerEvent.WATCHDOG] == 0
        stop.set()
        await until(ended.is_set)
        await until(lambda: len(worker.tasks) == 2 and worker.missing() is None)
    assert max(Counter(await bench.results()).values()) == 1


async def test_it_asks_kafka_only_where_it_suspects_something(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    asked = 0
    start = AIOKafkaConsumer.start

    async def counted(self: Any) -> None:
        nonlocal asked
        asked += 1
        await start(self)

    async with guarded(bench) as worker:
        monkeypatch.setattr(AIOKafkaConsumer, "start", counted)
        await until(lambda: asked, 20)
        began_s = time.monotonic()
        await until(lambda: asked == 3, 40)
        assert time.monotonic() - began_s > 6  # an idle topic is asked for once in `progress_s`, and not at every look
        assert worker.counts.events[WorkerEvent.WATCHDOG] == 0
