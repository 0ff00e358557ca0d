"""Records what a person does on the audit topic, before it takes effect."""

from collections.abc import Sequence
from dataclasses import dataclass

from aiokafka import AIOKafkaProducer

from stripeline.contracts.internal_records import AuditRecord, OffsetRange, encode
from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import AuditedAct


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """Who asks, why, and when."""

    by: str
    why: str
    at_ms: int


async def record_act(
    producer: AIOKafkaProducer, topics: Topics, act: AuditedAct, signed: Signed, *, partition: int = 0,
    records: Sequence[OffsetRange] = (), about: str | None = None,
) -> None:  # fmt: skip
    """Returns when the broker has it. Raises KafkaError, TimeoutError."""
    done = AuditRecord(
        act=act, by=signed.by, why=signed.why, at_ms=signed.at_ms, records=tuple(records), about=about
    )  # fmt: skip
    await producer.send_and_wait(topics.audit, encode(done), partition=partition)
