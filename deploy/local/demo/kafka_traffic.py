"""The demo's own use of Kafka: produces as another team would."""

from collections.abc import Mapping, Sequence
from typing import Any

from stripeline.workers.kafka.one_off_producer import one_off_producer


async def put(topic: str, client: Mapping[str, Any], records: Sequence[tuple[bytes, bytes]]) -> None:
    """Produce keys and values, in their order. Raises KafkaError, TimeoutError."""
    async with one_off_producer(client) as producer:
        for key, value in records:
            await producer.send_and_wait(topic, value, key=key)
