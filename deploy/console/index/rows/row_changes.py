"""What records change in the index: rows of each table, by the kind of the topic. Pure.

A record that can't be read is left out and counted by its topic; it never keeps the others out.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from stripeline.contracts.topics import Topics
from stripeline.deploy.console.index.latency_buckets import latency_name
from stripeline.deploy.console.index.rows.audit_rows import audit_row, letter_act_rows
from stripeline.deploy.console.index.rows.command_rows import (
    Row,
    command_row,
    is_command,
    is_thin_event,
    result_row,
    waiting_row,
)
from stripeline.deploy.console.index.rows.event_rows import event_row
from stripeline.deploy.console.index.rows.letter_rows import letter_row
from stripeline.deploy.console.index.rows.outcome_rows import outcome_rows
from stripeline.deploy.console.index.rows.run_rows import RunGone, run_change
from stripeline.deploy.console.index.rows.summaries import ResultSummary, summary
from stripeline.deploy.operations.reading.topic_reader import Read

_MINUTE_MS = 60_000


@dataclass(slots=True)
class RowChanges:
    """Of some records, in their order.

    gone_runs: tombstones of runs. tallies: by minute and name. unreadable: records by topic.
    """

    events: list[Row] = field(default_factory=list)
    runs: list[Row] = field(default_factory=list)
    gone_runs: list[RunGone] = field(default_factory=list)
    commands: list[Row] = field(default_factory=list)
    outcomes: list[Row] = field(default_factory=list)
    letters: list[Row] = field(default_factory=list)
    audits: list[Row] = field(default_factory=list)
    letter_acts: list[Row] = field(default_factory=list)
    tallies: Counter[tuple[int, str]] = field(default_factory=Counter)
    unreadable: Counter[str] = field(default_factory=Counter)


def add_changes(changes: RowChanges, topics: Topics, records: Iterable[Read], finished_since_ms: int = 0) -> None:
    """Add what these records change. A run that had finished before this time is as good as deleted."""
    for record in records:
        try:
            _add(changes, topics, record, finished_since_ms)
        except (msgspec.DecodeError, ValueError):
            changes.unreadable[record.topic] += 1


def _add(changes: RowChanges, topics: Topics, record: Read, finished_since_ms: int) -> None:
    topic = record.topic
    if topic in topics.events:
        changes.events.append(event_row(record))
        _count(changes, record, "events")
    elif topic == topics.run:
        change = run_change(record, finished_since_ms)
        if isinstance(change, RunGone):
            changes.gone_runs.append(change)
        else:
            changes.runs.append(change)
    elif topic == topics.command:
        if is_command(record):
            changes.commands.append(command_row(record))
    elif topic == topics.result:
        _add_result(changes, record)
    elif topics.is_retry(topic) and not is_thin_event(record):
        _add_command(changes, record, waiting_row(topics, record))
    elif topic == topics.dead_letter:
        changes.letters.append(letter_row(record))
    elif topic == topics.audit:
        changes.audits.append(audit_row(record))
        changes.letter_acts.extend(letter_act_rows(record, topics.dead_letter))


def _add_result(changes: RowChanges, record: Read) -> None:
    result = summary(ResultSummary, record.value)
    _add_command(changes, record, result_row(record, result))
    _count(changes, record, "results")
    if result.status != "succeeded":
        _count(changes, record, "failed")
    _count(changes, record, latency_name(result.finished_at - result.started_at))


def _add_command(changes: RowChanges, record: Read, row: Row) -> None:
    changes.commands.append(row)
    changes.outcomes.extend(outcome_rows(record, row))


def _count(changes: RowChanges, record: Read, name: str) -> None:
    changes.tallies[max(0, record.at_ms) // _MINUTE_MS, name] += 1
