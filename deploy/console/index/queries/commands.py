"""Commands in the index: a page of those that match, their counts, one, those of a run, and what waits before one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, func, literal, select

from stripeline.deploy.console.index.queries.keyset import (
    COUNTED,
    PAGE_ROWS,
    Rows,
    behind,
    by_time,
    count_by_status,
    cursor,
    cursor_parts,
    newer_rows,
    page,
)
from stripeline.deploy.console.index.tables import command, letter, outcome

STATUSES: Final = ("sent", "waiting", "succeeded", "failed", "indeterminate")
RUNS: Final = "runs"
UNDECIDED: Final = ("sent", "waiting")
_SHOWN: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandFilters:
    """None lets all pass. source: `runs`, or the other teams, whose commands belong to none. since_ms: when sent."""

    status: str | None = None
    action: str | None = None
    connection: str | None = None
    account: str | None = None
    code: str | None = None
    key: str | None = None
    run: str | None = None
    source: str | None = None
    id: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None


def newest_commands(filters: CommandFilters, after: str | None = None) -> Callable[[Connection], Rows]:
    """A page of the newest commands. after: the cursor of the page before."""
    conditions = [by_time(command.c.sent_ms), *_conditions(filters)]
    if (parts := cursor_parts(after, 3, numbers=2)) is not None:
        rest = ((command.c.number, int(parts[1])), (command.c.command_id, parts[2]))
        conditions.append(behind(command.c.sent_ms, int(parts[0]), *rest))
    order = (command.c.sent_ms.desc(), command.c.number.desc(), command.c.command_id.desc())
    wanted = select(command).where(*conditions).order_by(*order).limit(PAGE_ROWS + 1)
    return lambda connection: page(
        connection.execute(wanted).fetchall(), lambda last: cursor(last.sent_ms, last.number, last.command_id)
    )


def newer_commands(filters: CommandFilters, newest: str | None) -> Callable[[Connection], int]:
    """How many commands match that were sent after the newest one that is shown."""
    return newer_rows((command.c.sent_ms, command.c.number, command.c.command_id), _conditions(filters), newest)


def commands_by_status(filters: CommandFilters) -> Callable[[Connection], Mapping[str, int]]:
    """How many commands of each status match the other filters; one more than `COUNTED` for all above it."""
    return count_by_status(command.c.status, STATUSES, _conditions(filters, status=False))


def one_command(number: int, command_id: str) -> Callable[[Connection], Row[Any] | None]:
    """A command of a partition by its id; None where the index has none."""
    wanted = select(command).where(command.c.number == number, command.c.command_id == command_id)
    return lambda connection: connection.execute(wanted).first()


def commands_of_run(run_id: str) -> Callable[[Connection], Sequence[Row[Any]]]:
    """All commands of a run, the first first: also those that a retry has superseded."""
    wanted = (
        select(command)
        .where(command.c.run_id == run_id)
        .order_by(command.c.sent_ms, command.c.command_id)
        .limit(_SHOWN)
    )
    return lambda connection: connection.execute(wanted).fetchall()


def waiting_ahead(row: Row[Any]) -> Callable[[Connection], int]:
    """How many undecided commands of its key were sent before a command; a null key orders nothing."""
    before = (
        select(literal(1))
        .where(
            command.c.key == row.key,
            command.c.number == row.number,
            command.c.status.in_(UNDECIDED),
            command.c.sent_ms <= row.sent_ms,
            command.c.command_offset < row.command_offset,
        )
        .limit(COUNTED)
    )
    wanted = select(func.count()).select_from(before.subquery())
    return lambda connection: 0 if row.key is None else connection.execute(wanted).scalar_one()


def letters_of_commands(number: int, command_ids: Sequence[str]) -> Callable[[Connection], Sequence[Row[Any]]]:
    """The dead letters of commands of a partition, newest first."""
    wanted = (
        select(letter)
        .where(letter.c.command_id.in_(command_ids), letter.c.number == number)
        .order_by(letter.c.at_ms.desc(), letter.c.offset.desc())
        .limit(_SHOWN)
    )
    return lambda connection: connection.execute(wanted).fetchall()


def outcomes_of_commands(number: int, command_ids: Sequence[str]) -> Callable[[Connection], Sequence[Row[Any]]]:
    """The waits and the results of commands of a partition, in the order of time."""
    wanted = (
        select(outcome)
        .where(outcome.c.number == number, outcome.c.command_id.in_(command_ids))
        .order_by(outcome.c.at_ms, outcome.c.offset)
        .limit(_SHOWN)
    )
    return lambda connection: connection.execute(wanted).fetchall()


def _conditions(filters: CommandFilters, *, status: bool = True) -> list[ColumnElement[bool]]:
    """Of the fields that are given."""
    equal = (
        (command.c.status, filters.status if status else None), (command.c.action, filters.action),
        (command.c.connection, filters.connection), (command.c.account, filters.account),
        (command.c.code, filters.code), (command.c.key, filters.key), (command.c.run_id, filters.run),
        (command.c.command_id, filters.id),
    )  # fmt: skip
    found = [column == value for column, value in equal if value is not None]
    if filters.source is not None:
        found.append(command.c.run_id.is_not(None) if filters.source == RUNS else command.c.run_id.is_(None))
    if filters.since_ms is not None:
        found.append(command.c.sent_ms >= filters.since_ms)
    if filters.until_ms is not None:
        found.append(command.c.sent_ms <= filters.until_ms)
    return found
