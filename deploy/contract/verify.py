"""Reads a topic from a moment on up to its ends of now, and has each record judged. Writes nothing, moves no offset."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

from stripeline.contracts.headers import rfc3339
from stripeline.deploy.contract.judge import Contract
from stripeline.deploy.operations.reading.topic_reader import Read, hidden_of, partitions_of, read_of
from stripeline.workers.kafka.partition_reader import partition_reader

_SILENT_S: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Which records: of a topic, from its beginning or a moment on, at most so many."""

    topic: str
    since_ms: int | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """A record outside the contract, and what it was taken for."""

    partition: int
    offset: int
    at: str
    record: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """`hidden`: what could not be read, in words."""

    judged: int
    hidden: Sequence[str]
    outside: Sequence[Outside]


async def verify(span: Span, contract: Contract, client: Mapping[str, Any]) -> Report:
    """Judge the records of a span. Raises FailureError for a missing topic, KafkaError, TimeoutError."""
    judged, outside = 0, []
    async with aclosing(_records(span, client)) as records:
        async for read in records:
            if judged == span.limit:
                break
            judged += 1
            verdict = contract.judge(read.key, read.value, read.headers)
            if verdict.problems:
                outside.append(_outside(read, verdict.record, verdict.reason))
    in_order = sorted(outside, key=lambda one: (one.partition, one.offset))
    return Report(judged=judged, hidden=await hidden_of(span.topic, client), outside=in_order)


async def _records(span: Span, client: Mapping[str, Any]) -> AsyncGenerator[Read, None]:
    """Committed records only, up to the ends of now."""
    partitions = await partitions_of(span.topic, client)
    async with partition_reader(client) as reader:
        begins, ends = await reader.first_offsets(partitions), await reader.end_offsets(partitions)
        if span.since_ms is not None:
            begins = {**ends, **await reader.offsets_at(partitions, span.since_ms)}
        reader.seek(begins)
        async with aclosing(reader.read_to(ends, silent_s=_SILENT_S)) as fetches:
            async for records in fetches:
                for read in map(read_of, records):
                    if read.offset < ends[(read.topic, read.partition)]:
                        yield read


def _outside(read: Read, record: str, reason: str) -> Outside:
    return Outside(partition=read.partition, offset=read.offset, at=rfc3339(read.at_ms), record=record, reason=reason)
