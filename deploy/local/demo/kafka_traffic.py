"""What the demo does with Kafka beside the product: follows the topics, and produces as another team would."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer

from stripeline.deploy.operations.topic_reader import Read, partitions_of, read_of, reader

_POLL_MS = 100


async def follow(topics: Sequence[str], client: Mapping[str, Any]) -> AsyncIterator[Read]:
    """Yield each committed record from the beginning, for ever, without a group. Raises KafkaError."""
    partitions = [partition for topic in topics for partition in await partitions_of(topic, client)]
    async with reader(client) as consumer:
        consumer.assign(partitions)
        while True:
            for records in (await consumer.getmany(timeout_ms=_POLL_MS)).values():
                for record in records:
                    yield read_of(record)


async def put(topic: str, client: Mapping[str, Any], records: Sequence[tuple[bytes, bytes]]) -> None:
    """Produce keys and values, in their order. Raises KafkaError."""
    async with AIOKafkaProducer(**client) as producer:
        for key, value in records:
            await producer.send_and_wait(topic, value, key=key)
