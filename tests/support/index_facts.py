"""Records for the console's index, with where they are on their topics."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table, select

from stripeline.contracts import headers as h
from stripeline.contracts.internal_records import AuditRecord, OffsetRange, encode
from stripeline.contracts.topics import Topics
from stripeline.deploy.console.index.row_writer import ReadStep, places, write
from stripeline.deploy.console.index.rows.row_changes import RowChanges, add_changes
from stripeline.deploy.operations.reading.topic_reader import Read

TOPICS = Topics()


def read(
    topic: str, offset: int, value: object, *, at_ms: int = 1_000_000, key: bytes | None = b"k", partition: int = 0,
    headers: Mapping[str, bytes] | None = None,
) -> Read:  # fmt: skip
    body = value if value is None or isinstance(value, bytes) else json.dumps(value).encode()
    return Read(
        topic=topic, partition=partition, offset=offset, at_ms=at_ms, key=key, value=body, headers=dict(headers or {})
    )  # fmt: skip


def command(offset: int, command_id: str = "c1", *, replay: bool = False, **fields: Any) -> Read:
    """On the command topic. replay: with the header of a person's replay."""
    place = {name: fields.pop(name) for name in ("at_ms", "partition", "key") if name in fields}
    value = {"command_id": command_id, "action": "stripe/create-customer", "connection": "acme", "input": {}, **fields}
    return read(TOPICS.command, offset, value, headers={h.REPLAY: b"{}"} if replay else {}, **place)


def waiting(offset: int, command_id: str = "c1", *, tier: int = 0, attempt: int = 1, **place: Any) -> Read:
    value = {"command_id": command_id, "action": "stripe/create-customer", "connection": "acme", "input": {}}
    headers = {
        h.ATTEMPT: str(attempt).encode(), h.DUE_AT: b"2000000", h.FIRST_APPENDED_AT: b"900000",
        h.LAST_ERROR: b"RATE_LIMITED: too many requests with sk_test_abc",
    }  # fmt: skip
    return read(TOPICS.retry(TOPICS.tiers[tier]), offset, value, headers=headers, **place)


def result(offset: int, command_id: str = "c1", *, status: str = "succeeded", **fields: Any) -> Read:
    place = {name: fields.pop(name) for name in ("at_ms", "partition", "key") if name in fields}
    error = {"code": "PAYMENT_REQUIRED", "message": "Your card was declined.", "retryable": False}
    value = {
        "command_id": command_id, "revision": offset, "action": "stripe/create-customer", "connection": "acme",
        "status": status, "output": {"id": "cus_1", "object": "customer"} if status == "succeeded" else None,
        "error": None if status == "succeeded" else error, "attempts": 1, "started_at": 900_000,
        "finished_at": 900_420, "run": None, **fields,
    }  # fmt: skip
    return read(TOPICS.result, offset, value, **place)


def letter(offset: int, command_id: str = "c1", *, reason: str = "exhausted", **place: Any) -> Read:
    headers = {
        h.REASON: reason.encode(), h.CODE: b"PROVIDER_ERROR", h.ATTEMPTS: b"6", h.ORIGIN_TOPIC: TOPICS.command.encode(),
        h.LAST_ERROR: b"Stripe said sk_test_abc is wrong", h.FIRST_APPENDED_AT: b"900000",
    }  # fmt: skip
    value = {"command_id": command_id, "action": "stripe/create-customer", "connection": "acme", "input": {}}
    return read(TOPICS.dead_letter, offset, value, headers=headers, **place)


def act(
    offset: int, kind: str, letters: Sequence[tuple[int, int, int]] = (), about: str | None = None, **place: Any
) -> Read:
    """letters: partition, first and last offset of each range."""
    ranges = tuple(
        OffsetRange(topic=TOPICS.dead_letter, partition=one[0], first=one[1], last=one[2]) for one in letters
    )
    record = AuditRecord(act=kind, by="ada@example.com", why="charged by hand", at_ms=1, records=ranges, about=about)
    return read(TOPICS.audit, offset, encode(record), **place)


def index(db: Connection, records: Iterable[Read]) -> RowChanges:
    """Write what these records change, as one batch."""
    found = list(records)
    changes = RowChanges()
    add_changes(changes, TOPICS, found)
    known, steps = places(db), {}
    for record in found:
        at = (record.topic, record.partition)
        steps[at] = ReadStep(
            known.get(at), max(record.offset + 1, known.get(at, 0), steps[at].to if at in steps else 0)
        )
    write(db, changes, steps, TOPICS.dead_letter)
    return changes


def contents(db: Connection, table: Table) -> list[dict[str, Any]]:
    """All rows of a table, by its key."""
    return [dict(row._mapping) for row in db.execute(select(table).order_by(*table.primary_key.columns))]
