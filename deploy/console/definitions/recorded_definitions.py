"""Versions of definitions, as the audit trail has them, and what of one a person may see. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from stripeline.contracts.internal_records import AuditRecord, UnreadableRecordError, read
from stripeline.contracts.masking import MASK
from stripeline.deploy.console.auth.identity import ConsoleRole, Identity
from stripeline.deploy.definitions.diff import FieldChange, recorded_changes


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of a definition. changes: from the one before."""

    number: int
    offset: int
    record: AuditRecord
    changes: Sequence[FieldChange]


def record_of(row: Row[Any]) -> AuditRecord:
    """Of a row of the audit. One that can't be read, of a later version, shows what the row has."""
    try:
        return read(AuditRecord, row.body.encode())
    except UnreadableRecordError:
        return AuditRecord(act=row.act, by=row.by, why=row.why, at_ms=row.at_ms, records=(), about=row.about)


def version_of(row: Row[Any], identity: Identity) -> Version:
    record = record_of(row)
    before, after = (shown_to(identity, one) for one in (record.former, record.definition))
    changes = recorded_changes(before, after) if record.former and record.definition else ()
    return Version(number=row.number, offset=row.offset, record=record, changes=changes)


def shown_to(identity: Identity, masked: Mapping[str, Any] | None) -> dict[str, Any]:
    """A recorded definition as a person may see it: without the role reader, no literal text of an input."""
    found = dict(masked or {})
    if not identity.may(ConsoleRole.READER) and isinstance(found.get("steps"), list):
        found["steps"] = [_without_literals(step) for step in found["steps"]]
    return found


def _without_literals(step: Any) -> Any:
    return {**step, "input": _expressions_only(step["input"])} if isinstance(step, dict) and "input" in step else step


def _expressions_only(value: Any) -> Any:
    match value:
        case str():
            return value if value.startswith("=") else MASK
        case dict():
            return {name: _expressions_only(held) for name, held in value.items()}
        case list():
            return [_expressions_only(held) for held in value]
        case _:
            return value
