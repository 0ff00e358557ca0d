"""A stranger's open transaction on a changelog: nothing is done from half a state, and all goes on when it ends."""

import re
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.structs import TopicPartition

from stripeline.contracts.definition_fields import Rate
from stripeline.contracts.definitions import Connection, encode_definition
from stripeline.contracts.vocabulary import WorkerEvent
from stripeline.deploy.operations.reading import topic_reader
from stripeline.deploy.operations.reading.topic_reader import Wanted, newest
from stripeline.workers.actions import actions
from stripeline.workers.executor.connection.rate_gate import RateGate
from stripeline.workers.executor.executor import Executor
from stripeline.workers.executor.setup import Setup
from stripeline.workers.executor.stripe_answer import StripeAnswer
from stripeline.workers.kafka import control_table
from stripeline.workers.kafka.batch_header import batch_header
from stripeline.workers.kafka.control_table import ControlError, ControlTable, publish, read_all
from stripeline.workers.kafka.watch import blocked_inputs, upkeep
from stripeline.workers.roles import ExecutorRole
from stripeline.workers.task import open_transaction
from tests.support.broker import Broker
from tests.support.records import any_owner, installation
from tests.support.scripted_workers import (
    Running,
    ScriptedStripe,
    ScriptedWorkers,
    customers,
    numbered,
    scripted_workers,
    until,
)

PARTITIONS = 4


@pytest.fixture
async def workers(broker: Broker, prefix: str) -> AsyncIterator[ScriptedWorkers]:
    async with scripted_workers(broker.bootstrap_servers, prefix, partitions=PARTITIONS) as opened:
        yield opened


@asynccontextmanager
async def stray(workers: ScriptedWorkers) -> AsyncIterator[AIOKafkaProducer]:
    """A producer of somebody else, whose transaction outlives the test unless it is ended."""
    async with AIOKafkaProducer(
        **workers.client, transactional_id=f"{workers.topics.prefix}stray", transaction_timeout_ms=600_000
    ) as producer:
        yield producer


async def leave_open(producer: AIOKafkaProducer, topic: str, partitions: range) -> None:
    await producer.begin_transaction()
    for number in partitions:
        await producer.send_and_wait(topic, b"{}", key=b"nonsense", partition=number)


async def waits_for(running: Running, number: int) -> str:
    """The words of a partition that waits, as `/readyz` says them."""
    found: list[str] = []

    def says_so() -> bool:
        said = f"; {running.worker.missing()}".split("; partition ")
        found[:] = [one for one in said if one.startswith(f"{number} of the executor waits")]
        return bool(found)

    await until(says_so, f"partition {number} waits")
    return found[0]


async def test_a_member_stays_while_one_partition_waits(workers: ScriptedWorkers, monkeypatch: pytest.MonkeyPatch):
    """aiokafka takes one that does not poll for dead, and the restore would start from zero again, for ever."""
    monkeypatch.setattr(upkeep, "_EVERY_S", 0.1)
    await workers.work_off(*numbered(0, 6), key="k")
    async with stray(workers) as producer:
        await leave_open(producer, workers.topics.ledger, range(1))
        running = workers.start(ScriptedStripe(), poll_s=0.5)
        await waits_for(running, 0)
        worker, waiting = running.worker, running.worker.tasks[0].restored
        assert waiting.upto > 0
        await workers.send(*customers("meanwhile"), partition=1)
        await workers.all_have_results("meanwhile")
        polled_until_s = time.monotonic() + 2
        await until(lambda: time.monotonic() > polled_until_s, "four times poll_s")
        assert (worker.joined, worker.counts.events[WorkerEvent.ASSIGNED]) == (True, 1)
        worker.reopen("a rebalance gives the same partitions back")
        await until(lambda: worker.counts.events[WorkerEvent.ASSIGNED] == 2, "assigned again")
        await waits_for(running, 0)
        assert worker.tasks[0].restored is waiting
        await producer.abort_transaction()
        await running.ready(PARTITIONS)
        assert worker.tasks[0].restored is waiting
        assert all(waiting.state.known(name) for name in numbered(0, 6))


