"""The header of a batch on a real Kafka: at an offset, within a batch, of an open transaction, at the end."""

from aiokafka import AIOKafkaProducer
from aiokafka.structs import TopicPartition

from stripeline.workers.kafka.batch_header import batch_header
from tests.support.broker import Broker, TopicFactory


async def test_headers_of_batches_and_open_transactions(broker: Broker, topic_factory: TopicFactory) -> None:
    topic = await topic_factory("codecs")
    tp, client = TopicPartition(topic, 0), {"bootstrap_servers": broker.bootstrap_servers}
    producer = AIOKafkaProducer(**client, transactional_id=topic, compression_type="zstd", linger_ms=0)
    await producer.start()
    try:
        await producer.begin_transaction()
        batch = producer.create_batch()
        for number in range(3):
            batch.append(key=None, value=b"%d" % number, timestamp=1_700_000_000_000)
        batch.close()
        await (await producer.send_batch(batch, topic, partition=0))
        found = await batch_header(tp, 1, client)  # within the batch
        assert found is not None
        assert (found.first_offset, found.last_offset, found.records, found.codec) == (0, 2, 3, "zstd")
        assert (found.transactional, found.control, found.crc_ok) == (True, False, True)
        assert found.producer_id >= 0
        assert await batch_header(tp, 3, client) is None
        await producer.abort_transaction()
        marker = await batch_header(tp, 3, client)
        assert marker is not None
        assert marker.control
        assert marker.producer_id == found.producer_id
    finally:
        await producer.stop()
