"""A producer for the few records of one command: started and ended in bounded time. Decides nothing."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from aiokafka import AIOKafkaProducer

from stripeline.workers.kafka.aiokafka_internals import end_producer
from stripeline.workers.kafka.consumer import start_within

_START_S: Final = 15.0
_FLUSH_S: Final = 2.0


@contextlib.asynccontextmanager
async def one_off_producer(
    client: Mapping[str, Any], *, max_request_size: int = 1_048_576
) -> AsyncIterator[AIOKafkaProducer]:
    """A started producer with acks=all. Raises KafkaError, TimeoutError. How long a send may take is the caller's."""
    producer = AIOKafkaProducer(**client, enable_idempotence=True, max_request_size=max_request_size)
    try:
        await start_within(producer.start(), _START_S)
        yield producer
    finally:
        await end_producer(producer, _FLUSH_S)
