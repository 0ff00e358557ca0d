"""A changelog restored from a real Kafka, and the memory that this leaves behind."""

import asyncio
import gc
from collections.abc import AsyncIterator

import pytest
from aiokafka.consumer.fetcher import PartitionRecords
from aiokafka.structs import TopicPartition

from stripeline.contracts.internal_records import UnreadableRecordError
from stripeline.deploy.local.kafka import LocalKafka
from stripeline.workers.executor.ledger import Ledger
from stripeline.workers.kafka.opening.restore import RestoredState, Restoring, restore
from stripeline.workers.kafka.partition_reader import log_ends
from stripeline.workers.task import restore_progress
from tests.support.broker import Broker
from tests.support.scripted_workers import ScriptedStripe, ScriptedWorkers, numbered, scripted_workers


@pytest.fixture
async def workers(broker: Broker, prefix: str) -> AsyncIterator[ScriptedWorkers]:
    async with scripted_workers(broker.bootstrap_servers, prefix) as opened:
        yield opened


def restoring(workers: ScriptedWorkers) -> Restoring:
    async def append() -> int:
        raise AssertionError("there is a record before the end")

    return Restoring(
        client=workers.client, turn=asyncio.Semaphore(1), waits=lambda _: None, append=append, now_ms=lambda: 0,
        ends=lambda places: log_ends(list(places), workers.client),
    )  # fmt: skip


async def test_a_restore_leaves_no_fetch_for_the_collector(workers: ScriptedWorkers):
    """Each would be up to 8 MB, and a collector that looks rarely would find them after hundreds of rebalances."""
    names = numbered(0, 30)
    await workers.work_off(*names, key="k")
    gc.collect()
    gc.disable()
    try:
        for upto in (0, 20):
            restored = RestoredState(Ledger(), upto)
            command = TopicPartition(workers.topics.command, 0)
            ends = await restore(TopicPartition(workers.topics.ledger, 0), restored, [command], restoring(workers))
            assert ends == {command: len(names)}
            assert restored.upto > len(names)
            assert [found for found in gc.get_objects() if isinstance(found, PartitionRecords)] == []
        assert all(restored.state.known(name) for name in names[-5:])
    finally:
        gc.enable()


async def test_offsets_that_hold_nothing_are_named_and_passed(
    own_broker: LocalKafka, prefix: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """An empty last segment, as a log cleaner or a mirror may leave one: a fetch there returns nothing, for ever."""
    monkeypatch.setattr(restore_progress, "EMPTY_AFTER_S", 1.0)
    async with scripted_workers(own_broker.bootstrap_servers, prefix) as workers:
        await workers.work_off("c0", "c1", key="k")
        await own_broker.stop()
        folder = own_broker.spec.data_dir / "topics" / f"{workers.topics.ledger}-0"
        (folder / f"{1_000:020}.log").touch()
        await own_broker.start()
        running = workers.start(ScriptedStripe())
        await running.ready()
        restored = running.worker.tasks[0].restored
        assert restored.upto > 1_000
        assert restored.state.known("c1")
        assert f"{workers.topics.ledger}-0 has neither a record nor a marker from offset" in caplog.text
        await running.end()


async def test_an_unreadable_record_is_named_with_its_place(workers: ScriptedWorkers):
    ledger = TopicPartition(workers.topics.ledger, 0)
    await workers.put(ledger.topic, (b"command/c1", b'{"status": "sk_test_secret"}'))
    with pytest.raises(UnreadableRecordError, match=rf"{ledger.topic}-0 offset 0: LedgerCommand: ") as raised:
        await restore(ledger, RestoredState(Ledger(), 0), [], restoring(workers))
    assert "sk_test_secret" not in str(raised.value)
