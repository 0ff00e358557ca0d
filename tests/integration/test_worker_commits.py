"""A task on a real Kafka: outputs, state and offsets are one; a restart, a fence or a rebalance repeats nothing."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import NoOffsetForPartitionError

from stripeline.workers.kafka import task as task_module
from stripeline.workers.kafka.opening import openings, task_opening
from stripeline.workers.task import intake
from stripeline.workers.task.watermark import decode
from tests.support.broker import Broker, quiet_fencing
from tests.support.scripted_workers import ScriptedStripe, ScriptedWorkers, customers, numbered, scripted_workers, until


@pytest.fixture
async def workers(broker: Broker, prefix: str) -> AsyncIterator[ScriptedWorkers]:
    async with scripted_workers(broker.bootstrap_servers, prefix) as opened:
        yield opened


@pytest.fixture
async def wide(broker: Broker, prefix: str) -> AsyncIterator[ScriptedWorkers]:
    """Two partitions."""
    async with scripted_workers(broker.bootstrap_servers, prefix, partitions=2) as opened:
        yield opened


def fencing(workers: ScriptedWorkers) -> AIOKafkaProducer:
    return AIOKafkaProducer(**workers.client, transactional_id=f"{workers.topics.prefix}executor-0")


async def test_a_commit_that_fails_half_way_shows_nothing(workers: ScriptedWorkers):
    quiet_fencing()
    stripe, names = ScriptedStripe(), numbered(0, 20)
    worker = workers.start(stripe)
    await worker.ready()
    await workers.send(*customers("before"), key="k")
    await workers.all_have_results("before")
    await workers.no_lag(workers.topics.command)
    offset = (await workers.committed(workers.topics.command)).offset
    gate = stripe.gate(*names)  # all calls end at once, so that one transaction has many results
    for name in names:
        await workers.send(*customers(name), key=name)
    await until(lambda: len(stripe.made) == 21, "all calls are in flight")
    producer = worker.worker.tasks[0]._transactions._producer
    commit, seen = producer.commit_transaction, {}

    async def fenced_just_before_its_end() -> None:
        # Everything of this transaction is written: only its end is missing.
        await producer.flush()
        seen["written"] = len(await workers.read(workers.topics.result, committed=False))
        async with fencing(workers):
            seen["shown"] = [len(await workers.read(name)) for name in (workers.topics.result, workers.topics.ledger)]
            seen["offset"] = (await workers.committed(workers.topics.command)).offset
        await commit()

    producer.commit_transaction = fenced_just_before_its_end
    gate.set()
    results = await workers.all_have_results(*names)
    assert seen["written"] > 1
    assert seen["shown"] == [1, 2]  # in the ledger, the record by which the task learned the time
    assert seen["offset"] == offset
    await workers.no_lag(workers.topics.command)
    assert Counter(results) == Counter(["before", *names])
    ledger = await workers.read(workers.topics.ledger)
    assert len([record for record in ledger if record.value is not None]) == 21  # beside one of each opening
    assert not worker.task.done()


async def test_a_fenced_worker_takes_its_partition_up_anew(workers: ScriptedWorkers):
    quiet_fencing()
    stripe, names = ScriptedStripe(), numbered(0, 50)
    gate = stripe.gate(*names)
    worker = workers.start(stripe)
    await worker.ready()
    first = worker.worker.tasks[0]
    await workers.send(*customers(*names))
    await until(lambda: len(stripe.made) == 50, "all calls are in flight")
    async with fencing(workers):
        gate.set()
        await until(lambda: not first.open, "the fenced task is closed")
        assert await workers.results() == []
    assert Counter(await workers.all_have_results(*names)) == Counter(names)
    await worker.ready()
    assert worker.worker.tasks[0] is not first
    keys = {made.command: made.key for made in stripe.made}
    assert {(made.command, made.key) for made in stripe.made} == set(keys.items())


async def test_a_commit_that_fails_while_revoking_discards_the_state(workers):
    """What a fenced commit held is in the state and nowhere else: commands that seem done, keys that seem to wait."""
    quiet_fencing()
    stripe = ScriptedStripe()
    quick, slow = stripe.gate("quick"), stripe.gate("slow")
    worker = workers.start(stripe)
    await worker.ready()
    task = worker.worker.tasks[0]
    await workers.send(*customers("quick", "slow"))
    await until(lambda: len(stripe.made) == 2, "both calls are in flight")
    async with fencing(workers):
        closing = asyncio.create_task(task.close(10))
        await until(lambda: not task.wanted(), "it takes no more")
        quick.set()
        await until(lambda: not task.open, "its commit has failed")
        slow.set()
        assert await closing is None


async def test_a_slow_call_holds_nobody_and_is_alone_in_being_repeated(workers: ScriptedWorkers):
    stripe, names = ScriptedStripe(), numbered(0, 201)
    slow = names[100]
    stripe.gate(slow)
    worker = workers.start(stripe)
    await worker.ready()
    await workers.send(*customers(*names))
    fast = set(names) - {slow}
    assert set(await workers.all_have_results(*fast)) == fast

    async def committed() -> bool:
        return (await workers.committed(workers.topics.command)).offset == 100

    await until(committed, "the committed offset is the slow one's")
    found = await workers.committed(workers.topics.command)
    assert decode(found.offset, found.metadata) == ((101, 200),)
    await worker.kill()

    next_desk = ScriptedStripe()
    await workers.start(next_desk).ready()
    assert Counter(await workers.all_have_results(*names)) == Counter(names)
    await workers.no_lag(workers.topics.command)
    assert next_desk.commands == [slow]
    assert [made.key for made in next_desk.made] == [made.key for made in stripe.made if made.command == slow]
    ended = await workers.committed(workers.topics.command)
    assert decode(ended.offset, ended.metadata) == ()


async def test_a_fresh_worker_knows_from_the_changelog_what_was_done(workers: ScriptedWorkers):
    names = numbered(0, 30)
    await workers.work_off(*names, key="k")

    stripe = ScriptedStripe()
    await workers.start(stripe).ready()
    await workers.send(*customers(*names, "new"), key="k")
    assert Counter(await workers.all_have_results("new")) == Counter([*names, "new"])
    assert stripe.commands == ["new"]


async def test_a_task_that_comes_back_goes_on_from_the_state_it_kept(wide, monkeypatch: pytest.MonkeyPatch):
    restored: list[tuple[int, int, int]] = []
    restore = task_opening.restore

    async def watched(tp: Any, kept: Any, *rest: Any) -> Any:
        start = kept.upto
        ends = await restore(tp, kept, *rest)
        restored.append((tp.partition, start, kept.upto))
        return ends

    monkeypatch.setattr(task_opening, "restore", watched)
    stripe, names = ScriptedStripe(), numbered(0, 40)
    stays, leaves = wide.start(stripe), None
    await stays.ready(2)

    async def send_all() -> None:
        for partition in (0, 1):
            await wide.send(*customers(*names[partition::2]), partition=partition)

    await send_all()
    await wide.all_have_results(*names)
    await asyncio.gather(*(wide.no_lag(wide.topics.command, partition=number) for number in (0, 1)))
    upto = {number: stays.worker.tasks[number].restored.upto for number in (0, 1)}
    restored.clear()

    leaves = wide.start(stripe)
    await asyncio.gather(stays.ready(1), leaves.ready(1))
    (kept,), (moved,) = stays.worker.tasks, leaves.worker.tasks
    assert {number: start for number, start, _ in restored} == {kept: upto[kept], moved: 0}
    ends = {number: end for number, _, end in restored}
    restored.clear()
    await leaves.end()
    await stays.ready(2)
    # What was away belonged to somebody else meanwhile: only what stayed may be trusted, and the one record by which it
    # learned the time when it opened.
    assert {number: start for number, start, _ in restored} == {kept: ends[kept] + 1, moved: 0}

    await send_all()
    await wide.send(*customers("last-0"), partition=0)
    await wide.send(*customers("last-1"), partition=1)
    assert Counter(await wide.all_have_results("last-0", "last-1")) == Counter([*names, "last-0", "last-1"])
    assert Counter(stripe.commands) == Counter([*names, "last-0", "last-1"])


async def test_a_deep_partition_of_slow_calls_does_not_stop_another(wide: ScriptedWorkers):
    stripe, deep, other = ScriptedStripe(), numbered(0, 1_200), numbered(2_000, 50)
    gate = stripe.gate(*deep)
    worker = wide.start(stripe, role=wide.role(stripe, concurrency=8))
    await worker.ready(2)
    await wide.send(*customers(*deep), partition=0)
    await until(lambda: len(stripe.made) == 7, "the deep partition is full")
    await wide.send(*customers(*other), partition=1)
    assert Counter(await wide.all_have_results(*other)) == Counter(other)
    assert len(set(stripe.commands) & set(deep)) == 7
    gate.set()
    assert Counter(await wide.all_have_results(*deep)) == Counter([*deep, *other])


async def test_a_call_in_flight_at_the_end_is_awaited_and_committed(workers: ScriptedWorkers):
    stripe = ScriptedStripe()
    gate = stripe.gate("c0")
    worker = workers.start(stripe)
    await worker.ready()
    await workers.send(*customers("c0", "c1"), key="k")
    await until(lambda: stripe.commands == ["c0"], "the call is in flight")
    worker.stop.set()
    await until(lambda: not worker.worker.tasks, "the task drains")
    gate.set()
    await worker.end()
    assert await workers.all_have_results("c0") == ["c0"]
    assert stripe.commands == ["c0"], "a draining task took a record"

    after = ScriptedStripe()
    await workers.start(after).ready()
    assert await workers.all_have_results("c1") == ["c0", "c1"]
    assert after.commands == ["c1"]


async def test_a_call_longer_than_the_drain_is_cut_and_repeated(workers: ScriptedWorkers):
    stripe = ScriptedStripe()
    stripe.gate("c0")
    worker = workers.start(stripe, drain_s=0.3)
    await worker.ready()
    await workers.send(*customers("c0", "c1"))
    await workers.all_have_results("c1")
    await worker.end(within_s=5)

    after = ScriptedStripe()
    await workers.start(after).ready()
    assert await workers.all_have_results("c0") == ["c1", "c0"]
    assert [(made.command, made.key) for made in after.made] == [("c0", "stripeline:inst1:c0")]
    assert {made.key for made in stripe.made if made.command == "c0"} == {"stripeline:inst1:c0"}


async def test_a_rebalance_waits_for_the_calls_of_a_revoked_task(wide: ScriptedWorkers):
    stripe, names = ScriptedStripe(), numbered(0, 10)
    gate = stripe.gate(*names)
    first = wide.start(stripe)
    await first.ready(2)
    for partition in (0, 1):
        await wide.send(*customers(*names[partition::2]), partition=partition)
    await until(lambda: len(stripe.made) == 10, "all calls are in flight")
    second = wide.start(stripe)
    await until(lambda: not first.worker.tasks, "the tasks drain")
    gate.set()
    await asyncio.gather(first.ready(1), second.ready(1))
    assert Counter(await wide.all_have_results(*names)) == Counter(names)
    await asyncio.gather(*(wide.no_lag(wide.topics.command, partition=number) for number in (0, 1)))
    assert Counter(stripe.commands) == Counter(names)


async def test_a_join_that_outlasts_requests_is_repeated_and_succeeds(
    wide: ScriptedWorkers, caplog: pytest.LogCaptureFixture
):
    """A JoinGroup waits at the broker for members that drain, longer than a client waits for an answer."""
    caplog.set_level("INFO", "aiokafka.consumer.group_coordinator")
    wide.options = {"request_timeout_ms": 2_000}
    stripe, names = ScriptedStripe(), numbered(0, 10)
    gate = stripe.gate(*names)
    first = wide.start(stripe)
    await first.ready(2)
    for partition in (0, 1):
        await wide.send(*customers(*names[partition::2]), partition=partition)
    await until(lambda: len(stripe.made) == 10, "all calls are in flight")
    caplog.clear()
    second = wide.start(stripe)
    await until(lambda: caplog.text.count("(Re-)joining group") >= 4, "attempts to join")
    gate.set()
    await asyncio.gather(first.ready(1), second.ready(1))
    assert Counter(await wide.all_have_results(*names)) == Counter(names)
    assert Counter(stripe.commands) == Counter(names)


async def test_what_was_there_before_the_first_worker_is_worked_off(workers, monkeypatch: pytest.MonkeyPatch):
    watermarks, names = openings.watermarks, numbered(0, 30)

    async def after_a_read_for_nobody(*arguments: Any) -> Any:
        # The consumer reads as soon as it is assigned, and the task opens later: what is read before is nobody's.
        consumer = worker.worker._consumer
        assert consumer is not None
        with contextlib.suppress(NoOffsetForPartitionError):
            await consumer.getmany(timeout_ms=1_000)
        return await watermarks(*arguments)

    await workers.send(*customers(*names))
    monkeypatch.setattr(openings, "watermarks", after_a_read_for_nobody)
    stripe = ScriptedStripe()
    worker = workers.start(stripe)
    assert Counter(await workers.all_have_results(*names)) == Counter(names)


async def test_what_waits_for_a_commit_alone_goes_on_when_it_begins(workers, monkeypatch: pytest.MonkeyPatch):
    """It used to wait for its end: a busy executor stood still for a tenth of its time."""
    monkeypatch.setattr(intake, "MAX_PENDING", 10)
    stripe, names = ScriptedStripe(), numbered(0, 600)
    calls, commits = stripe.gate(*names), asyncio.Semaphore(0)
    worker = workers.start(stripe, role=workers.role(stripe, concurrency=8))
    await worker.ready()
    task = worker.worker.tasks[0]
    producer = task._transactions._producer
    commit, begun = producer.commit_transaction, []

    async def held() -> None:
        begun.append(1)
        await commits.acquire()
        await commit()

    producer.commit_transaction = held
    await workers.send(*customers(*names))
    await until(lambda: task.load.records_held == 512 and task.load.records_waiting == 88, "the window is full")
    calls.set()
    await until(lambda: task.load.records_held == 0, "what was taken is finished")
    assert len(set(stripe.commands)) < 600
    commits.release()
    await until(lambda: len(set(stripe.commands)) == 600, "the rest is called during the commit")
    await until(lambda: len(begun) == 2, "that commit is about to end")
    assert task.open, "the commit failed, and a task that was opened anew made the calls"
    for _ in range(20):
        commits.release()
    assert Counter(await workers.all_have_results(*names)) == Counter(names)


async def test_a_long_rest_ends_when_calls_would_soon_wait_for_its_end(workers, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(task_module, "rest_s", lambda *_: 600.0)
    for module in (intake, task_module):
        monkeypatch.setattr(module, "MAX_PENDING", 10)
    stripe, names = ScriptedStripe(), numbered(0, 1_200)
    workers.start(stripe)
    await workers.send(*customers(*names))
    await until(lambda: len(set(stripe.commands)) == 1_200, "all calls are made")


class CountingStripe(ScriptedStripe):
    """Notes how many calls it had in flight at most."""

    now, most = 0, 0

    async def send(self, call: Any) -> Any:
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(0.005)
            return await super().send(call)
        finally:
            self.now -= 1


async def test_calls_in_flight_never_exceed_their_number(wide: ScriptedWorkers):
    stripe, deep, other = CountingStripe(), numbered(0, 80), numbered(80, 80)
    gate = stripe.gate(*deep[:40])
    worker = wide.start(stripe, role=wide.role(stripe, 32))
    await worker.ready(2)
    await wide.send(*customers(*deep))
    await until(lambda: stripe.now == 31, "all slots but the one that is kept are taken")
    await wide.send(*customers(*other), partition=1)
    await until(lambda: len(stripe.ended) == 80, "the other partition is worked off beside them")
    gate.set()
    await wide.all_have_results(*deep, *other)
    assert stripe.most == 32
