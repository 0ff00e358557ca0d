"""What ingest uses of aiokafka below its public interface: these fail on an upgrade that changes it.

Read in aiokafka 0.14.0. When one fails, read the new aiokafka against `ingest/kafka/aiokafka_internals.py`.
"""

import asyncio
import inspect
from types import SimpleNamespace

import pytest
from aiokafka.cluster import ClusterMetadata
from aiokafka.producer.message_accumulator import BatchBuilder, MessageAccumulator, MessageBatch
from aiokafka.record import MemoryRecords
from aiokafka.structs import TopicPartition

from stripeline.ingest.kafka import aiokafka_internals
from stripeline.ingest.kafka.aiokafka_internals import DeferredBatch, end_producer
from stripeline.ingest.routing import Publication
from stripeline.workers.kafka import aiokafka_internals as of_workers

PARTITION = TopicPartition("stripe.payment-event", 0)


def publication(number: int) -> Publication:
    return Publication("payment-event", b"pi", b"%d" % number, (("ce_id", b"evt"),), 1_790_000_000_000, "pay")


class Transactions:
    """aiokafka's transaction manager, as far as the accumulator asks it."""

    transactional_id, producer_id, producer_epoch = None, 7, 0

    def __init__(self) -> None:
        self.sequence = 0

    def has_pid(self) -> bool:
        return True

    def maybe_add_partition_to_txn(self, _: TopicPartition) -> None: ...

    def sequence_number(self, _: TopicPartition) -> int:
        return self.sequence

    def increment_sequence_number(self, _: TopicPartition, increment: int) -> None:
        self.sequence += increment


def accumulator(transactions: Transactions, monkeypatch: pytest.MonkeyPatch) -> MessageAccumulator:
    cluster = ClusterMetadata()
    monkeypatch.setattr(cluster, "leader_for_partition", lambda _: 1)
    return MessageAccumulator(cluster, 1, 0, 30, txn_manager=transactions)


async def test_aiokafka_sends_a_deferred_batch_with_its_records(monkeypatch: pytest.MonkeyPatch) -> None:
    transactions, batch = Transactions(), DeferredBatch(10_000)
    unsent = accumulator(transactions, monkeypatch)
    batch.add(publication(0))
    delivery = await unsent.add_batch(batch, PARTITION, 1)
    batch.add(publication(1))  # it is not taken yet
    assert not batch.is_written
    nodes, _ = unsent.drain_by_nodes(set())
    taken = nodes[1][PARTITION]
    assert batch.is_written
    assert batch.closed()
    assert transactions.sequence == 2
    sent = MemoryRecords(bytes(taken.get_data_buffer())).next_batch()
    assert (sent.producer_id, sent.base_sequence) == (7, 0)
    assert [record.value for record in sent] == [b"0", b"1"]
    taken.done(0)
    assert (await delivery).offset == 0


def test_the_sender_counts_a_batch_just_before_it_takes_it() -> None:
    popped = inspect.getsource(MessageAccumulator._pop_batch)
    counted, taken = popped.index("batch.record_count"), popped.index("batch.set_producer_state(")
    assert counted < taken < popped.index("batch.drain_ready()")
    assert "await" not in popped  # nothing can be added between the two
    assert "self._builder._set_producer_state(" in inspect.getsource(MessageBatch.set_producer_state)
    assert list(inspect.signature(BatchBuilder).parameters)[:2] == ["batch_size", "compression_type"]


class Stuck:
    """A producer whose flush has no end, and whose sender ends when it is cancelled twice."""

    def __init__(self) -> None:
        self.failed: list[Exception] = []
        self.closed = 0
        self._message_accumulator = SimpleNamespace(fail_all=self.failed.append)
        self._sender = SimpleNamespace(sender_task=asyncio.create_task(self._send()))
        self.client = SimpleNamespace(close=self._close, _get_conn=self._send, _get_conn_lock=asyncio.Lock())

    async def stop(self) -> None:
        await asyncio.Event().wait()

    async def _send(self) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.Event().wait()

    async def _close(self) -> None:
        self.closed += 1


async def test_a_stuck_producer_is_ended_with_its_sender() -> None:
    producer = Stuck()
    await asyncio.sleep(0)
    await end_producer(producer, 0.01)
    assert producer._sender.sender_task.done()
    assert len(producer.failed) == 1
    assert producer.closed == 2
    assert await producer.client._get_conn(1) is None  # what a sender left behind opens no connection


async def test_a_producer_that_stops_is_not_forced(monkeypatch: pytest.MonkeyPatch) -> None:
    producer = Stuck()
    monkeypatch.setattr(producer, "stop", producer._close)
    await end_producer(producer, 1)
    assert producer.failed == []
    assert not producer._sender.sender_task.done()
    producer._sender.sender_task.cancel()


@pytest.mark.parametrize("name", ["end_producer", "_close_late_connection", "_no_connection", "_ended"])
def test_both_packages_end_a_producer_in_the_same_way(name: str) -> None:
    assert inspect.getsource(getattr(aiokafka_internals, name)) == inspect.getsource(getattr(of_workers, name))
