"""What the workers use of aiokafka below its public interface: these fail on an upgrade that changes it.

Read in aiokafka 0.14.0. When one fails, read the new aiokafka against `workers/kafka/aiokafka_internals.py`.
Ending a producer is tested beside ingest's, whose text is the same; offsets on a real Kafka with the tasks.
"""

from types import SimpleNamespace
from typing import Any

from aiokafka import AIOKafkaClient, AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord
from aiokafka.consumer.fetcher import FetchResult, PartitionRecords
from aiokafka.protocol.commit import OffsetFetchRequest, OffsetFetchResponse_v3
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition

from stripeline.workers.kafka.aiokafka_internals import close_connections, read_bare_records


async def test_a_stop_cut_short_leaves_connections_to_close() -> None:
    consumer = AIOKafkaConsumer(bootstrap_servers="127.0.0.1:1", group_id=None)
    closed: list[Any] = []

    class Connection:
        def close(self, reason: Any) -> Any:
            closed.append(reason)
            return _done()

    consumer._client._conns["one"] = Connection()
    consumer._closed = True  # as `stop` sets it before it waits
    await consumer.stop()
    assert closed == []
    await close_connections(consumer)
    assert len(closed) == 1


async def _done() -> None: ...


async def test_a_closed_client_asks_its_hook_for_a_connection() -> None:
    """`end_producer` replaces the hook, so that nothing opens a connection any more."""
    producer = AIOKafkaProducer(bootstrap_servers="127.0.0.1:1")
    asked: list[Any] = []

    async def no_connection(node_id: Any, **_: Any) -> None:
        asked.append(node_id)

    producer.client._get_conn = no_connection
    assert not await producer.client.ready(3)
    assert asked == [3]
    await producer.stop()
    assert isinstance(producer.client, AIOKafkaClient)


def test_the_coordinators_answer_has_the_errors_that_are_read() -> None:
    fields = OffsetFetchResponse_v3.SCHEMA.names
    assert set(fields) >= {"topics", "error_code"}
    topics = OffsetFetchResponse_v3.SCHEMA.fields[fields.index("topics")].array_of
    partition = topics.fields[topics.names.index("partitions")].array_of
    assert partition.names == ("partition", "offset", "metadata", "error_code")
    assert OffsetFetchRequest("group", [("topic", [0])])._partitions == [("topic", [0])]


def test_bare_records_are_as_they_were_decoded() -> None:
    tp, batch = TopicPartition("t", 0), DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 4_096)
    batch.append(0, 7, b"k", b"v", [])
    consumer = SimpleNamespace(_fetcher=SimpleNamespace())
    read_bare_records(consumer)
    records = PartitionRecords(tp, MemoryRecords(bytes(batch.build())), [], 0, None, None, True, 1)
    consumer._fetcher._records[tp] = FetchResult(tp, assignment=None, partition_records=records, backoff=0)
    (record,) = records
    assert (record.offset, record.timestamp, record.key, record.value) == (0, 7, b"k", b"v")
    assert not isinstance(record, ConsumerRecord)
    assert records.next_fetch_offset == 1
