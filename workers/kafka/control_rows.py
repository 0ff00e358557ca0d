"""The records of the control topic as rows of a table, with their places."""

from collections.abc import Mapping
from typing import NamedTuple

import structlog
from aiokafka import ConsumerRecord

from stripeline.contracts.definitions import ControlRecord, Definitions, parse_definition
from stripeline.contracts.operator.control_records import ControlPlace
from stripeline.contracts.vocabulary import LogEvent

log = structlog.get_logger(__name__)


class ControlRow(NamedTuple):
    """A record of the topic, and where it is. A record that can't be read leaves the last good one, with its place."""

    value: ControlRecord
    place: ControlPlace


def snapshot(table: Mapping[str, ControlRow]) -> Definitions:
    values = {key: row.value for key, row in table.items()}
    return Definitions.of(values, {key: row.place for key, row in table.items()})


def put(table: dict[str, ControlRow], record: ConsumerRecord, last_good: Mapping[str, ControlRow]) -> None:
    """One record into the table."""
    key = (record.key or b"").decode("utf-8", "replace")
    if record.value is None:
        table.pop(key, None)
        return
    try:
        table[key] = ControlRow(parse_definition(key, record.value), ControlPlace(record.offset, record.timestamp))
    except ValueError as error:
        log.error(LogEvent.DEFINITION_UNREADABLE, key=key, reason=str(error))  # noqa: TRY400
        if key in last_good:
            table[key] = last_good[key]
