"""Moves past a batch that no client can read, as a person asks: what would be skipped, whether it may be, and the act.

The owner of the partition does it (`stripeline.workers.kafka.unread`): it goes on behind the batch and writes its dead
letter in its own transaction. Here the act is recorded first and then asked for, both with acks=all: one that
was recorded and not asked for changes nothing, and shows as a partition that is still held.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from aiokafka.errors import CorruptRecordException, OffsetOutOfRangeError
from aiokafka.structs import TopicPartition

from stripeline.contracts import headers
from stripeline.contracts.internal_records import OffsetRange, encode
from stripeline.contracts.operator.control_records import BatchSkip
from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import AuditedAct
from stripeline.deploy.failure import FailureError
from stripeline.deploy.operations.acts.audit import Signed, record_act
from stripeline.deploy.operations.reading.topic_reader import partitions_of
from stripeline.workers.kafka.batch_header import BatchHeader, batch_header
from stripeline.workers.kafka.one_off_producer import one_off_producer
from stripeline.workers.kafka.unread.unreadable_batch import UnreadableBatch, unreadable_batch

_DEADLINE_S: Final = 30.0
_YEAR_10000_MS: Final = 253_402_300_800_000


class SkipError(FailureError):
    """A batch that is not skipped: why, and what to do instead."""


def require_skippable(topics: Topics, topic: str) -> None:
    """Raise SkipError for a topic whose records can't be left out, or that no task reads."""
    if topic in {topics.run, topics.ledger}:
        known = "runs" if topic == topics.run else "commands that were done, and what waits"
        raise SkipError(
            f"{topic} is a changelog, and is never skipped: the state behind the batch would forget {known}. Let a"
            " replica lead the partition that has the batch whole (kafka-leader-election.sh, or kafka-reassign-"
            "partitions.sh without the broker that spoiled it). Where no replica has it, see *A batch that can't be"
            " read* in docs/operations.md."
        )
    if topic == topics.control:
        raise SkipError(
            f"{topic} holds the definitions, and is never skipped: one of them could be missing. Let a replica lead it"
            f" that has the batch whole; where none has, delete {topic}, and run `stripeline topics apply"
            " --installation ID` with this installation's id and `stripeline apply FILE`. Processes that run keep what"
            " they have."
        )
    inputs = (*topics.events, topics.command, topics.result, *topics.retries)
    if topic not in inputs:
        raise SkipError(
            f"No task reads {topic}, so none can move past anything in it. What can be skipped: {', '.join(inputs)}."
        )


def place(topic: str, partition: int) -> TopicPartition:
    return TopicPartition(topic, partition)


async def look(topics: Topics, tp: TopicPartition, offset: int, client: Mapping[str, Any]) -> UnreadableBatch:
    """The batch at an offset that would be skipped. Raises SkipError, FailureError, KafkaError, TimeoutError."""
    require_skippable(topics, tp.topic)
    async with asyncio.timeout(_DEADLINE_S):
        await partitions_of(topics.audit, client)  # it is written to, and is younger than the other topics
        if tp not in (there := await partitions_of(tp.topic, client)):
            raise SkipError(f"{tp.topic} has no partition {tp.partition}: it has 0 to {len(there) - 1}.")
        try:
            found = await unreadable_batch(tp, offset, client)
            readable = await batch_header(tp, offset, client) if found is None else None
        except OffsetOutOfRangeError:
            raise SkipError(f"Offset {offset} is not in {_name(tp)}: it was removed, or does not exist yet.") from None
        except CorruptRecordException:
            raise SkipError(
                f"The broker itself can't read {_name(tp)} at offset {offset}, so nobody knows where the batch ends."
                " Let another replica lead the partition, or restore the broker's disk."
            ) from None
    if found is None:
        raise SkipError(f"Nothing is unreadable at offset {offset} of {_name(tp)}{_readable(readable)}.")
    return found


def _readable(header: BatchHeader | None) -> str:
    if header is None:
        return ": the partition ends there"
    return f": the batch of offsets {header.first_offset} to {header.last_offset} (codec {header.codec}) can be read"


def view(tp: TopicPartition, found: UnreadableBatch) -> dict[str, Any]:
    """What would be skipped, as a person and a script see it."""
    header = found.header
    at_ms = header.max_timestamp_ms
    return {
        "topic": tp.topic,
        "partition": tp.partition,
        "first_offset": found.first,
        "last_offset": found.last,
        "offsets": found.last - found.first + 1,
        "records": header.records,
        "bytes": len(found.data),
        "codec": header.codec,
        "producer_id": header.producer_id,
        "at": headers.rfc3339(at_ms) if 0 <= at_ms < _YEAR_10000_MS else None,
        "reason": str(found.reason),
        "why": found.why,
        "digest": found.digest,
    }


async def skip(
    topics: Topics, tp: TopicPartition, found: UnreadableBatch, signed: Signed, client: Mapping[str, Any]
) -> None:
    """Record the act, then ask the partition's owner for it. Raises KafkaError, TimeoutError."""
    range_ = OffsetRange(topic=tp.topic, partition=tp.partition, first=found.first, last=found.last)
    asked = BatchSkip(
        first=found.first, last=found.last, digest=found.digest, by=signed.by, why=signed.why, at_ms=signed.at_ms
    )
    async with one_off_producer(client) as producer, asyncio.timeout(_DEADLINE_S):
        await record_act(
            producer, topics, AuditedAct.SKIP_BATCH, signed, partition=tp.partition, records=(range_,)
        )  # fmt: skip
        key = f"skip/{tp.topic}/{tp.partition}".encode()
        await producer.send_and_wait(topics.control, encode(asked), key=key, partition=0)


def _name(tp: TopicPartition) -> str:
    return f"{tp.topic}-{tp.partition}"
