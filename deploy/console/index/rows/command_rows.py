"""Rows of commands: what the command topic, the retry tiers and the result topic each know of one. Pure."""

from typing import Any, Final

from stripeline.contracts import headers as h
from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import Code
from stripeline.deploy.console.index.rows.cells import cell, count_cell, error_cell, id_cell, key_cell, ms_cell
from stripeline.deploy.console.index.rows.registers import TIER_TIE, FactKind, described, standing
from stripeline.deploy.console.index.rows.summaries import CommandSummary, ResultSummary, RunRefSummary, summary
from stripeline.deploy.operations.reading.command_views import SENT, WAITING
from stripeline.deploy.operations.reading.topic_reader import Read

Row = dict[str, Any]
_CODES: Final = frozenset(Code)
_NO_RESULT: Final = dict.fromkeys(("revision", "started_ms", "finished_ms", "result_offset"))


def is_command(record: Read) -> bool:
    """A settlement and a cancellation travel on the command topic, and are none."""
    return h.SETTLES not in record.headers and h.CANCELS not in record.headers


def is_thin_event(record: Read) -> bool:
    """A thin event waits in the retry tiers too."""
    return record.headers.get(h.KIND) == h.THIN_EVENT


def command_row(record: Read) -> Row:
    """Raises msgspec.DecodeError."""
    kind = FactKind.REPLAY if h.REPLAY in record.headers else FactKind.COMMAND
    return {
        **_of_command(record, kind),
        "status": SENT, "code": None, "error": None, "attempts": None, "due_ms": None, "tier": None,
        "tier_offset": None, "command_offset": record.offset, "standing_tie": record.offset,
    }  # fmt: skip


def waiting_row(topics: Topics, record: Read) -> Row:
    """Raises msgspec.DecodeError."""
    why = h.text(record.headers, h.LAST_ERROR)
    code = (why or "").partition(":")[0]
    return {
        **_of_command(record, FactKind.WAIT),
        "status": WAITING, "code": code if code in _CODES else None, "error": error_cell(why),
        "attempts": count_cell(h.number(record.headers, h.ATTEMPT)),
        "due_ms": ms_cell(h.number(record.headers, h.DUE_AT)),
        "tier": record.topic, "tier_offset": record.offset, "command_offset": None,
        "standing_tie": record.offset * TIER_TIE + topics.delay_ms(record.topic),
    }  # fmt: skip


def result_row(record: Read, result: ResultSummary) -> Row:
    rank, at_ms = described(FactKind.RESULT, record.offset), _appended_ms(record)
    output, error = result.output, result.error
    object_id = None if output is None else id_cell(output.id)
    customer = None if output is None else cell(output.customer_id)
    return {
        **_identity(record, result.command_id, result.run),
        "action": cell(result.action), "connection": cell(result.connection), "account": cell(result.account),
        "customer": customer, "customer_from": None if customer is None else rank,
        "object_id": object_id, "object_from": None if object_id is None else rank,
        "status": cell(result.status), "status_ms": at_ms, "code": cell(error.code) if error else None,
        "error": error_cell(error.message) if error else None, "attempts": count_cell(result.attempts),
        "revision": count_cell(result.revision), "due_ms": None, "tier": None, "tier_offset": None,
        "sent_ms": ms_cell(result.started_at) or at_ms, "started_ms": ms_cell(result.started_at),
        "finished_ms": ms_cell(result.finished_at), "command_offset": None, "result_offset": record.offset,
        "standing": standing(FactKind.RESULT, at_ms, succeeded=result.status == "succeeded"),
        "standing_tie": record.offset, "described": rank,
    }  # fmt: skip


def _of_command(record: Read, kind: FactKind) -> Row:
    command = summary(CommandSummary, record.value)
    rank, at_ms = described(kind, record.offset), _appended_ms(record)
    customer, object_id = cell(command.input.customer_id), id_cell(command.input.id)
    return {
        **_identity(record, command.command_id, command.run),
        "action": cell(command.action), "connection": cell(command.connection), "account": cell(command.account),
        "customer": customer, "customer_from": None if customer is None else rank,
        "object_id": object_id, "object_from": None if object_id is None else rank,
        "status_ms": at_ms, "sent_ms": h.first_appended_ms(record.headers, at_ms),
        "standing": standing(kind, at_ms), "described": rank, **_NO_RESULT,
    }  # fmt: skip


def _identity(record: Read, command_id: str, run: RunRefSummary | None) -> Row:
    return {
        "number": record.partition, "command_id": cell(command_id), "key": key_cell(record.key),
        "run_id": cell(run.run_id) if run else None, "workflow": cell(run.workflow) if run else None,
        "step": cell(run.step) if run else None,
    }  # fmt: skip


def _appended_ms(record: Read) -> int:
    return ms_cell(record.at_ms) or 0
