"""A batch that no client can read holds its own input partition; others go on, and a person's skip moves past it."""

from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.structs import TopicPartition

from stripeline.contracts import headers as h
from stripeline.contracts.definitions import Trigger, encode_definition
from stripeline.contracts.operator.control_records import BatchSkip
from stripeline.contracts.vocabulary import UnreadableReason, WorkerEvent
from stripeline.deploy.local.kafka import LocalKafka
from stripeline.workers.kafka import polling
from stripeline.workers.kafka.control_table import ControlTable, publish
from stripeline.workers.kafka.opening import task_opening
from stripeline.workers.kafka.unread.unreadable_batch import UnreadableBatch, unreadable_batch
from stripeline.workers.kafka.watch.watchdog import snapshot
from stripeline.workers.task import stalled_reads
from tests.support import spoiled_log
from tests.support.scripted_workers import ScriptedStripe, ScriptedWorkers, customers, scripted_workers, until
from tests.support.spoiled_log import spoil

FAULTS = (
    (spoiled_log.wrong_checksum, UnreadableReason.WRONG_CHECKSUM),
    (spoiled_log.wrong_header, UnreadableReason.WRONG_CHECKSUM),
    (spoiled_log.unknown_codec, UnreadableReason.UNKNOWN_CODEC),
    (spoiled_log.no_records_of_its_codec, UnreadableReason.NOT_DECODED),
)
GOOD = len(FAULTS)


@pytest.fixture
async def workers(own_broker: LocalKafka, prefix: str) -> AsyncIterator[ScriptedWorkers]:
    async with scripted_workers(own_broker.bootstrap_servers, prefix, partitions=GOOD + 1, tiers="300ms,1h") as opened:
        yield opened


async def batches(workers: ScriptedWorkers, topic: str, partition: int, *of_names: list[str]) -> None:
    """Commands without a key, one batch for each list of names."""
    async with AIOKafkaProducer(**workers.client) as producer:
        for names in of_names:
            batch = producer.create_batch()
            for value in customers(*names):
                batch.append(key=None, value=orjson.dumps(value), timestamp=None)
            batch.close()
            await (await producer.send_batch(batch, topic, partition=partition))


def named(what: str, partition: int, count: int) -> list[str]:
    return [f"{what}-{partition}-{number}" for number in range(count)]


def skip_of(found: UnreadableBatch, **changed: Any) -> BatchSkip:
    values = {"first": found.first, "last": found.last, "digest": found.digest, "by": "ada", "why": "a disk"}
    return BatchSkip(**{**values, "at_ms": 1, **changed})


async def test_each_fault_holds_its_partition_only_until_skipped(
    own_broker: LocalKafka, workers: ScriptedWorkers
) -> None:
    topic, numbers = workers.topics.command, range(len(FAULTS))
    before = [name for number in range(GOOD + 1) for name in named("before", number, 20)]
    after = [name for number in numbers for name in named("after", number, 5)]
    for number in numbers:
        good, bad, last = (named(what, number, count) for what, count in (("before", 20), ("bad", 5), ("after", 5)))
        await batches(workers, topic, number, good, bad, last)
        assert spoil(own_broker, TopicPartition(topic, number), 22, FAULTS[number][0]) == (20, 24)
    await batches(workers, topic, GOOD, named("before", GOOD, 20))
    stripe, skips = ScriptedStripe(), dict[str, BatchSkip]()
    running = workers.start(stripe, skips=lambda: skips)
    await workers.all_have_results(*before)
    await until(lambda: len(running.worker.held) == GOOD, "four partitions are held")
    words = running.worker.warnings() or ""
    for number in numbers:
        assert f"{topic}-{number} is held at offset 20: no client can read the batch of offsets 20 to 24" in words
        assert f"`stripeline topics skip {topic} {number} 20 --why" in words
    assert running.worker.missing() is None
    assert TopicPartition(topic, 0) not in snapshot(running.worker).working[0].reads  # the watchdog's business
    # The other partition, and the other inputs of the tasks, go on.
    tier = next(iter(workers.topics.retries))
    await batches(workers, topic, GOOD, ["more"])
    await batches(workers, tier, 0, ["of-a-tier"])
    await workers.all_have_results("more", "of-a-tier")
    events = running.worker.counts.events
    assert (events[WorkerEvent.SESSION_FAILED], events[WorkerEvent.TASK_FAILED]) == (0, 0)
    # A skip of other bytes skips nothing.
    batches_found = [await _unreadable(workers, TopicPartition(topic, number)) for number in numbers]
    assert [found.reason for found in batches_found] == [reason for _, reason in FAULTS]
    skips |= {f"{topic}/0": skip_of(batches_found[0], digest="of another batch")}
    await batches(workers, topic, GOOD, ["more-2"])
    await workers.all_have_results("more-2")
    assert len(running.worker.held) == GOOD
    skips |= {f"{topic}/{number}": skip_of(found) for number, found in enumerate(batches_found)}
    seen = await workers.all_have_results(*after)
    assert sorted(seen) == sorted([*before, *after, "more", "more-2", "of-a-tier"])
    await until(lambda: running.worker.warnings() is None, "nothing is held")
    await running.end()
    # Applied again after a restart, the skips do nothing.
    again = workers.start(stripe, skips=lambda: skips)
    await again.ready()
    await batches(workers, topic, 0, ["last"])
    await workers.all_have_results("last")
    letters = {letter.partition: letter for letter in await workers.read(workers.topics.dead_letter)}
    assert len(letters) == GOOD
    for number, found in enumerate(batches_found):
        headers = h.read(letters[number].headers)
        assert letters[number].value == found.data
        assert headers[h.REASON] == b"unreadable_batch"
        assert (headers[h.ORIGIN_OFFSET], headers[h.ORIGIN_LAST_OFFSET]) == (b"20", b"24")
    assert len(stripe.commands) == len(set(stripe.commands))


