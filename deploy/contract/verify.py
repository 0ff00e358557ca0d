"""Reads a topic from a moment on up to its ends of now, and has each record judged. Writes nothing, moves no offset."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

from stripeline.contracts.headers import rfc3339
from stripeline.deploy.contract.judge import Contract
from stripeline.deploy.operations.topic_reader import Read, partitions_of, read_of, reader

_POLL_MS: Final = 500
_MOST_IDLE_POLLS: Final = 60


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
    judged: int
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
    return Report(judged=judged, outside=sorted(outside, key=lambda one: (one.partition, one.offset)))


async def _records(span: Span, client: Mapping[str, Any]) -> AsyncGenerator[Read, None]:
    """Committed records only: what a transaction took back is on the topic, and nobody reads it."""
    partitions = await partitions_of(span.topic, client)
    async with reader(client) as consumer:
        begins, ends = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
        if span.since_ms is not None:
            found = await consumer.offsets_for_times(dict.fromkeys(partitions, span.since_ms))
            begins = {one: found[one].offset if found.get(one) else ends[one] for one in partitions}
        consumer.assign(partitions)
        for partition, begin in begins.items():
            consumer.seek(partition, begin)
        idle = 0
        while behind := [one for one in partitions if await consumer.position(one) < ends[one]]:
            batches = await consumer.getmany(*behind, timeout_ms=_POLL_MS)
            idle = 0 if batches else idle + 1
            if idle == _MOST_IDLE_POLLS:
                raise TimeoutError
            for read in (read_of(record) for batch in batches.values() for record in batch):
                if read.offset < ends[(read.topic, read.partition)]:
                    yield read


def _outside(read: Read, record: str, reason: str) -> Outside:
    return Outside(partition=read.partition, offset=read.offset, at=rfc3339(read.at_ms), record=record, reason=reason)
