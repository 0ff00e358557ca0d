"""Produces one command as another team would, and waits for its result. The executor validates its input."""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from pydantic import ValidationError

from stripeline.contracts.headers import cloud_event
from stripeline.contracts.records import Result
from stripeline.contracts.topics import Topics
from stripeline.deploy.failure import FailureError
from stripeline.deploy.operations.topic_reader import partitions_of, reader

# The value of `workers.router.router.COMMAND_TYPE`; importing it would load the expression engine.
_COMMAND_TYPE: Final = "stripeline.action-command"
_SEND_S: Final = 15.0
_STOP_S: Final = 5.0
_POLL_MS: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A command to produce."""

    command_id: str
    action: str
    connection: str
    input: Mapping[str, Any]
    key: str | None
    at_ms: int

    @property
    def value(self) -> bytes:
        fields = ("command_id", "action", "connection", "input")
        return orjson.dumps({name: getattr(self, name) for name in fields})


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The partition and offset of a produced command."""

    partition: int
    offset: int


async def produce(topics: Topics, client: Mapping[str, Any], order: Order) -> Place:
    """Produce the command; return when the broker has acknowledged it. Raises KafkaError, TimeoutError."""
    producer = AIOKafkaProducer(**client, acks="all", enable_idempotence=True)
    ce = cloud_event(id=order.command_id, type=_COMMAND_TYPE, source="stripeline/cli", at_ms=order.at_ms)
    try:
        async with asyncio.timeout(_SEND_S):
            await producer.start()
            key = None if order.key is None else order.key.encode()
            sent = await producer.send_and_wait(topics.command, order.value, key=key, headers=list(ce))
    finally:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_S):
                await producer.stop()
    return Place(partition=sent.partition, offset=sent.offset)


async def produce_and_wait(topics: Topics, client: Mapping[str, Any], order: Order, timeout_s: float) -> Result:
    """Produce the command and wait for its result. Raises FailureError after `timeout_s`."""
    async with reader(client) as consumer:
        async with asyncio.timeout(_SEND_S):
            await _at_the_end(consumer, await partitions_of(topics.result, client))
        await produce(topics, client, order)
        try:
            async with asyncio.timeout(timeout_s):
                return await _result(consumer, order.command_id)
        except TimeoutError:
            raise FailureError(
                f"The command {order.command_id} was produced, but has no result after {timeout_s:g} s. It may wait in"
                " a retry tier, no executor may be running, or the id may have been done before: an id is done once."
                f" Look at `stripeline dead-letters list --id {order.command_id}`."
            ) from None


async def _at_the_end(consumer: AIOKafkaConsumer, partitions: list[TopicPartition]) -> None:
    """Seek to the end of the results before the command is sent, so that its result can't be missed."""
    consumer.assign(partitions)
    for partition, end in (await consumer.end_offsets(partitions)).items():
        consumer.seek(partition, end)


async def _result(consumer: AIOKafkaConsumer, command_id: str) -> Result:
    while True:
        batches = await consumer.getmany(timeout_ms=_POLL_MS)
        for record in (record for batch in batches.values() for record in batch):
            with contextlib.suppress(ValidationError):
                result = Result.model_validate_json(record.value or b"")
                if result.command_id == command_id:
                    return result
