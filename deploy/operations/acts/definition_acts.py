"""Applies and deletes definitions: what becomes of each is on the audit topic, masked, before the control topic has it.

One audit record for each definition, `about` its kind and name, with what it was before: so its history can be read by
its name, and a version whose own record is gone is still in the next one. Where the audit can't be written, nothing is
applied. Definitions come in here masked: see `masked_definition`.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from stripeline.contracts.definitions import AnyDefinition
from stripeline.contracts.internal_records import AuditRecord, encode
from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import AuditedAct
from stripeline.deploy.definitions.masked_definition import masked_definition
from stripeline.deploy.failure import FailureError
from stripeline.deploy.operations.acts.audit import Signed
from stripeline.workers.kafka.control_table import Changes, write
from stripeline.workers.kafka.one_off_producer import one_off_producer

MAX_RECORD_BYTES: Final = 900_000
"""Of an audit record: below what its topic takes."""
_DEADLINE_S: Final = 60.0


def definition_records(
    changes: Changes, stored: Mapping[str, AnyDefinition], wanted: Mapping[str, AnyDefinition], signed: Signed
) -> Iterator[AuditRecord]:
    """The audit records of those changes that are of definitions. Raises FailureError for one that is too large."""
    for key, value in changes.items():
        if key in wanted or key in stored:
            yield _record(key, stored.get(key), None if value is None else wanted[key], signed)


def _record(key: str, before: AnyDefinition | None, after: AnyDefinition | None, signed: Signed) -> AuditRecord:
    kind, _, name = key.partition("/")
    now, former = (None if one is None else masked_definition(one) for one in (after, before))
    record = AuditRecord(
        act=AuditedAct.DELETE if after is None else AuditedAct.APPLY, by=signed.by, why=signed.why,
        at_ms=signed.at_ms, records=(), about=f"{kind} {name}", definition=now, former=former,
    )  # fmt: skip
    if len(encode(record)) <= MAX_RECORD_BYTES:
        return record
    alone = msgspec.structs.replace(record, former=None)  # which has a record of its own
    if (size := len(encode(alone))) <= MAX_RECORD_BYTES:
        return alone
    raise FailureError(
        f"The {kind} {name} has {size:,} bytes, and can have {MAX_RECORD_BYTES:,} at most. Nothing was changed."
    )


async def carry_out(
    topics: Topics, client: Mapping[str, Any], records: Iterable[AuditRecord], changes: Changes
) -> None:
    """Record, then publish. Raises KafkaError, TimeoutError: where the records can't be written, nothing is changed."""
    values = [encode(record) for record in records]
    async with one_off_producer(client) as producer:
        async with asyncio.timeout(_DEADLINE_S):
            await asyncio.gather(*[await producer.send(topics.audit, value, partition=0) for value in values])
        await write(topics.control, producer, changes)
