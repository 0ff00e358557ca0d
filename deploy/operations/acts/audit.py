"""Records what a person does on the audit topic: before it takes effect, or in the same transaction.

`record_act` is for acts whose effect is on the control topic, which is never part of a transaction: the record comes
first. `commit_acts` is for all others: the record and the effects of an act are committed together or not at all. So an
act that was cut short, by kill -9 too, can be sent again.

Nobody waits for the transaction of a killed command longer than `one_off_producer.TRANSACTION_TIMEOUT_MS` and Kafka's
interval of looking for such (10 s): until then its partitions' later records are not read.
"""

import asyncio
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.structs import TopicPartition

from stripeline.contracts.headers import Headers
from stripeline.contracts.internal_records import AuditRecord, OffsetRange, encode
from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import AuditedAct
from stripeline.deploy.operations.rights import acts_id
from stripeline.workers.kafka.one_off_producer import transactional_producer
from stripeline.workers.kafka.transaction import MAX_REQUEST_BYTES

MAX_ACTS: Final = 100
"""Of one transaction: what a kill in the middle undoes, and what its readers wait for."""
_COMMIT_S: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """Who asks, why, and when."""

    by: str
    why: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ActEffect:
    """A record by which an act takes effect. `partition`: always chosen by the act, never by the key."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One act: its audit record, and the records by which it takes effect."""

    audit: AuditRecord
    partition: int
    effects: Sequence[ActEffect]


def audit_record(
    act: AuditedAct, signed: Signed, *, records: Sequence[OffsetRange] = (), about: str | None = None
) -> AuditRecord:
    return AuditRecord(act=act, by=signed.by, why=signed.why, at_ms=signed.at_ms, records=tuple(records), about=about)


async def record_act(
    producer: AIOKafkaProducer, topics: Topics, act: AuditedAct, signed: Signed, *, partition: int = 0,
    records: Sequence[OffsetRange] = (), about: str | None = None,
) -> None:  # fmt: skip
    """Returns when the broker has it. Raises KafkaError, TimeoutError."""
    done = audit_record(act, signed, records=records, about=about)
    await producer.send_and_wait(topics.audit, encode(done), partition=partition)


async def commit_acts(topics: Topics, client: Mapping[str, Any], acts: Iterable[Act], *, rate_per_s: float) -> int:
    """Commit acts in their order, at most `rate_per_s` a second on average, and return how many there were.

    About one transaction a second, of at most `MAX_ACTS` acts. Raises KafkaError, TimeoutError: how many were done then
    is not known until the topics are read again.
    """
    size, done, waiting = max(1, min(MAX_ACTS, int(rate_per_s))), 0, iter(acts)
    async with transactional_producer(client, _invocation_id(topics), max_request_size=MAX_REQUEST_BYTES) as producer:
        while batch := tuple(islice(waiting, size)):
            if done:
                await asyncio.sleep(size / rate_per_s)
            async with asyncio.timeout(_COMMIT_S), producer.transaction():
                await _send(producer, topics, batch)
            done += len(batch)
    return done


def _invocation_id(topics: Topics) -> str:
    """Of its own: two commands at a time must not fence each other."""
    return f"{acts_id(topics)}{secrets.token_hex(8)}"


async def _send(producer: AIOKafkaProducer, topics: Topics, acts: Sequence[Act]) -> None:
    sent = []
    for act in acts:
        audit = ActEffect(topic=topics.audit, partition=act.partition, key=None, value=encode(act.audit))
        for effect in (audit, *act.effects):
            place = TopicPartition(effect.topic, effect.partition)
            sent.append(
                await producer.send(
                    place.topic, effect.value, key=effect.key, partition=place.partition, headers=list(effect.headers)
                )
            )
    await asyncio.gather(*sent)
