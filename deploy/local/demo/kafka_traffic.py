"""The demo's own use of Kafka: follows the topics, and produces as another team would."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from stripeline.deploy.operations.reading.topic_reader import Read, partitions_of, read_of
from stripeline.workers.kafka.one_off_producer import one_off_producer
from stripeline.workers.kafka.partition_reader import partition_reader


async def follow(topics: Sequence[str], client: Mapping[str, Any]) -> AsyncIterator[Read]:
    """Yield each committed record from the beginning, for ever. Raises KafkaError, TimeoutError."""
    partitions = [partition for topic in topics for partition in await partitions_of(topic, client)]
    async with partition_reader(client) as reader:
        reader.seek(await reader.first_offsets(partitions))
        while True:
            for record in await reader.poll():
                yield read_of(record)


async def put(topic: str, client: Mapping[str, Any], records: Sequence[tuple[bytes, bytes]]) -> None:
    """Produce keys and values, in their order. Raises KafkaError, TimeoutError."""
    async with one_off_producer(client) as producer:
        for key, value in records:
            await producer.send_and_wait(topic, value, key=key)
