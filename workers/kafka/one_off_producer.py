"""A producer for the few records of one command: started and ended in bounded time. Decides nothing."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from aiokafka import AIOKafkaProducer

from stripeline.workers.kafka.aiokafka_internals import end_producer
from stripeline.workers.kafka.client_start import start_within

_START_S: Final = 15.0
_FLUSH_S: Final = 2.0


TRANSACTION_TIMEOUT_MS: Final = 10_000
"""After this, Kafka ends the transaction of a command that was killed: until then its records hold their readers."""


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


@contextlib.asynccontextmanager
async def transactional_producer(
    client: Mapping[str, Any], transactional_id: str, *, max_request_size: int = 1_048_576
) -> AsyncIterator[AIOKafkaProducer]:
    """A started producer whose records count by transaction. Raises KafkaError, TimeoutError."""
    producer = AIOKafkaProducer(
        **client, transactional_id=transactional_id, transaction_timeout_ms=TRANSACTION_TIMEOUT_MS,
        max_request_size=max_request_size,
    )  # fmt: skip
    try:
        await start_within(producer.start(), _START_S)
        yield producer
    finally:
        await end_producer(producer, _FLUSH_S)