async def _unreadable(workers: ScriptedWorkers, tp: TopicPartition) -> UnreadableBatch:
    assert await unreadable_batch(tp, 19, workers.client) is None
    found = await unreadable_batch(tp, 22, workers.client)
    ahead = await unreadable_batch(tp, 0, workers.client, ahead=True)
    assert found is not None
    assert ahead is not None
    assert (found.first, found.last, found.digest) == (20, 24, ahead.digest) == (ahead.first, ahead.last, found.digest)
    return found


async def test_the_last_batch_of_a_log_ends_where_the_log_does(
    own_broker: LocalKafka, workers: ScriptedWorkers
) -> None:
    tp = TopicPartition(workers.topics.command, 0)
    await batches(workers, tp.topic, 0, named("good", 0, 3), named("bad", 0, 4))
    spoil(own_broker, tp, 3, spoiled_log.wrong_header)
    found = await unreadable_batch(tp, 3, workers.client)
    assert found is not None
    assert (found.first, found.last) == (3, 6)
    # What an earlier owner has finished is passed without a person.
    running = workers.start(ScriptedStripe())
    await until(lambda: len(running.worker.held) == 1, "the partition is held")
    task = running.worker.tasks[0]
    past = running.worker.held.past(tp, task.inputs[tp].read_to, [(3, 6)], "letters")
    assert past is not None
    assert (past.position, past.gap) == (7, None)


async def test_a_changelog_holds_its_task_only_until_it_is_whole(
    own_broker: LocalKafka, workers: ScriptedWorkers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_opening, "_LOOK_AGAIN_S", 0.1)
    await workers.work_off("done", key="k")
    ledger = TopicPartition(workers.topics.ledger, 0)
    spoil(own_broker, ledger, 0, spoiled_log.wrong_checksum)
    stripe = ScriptedStripe()
    running = workers.start(stripe)
    await until(lambda: running.worker.joined and "can't be read" in (running.worker.missing() or ""), "it is named")
    words = running.worker.missing() or ""
    assert words.startswith(f"partition 0 of the executor waits: {ledger.topic}-0 can't be read at offset 0: no client")
    await batches(workers, workers.topics.command, GOOD, ["other"])
    await workers.all_have_results("done", "other")
    assert running.worker.counts.events[WorkerEvent.TASK_FAILED] == 0
    assert not running.worker.tasks[0].open
    spoil(own_broker, ledger, 0, spoiled_log.wrong_checksum)  # the same bit again: whole, as on another replica
    await running.ready()
    await workers.send(*customers("done"), key="k")
    await workers.no_lag(workers.topics.command)
    assert stripe.commands == ["other"], "what the changelog says was done is not done again"


async def test_a_control_table_keeps_what_it_has_and_names_the_place(
    own_broker: LocalKafka, workers: ScriptedWorkers
) -> None:
    control, client = workers.topics.control, workers.client
    first = encode_definition(Trigger(kind="stripe/payment-event", connection="acme", signing_secrets=()))
    await publish(control, client, {"trigger/first": first})
    old, new = ControlTable(control, client), ControlTable(control, client)
    await old.start()
    await old.loaded()
    await publish(control, client, {"trigger/second": first})
    await until(lambda: len(old.triggers) == 2, "the second one is followed")
    spoil(own_broker, TopicPartition(control, 0), 0, spoiled_log.wrong_checksum)
    await new.start()
    await until(lambda: "can't be read at offset 0" in (new.missing() or ""), "the place is named")
    assert dict(new.triggers) == {}
    assert set(old.triggers) == {"first", "second"}
    assert old.missing() is None
    spoil(own_broker, TopicPartition(control, 0), 0, spoiled_log.wrong_checksum)
    await until(lambda: new.missing() is None, "it is read")
    assert set(new.triggers) == {"first", "second"}
    await old.stop()
    await new.stop()


async def test_what_its_broker_can_not_read_holds_its_partition_only(
    own_broker: LocalKafka, workers: ScriptedWorkers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The consumer hears of no error: only that nothing comes, though the log goes on."""
    monkeypatch.setattr(stalled_reads, "STALLED_AFTER_S", 0.5)
    monkeypatch.setattr(polling, "_STALLS_EVERY_S", 0.2)
    topic = workers.topics.command
    faults = (spoiled_log.length_of_nothing, spoiled_log.length_beyond_the_log)
    for number, how in enumerate(faults):
        await batches(workers, topic, number, named("before", number, 5), named("bad", number, 5))
        spoil(own_broker, TopicPartition(topic, number), 5, how)
    running = workers.start(ScriptedStripe())
    await workers.all_have_results(*[name for number in (0, 1) for name in named("before", number, 5)])
    await until(lambda: len(running.worker.held) == len(faults), "both are held")
    words = running.worker.warnings() or ""
    assert words.count("is held at offset 5: its broker can't read its own log there") == len(faults)
    await batches(workers, topic, GOOD, ["other"])
    await workers.all_have_results("other")
    assert running.worker.missing() is None
    assert running.worker.counts.events[WorkerEvent.SESSION_FAILED] == 0
