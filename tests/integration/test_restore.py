"""A changelog restored from a real Kafka, and the memory that this leaves behind."""

import gc
from collections.abc import AsyncIterator

import pytest
from aiokafka.consumer.fetcher import PartitionRecords
from aiokafka.structs import TopicPartition

from stripeline.contracts.internal_records import UnreadableRecordError
from stripeline.workers.executor.ledger import Ledger
from stripeline.workers.kafka.restore import Kept, restore
from tests.support.broker import Broker
from tests.support.scripted_workers import ScriptedWorkers, numbered, scripted_workers


@pytest.fixture
async def workers(broker: Broker, prefix: str) -> AsyncIterator[ScriptedWorkers]:
    async with scripted_workers(broker.bootstrap_servers, prefix) as opened:
        yield opened


async def test_a_restore_leaves_no_fetch_for_the_collector(workers: ScriptedWorkers):
    """Each would be up to 8 MB, and a collector that looks rarely would find them after hundreds of rebalances."""
    names = numbered(0, 30)
    await workers.work_off(*names, key="k")
    gc.collect()
    gc.disable()
    try:
        for upto in (0, 20):
            kept = Kept(Ledger(), upto)
            command = TopicPartition(workers.topics.command, 0)
            ends = await restore(TopicPartition(workers.topics.ledger, 0), kept, [command], workers.client)
            assert ends == {command: len(names)}
            assert kept.upto > len(names)
            assert [found for found in gc.get_objects() if isinstance(found, PartitionRecords)] == []
        assert all(kept.state.known(name) for name in names[-5:])
    finally:
        gc.enable()


async def test_an_unreadable_record_is_named_with_its_place(workers: ScriptedWorkers):
    ledger = TopicPartition(workers.topics.ledger, 0)
    await workers.put(ledger.topic, (b"command/c1", b'{"status": "sk_test_secret"}'))
    with pytest.raises(UnreadableRecordError, match=rf"{ledger.topic}-0 offset 0: LedgerCommand: ") as raised:
        await restore(ledger, Kept(Ledger(), 0), [], workers.client)
    assert "sk_test_secret" not in str(raised.value)
