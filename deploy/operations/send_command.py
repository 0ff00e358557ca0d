"""Produces one command as another team would, and waits for its result. The executor validates its input."""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
from pydantic import ValidationError

from stripeline.contracts.deliveries.partitioner import partition_of
from stripeline.contracts.headers import cloud_event
from stripeline.contracts.records import Result
from stripeline.contracts.topics import Topics
from stripeline.deploy.failure import FailureError
from stripeline.deploy.operations.reading.topic_reader import partitions_of
from stripeline.workers.kafka.one_off_producer import one_off_producer
from stripeline.workers.kafka.partition_reader import PartitionReader, partition_reader

# The value of `workers.router.run_outputs.COMMAND_TYPE`; importing it would load the expression engine.
_COMMAND_TYPE: Final = "stripeline.action-command"
_SEND_S: Final = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCommand:
    """A command to produce."""

    command_id: str
    action: str
    connection: str
    input: Mapping[str, Any]
    key: str | None
    at_ms: int
    account: str | None = None

    @property
    def value(self) -> bytes:
        fields = ("command_id", "action", "connection", "input")
        named = {} if self.account is None else {"account": self.account}
        return orjson.dumps({name: getattr(self, name) for name in fields} | named)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The partition and offset of a produced command."""

    partition: int
    offset: int


async def produce(topics: Topics, partitions: int, client: Mapping[str, Any], order: NewCommand) -> Place:
    """Produce the command; return when the broker has acknowledged it. Raises KafkaError, TimeoutError.

    A key finds its partition by the prefix's partition count, whatever was added to the topic. Without one the id does:
    sent again, it meets the task that knows it, and is not done twice.
    """
    ce = cloud_event(id=order.command_id, type=_COMMAND_TYPE, source="stripeline/cli", at_ms=order.at_ms)
    key = None if order.key is None else order.key.encode()
    async with one_off_producer(client) as producer, asyncio.timeout(_SEND_S):
        place = partition_of(key if key is not None else order.command_id.encode(), partitions)
        sent = await producer.send_and_wait(topics.command, order.value, key=key, partition=place, headers=list(ce))
    return Place(partition=sent.partition, offset=sent.offset)


async def produce_and_wait(
    topics: Topics, partitions: int, client: Mapping[str, Any], order: NewCommand, timeout_s: float
) -> Result:
    """Produce the command and wait for its result. Raises FailureError after `timeout_s`."""
    async with partition_reader(client) as reader:
        async with asyncio.timeout(_SEND_S):
            # Seek to the end of the results before the command is sent, so that its result can't be missed.
            reader.seek(await reader.end_offsets(await partitions_of(topics.result, client)))
        await produce(topics, partitions, client, order)
        try:
            async with asyncio.timeout(timeout_s):
                return await _result(reader, order.command_id)
        except TimeoutError:
            raise FailureError(
                f"The command {order.command_id} was produced, but has no result after {timeout_s:g} s. It may wait in"
                " a retry tier, no executor may be running, or the id may have been done before: an id is done once."
                f" Look at `stripeline dead-letters list --id {order.command_id}`."
            ) from None


async def _result(reader: PartitionReader, command_id: str) -> Result:
    while True:
        for record in await reader.poll():
            with contextlib.suppress(ValidationError):
                result = Result.model_validate_json(record.value or b"")
                if result.command_id == command_id:
                    return result
