"""The row of an act, and which dead letters it is about, as `letter_states` understands it. Pure."""

from typing import Any

import orjson

from stripeline.contracts.internal_records import AuditRecord, read
from stripeline.contracts.masking import mask
from stripeline.deploy.console.index.rows.cells import cell, error_cell, ms_cell
from stripeline.deploy.operations.reading.letter_states import Audited, states
from stripeline.deploy.operations.reading.topic_reader import Read


def audit_row(record: Read) -> dict[str, Any]:
    """Raises UnreadableRecordError."""
    act = read(AuditRecord, record.value or b"")
    return {
        "number": record.partition, "offset": record.offset, "act": cell(act.act), "by": cell(act.by),
        "why": error_cell(act.why), "about": cell(act.about),
        "body": orjson.dumps(mask(orjson.loads(record.value or b""))).decode(), "at_ms": ms_cell(record.at_ms) or 0,
    }  # fmt: skip


def letter_act_rows(record: Read, dead_letter_topic: str) -> list[dict[str, Any]]:
    """One for each range of letters, or for the command, that the act closes. Raises UnreadableRecordError."""
    act = read(AuditRecord, record.value or b"")
    closed = states([audited(act, record)], dead_letter_topic)
    about: list[dict[str, Any]] = [
        {"number": number, "first": one.first, "last": one.last, "command_id": None}
        for number, found in closed.by_partition.items()
        for one in found
    ]
    about += [
        {"number": number, "first": None, "last": None, "command_id": cell(command_id)}
        for number, command_id in closed.by_command
    ]
    place = {"audit_number": record.partition, "audit_offset": record.offset}
    return [{**place, "range": index, **one} for index, one in enumerate(about)]


def audited(act: AuditRecord, record: Read) -> Audited:
    return Audited(record=act, partition=record.partition, offset=record.offset, at_ms=record.at_ms)