async def test_an_input_held_by_a_stranger_is_named(workers: ScriptedWorkers, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(open_transaction, "HELD_AFTER_S", 0.5)
    monkeypatch.setattr(blocked_inputs, "_LOOK_EVERY_S", 0.2)
    monkeypatch.setattr(topic_reader, "TRANSACTION_TIMEOUT_MS", 0)
    stripe, command = ScriptedStripe(), workers.topics.command
    running = workers.start(stripe)
    await running.ready(PARTITIONS)
    async with stray(workers) as producer:
        await leave_open(producer, command, range(1))
        await workers.send(*customers("behind"), partition=0)
        await workers.send(*customers("elsewhere"), partition=1)
        await until(lambda: f"{command}-0 is read no further: a tra" in str(running.worker.warnings()), "it is said")
        assert running.worker.missing() is None
        assert f"abort --topic {command} --partition 0 --start-offset 0" in str(running.worker.warnings())
        assert [*running.worker.blocked.seconds()] == [TopicPartition(command, 0)]
        page = await newest(command, workers.client, Wanted(keep=lambda _: True, limit=10))
        assert [read.partition for read in page.records] == [1]
        assert [one.partition(": a transaction")[0] for one in page.hidden] == [
            f"What is behind offset 0 of {command}-0 is not shown"
        ]
        await workers.all_have_results("elsewhere")
        assert stripe.commands == ["elsewhere"]
        await producer.abort_transaction()
        await workers.all_have_results("behind")
        await until(lambda: running.worker.warnings() is None, "it is over")


async def leave_control_open(producer: AIOKafkaProducer, topic: str) -> None:
    await producer.begin_transaction()
    await producer.send_and_wait(topic, b"{}", key=b"nonsense", partition=0)


async def test_a_fresh_control_table_waits_for_all_of_it(workers: ScriptedWorkers, monkeypatch: pytest.MonkeyPatch):
    """One that had it goes on; half of the definitions would be a wrong answer to `apply`, too."""
    topic, acme = (
        workers.topics.control,
        encode_definition(Connection(secret_key="sealed:v1:k:x", mode="test", hint="h")),
    )
    monkeypatch.setattr(control_table, "_READ_S", 1.5)
    monkeypatch.setattr(open_transaction, "HELD_AFTER_S", 0.5)
    await publish(topic, workers.client, {"connection/before": acme})
    async with stray(workers) as producer, table_of(workers) as follows, table_of(workers, started=False) as fresh:
        await until(lambda: follows.ready, "the table is read")
        await leave_control_open(producer, topic)
        await publish(topic, workers.client, {"connection/behind": acme})
        await fresh.start()
        await until(lambda: "is open on" in str(fresh.missing()), "the fresh table says what it waits for")
        assert (fresh.ready, dict(fresh.connections)) == (False, {})
        assert f"abort --topic {topic} --partition 0" in str(fresh.missing())
        await until(lambda: "is open on" in follows._why(), "the other one says it too")
        assert (follows.missing(), list(follows.connections)) == (None, ["before"])
        with pytest.raises(ControlError, match=r"can't be read whole: a transaction of producer \d+ \(epoch 0\)"):
            await read_all(topic, workers.client)
        await producer.abort_transaction()
        for table in (fresh, follows):
            await until(lambda table=table: list(table.connections) == ["before", "behind"], "the rest")
        assert follows.age_s() < 5


@asynccontextmanager
async def table_of(workers: ScriptedWorkers, *, started: bool = True) -> AsyncIterator[ControlTable]:
    table = ControlTable(workers.topics.control, workers.client)
    if started:
        await table.start()
    try:
        yield table
    finally:
        await table.stop()


async def test_a_refused_key_is_published_outside_transactions(workers: ScriptedWorkers):
    """A transaction on the control topic would hold everybody's definitions back for as long as it is open."""
    stripe, topic = ScriptedStripe(), workers.topics.control
    stripe.script["c0"] = [
        StripeAnswer(
            status=401, headers={}, body=b'{"error":{"type":"invalid_request_error","message":"Invalid API key"}}'
        )
    ]
    gate = RateGate(limits=lambda _: Rate(), share=lambda: 1.0, key=lambda _: "k1", refused=lambda *_: None)
    setup = Setup(topics=workers.topics, installation=installation, actions=actions(), owner=any_owner)
    role = ExecutorRole(workers.topics, Executor(setup=setup, gate=gate), stripe.send, 8)
    await workers.start(stripe, role=role).ready(PARTITIONS)
    await workers.send(*customers("c0"))
    await workers.all_have_results("c0")

    async def told() -> bool:
        return (await read_all(topic, workers.client)).key_refusals.get("acme") is not None

    await until(told, "the refusal is on the control topic")
    header = await batch_header(TopicPartition(topic, 0), 0, workers.client)
    assert header is not None
    assert not header.transactional


async def test_a_command_done_behind_it_is_not_done_again(workers: ScriptedWorkers):
    first, again = ScriptedStripe(), ScriptedStripe()
    names = numbered(0, 12)
    async with stray(workers) as producer:
        before = workers.start(first)
        await before.ready(PARTITIONS)
        await leave_open(producer, workers.topics.ledger, range(PARTITIONS))
        for number in range(PARTITIONS):
            await workers.send(*customers(*names[number::PARTITIONS]), partition=number)
        await workers.all_have_results(*names)
        await before.end()
        after = workers.start(again)
        for number in range(PARTITIONS):
            await workers.send(*customers(*names[number::PARTITIONS]), partition=number)
        for number in range(PARTITIONS):
            said = await waits_for(after, number)
            place = rf"--topic {workers.topics.ledger} --partition {number} --start-offset \d+`"
            whose = rf"a transaction of producer \d+ \(epoch 0\) is open on {workers.topics.ledger}-{number}"
            assert re.search(
                rf"{whose} at offset \d+ since \d+ s; abort it with `kafka-transactions.sh .* {place}", said
            )
        assert again.made == []
        assert await workers.lag(workers.topics.command) > 0
        await producer.abort_transaction()
        await after.ready(PARTITIONS)
        for number in range(PARTITIONS):
            await workers.no_lag(workers.topics.command, partition=number)
    assert again.made == []
    assert sorted(first.commands) == sorted(names)
    assert Counter(result["command_id"] for result in await workers.results()) == Counter(names)
