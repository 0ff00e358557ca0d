"""The row of a dead letter, as it was appended: open. What the audit makes of it is `letter_closing`'s. Pure."""

from typing import Any

import msgspec

from stripeline.contracts import headers as h
from stripeline.contracts.vocabulary import LetterState
from stripeline.deploy.console.index.rows.cells import cell, count_cell, error_cell, key_cell, ms_cell
from stripeline.deploy.console.index.rows.summaries import CommandSummary, summary
from stripeline.deploy.operations.reading.topic_reader import Read


def letter_row(record: Read) -> dict[str, Any]:
    """Its bytes are those of any record, and need not be a command."""
    command, headers = _command(record), record.headers
    run = None if command is None else command.run
    return {
        "number": record.partition, "offset": record.offset,
        "command_id": cell(command.command_id) if command else None, "key": key_cell(record.key),
        "action": cell(command.action) if command else None,
        "connection": cell(command.connection if command else h.text(headers, h.CONNECTION)),
        "account": cell(command.account) if command else None,
        "customer": cell(command.input.customer_id) if command else None, "run_id": cell(run.run_id) if run else None,
        "reason": cell(h.text(headers, h.REASON)), "code": cell(h.text(headers, h.CODE)),
        "error": error_cell(h.text(headers, h.LAST_ERROR)), "attempts": count_cell(h.number(headers, h.ATTEMPTS)),
        "origin": cell(h.text(headers, h.ORIGIN_TOPIC)), "state": LetterState.OPEN.value, "state_ms": None,
        "first_ms": ms_cell(h.number(headers, h.FIRST_APPENDED_AT)), "at_ms": ms_cell(record.at_ms) or 0,
    }  # fmt: skip


def _command(record: Read) -> CommandSummary | None:
    try:
        return summary(CommandSummary, record.value)
    except msgspec.DecodeError:
        return None
