"""Runs in the index: a page of those that match, how many there are, and one by its id."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, bindparam, select

from stripeline.deploy.console.index.queries.events import of_type
from stripeline.deploy.console.index.queries.keyset import (
    PAGE_ROWS,
    Rows,
    behind,
    by_time,
    count_by_status,
    cursor,
    cursor_parts,
    newer_rows,
    page,
    unindexed_where_wide,
)
from stripeline.deploy.console.index.tables import run
from stripeline.deploy.operations.reading.run_filters import RunFilters

STATUSES: Final = ("running", "succeeded", "stopped", "cancelled")
_AT_ONCE: Final = 500
"""Ids of one question: SQLite takes 32,766 parameters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunQuestion:
    """Which runs."""

    filters: RunFilters
    event_type: str | None = None
    trigger: str | None = None


def newest_runs(asked: RunQuestion, after: str | None = None) -> Callable[[Connection], Rows]:
    """A page of the newest runs. after: the cursor of the page before."""
    conditions = [by_time(run.c.started_ms), *_conditions(asked)]
    if (parts := cursor_parts(after, 2)) is not None:
        conditions.append(behind(run.c.started_ms, int(parts[0]), (run.c.run_id, parts[1])))
    wanted = select(run).where(*conditions).order_by(run.c.started_ms.desc(), run.c.run_id.desc()).limit(PAGE_ROWS + 1)
    return lambda connection: page(
        connection.execute(wanted).fetchall(), lambda last: cursor(last.started_ms, last.run_id)
    )


def newer_runs(asked: RunQuestion, newest: str | None) -> Callable[[Connection], int]:
    """How many runs match that started after the newest one that is shown."""
    return newer_rows((run.c.started_ms, run.c.run_id), _conditions(asked), newest)


def runs_by_status(asked: RunQuestion) -> Callable[[Connection], Mapping[str, int]]:
    """How many runs of each status match the other filters; one more than `COUNTED` for all above it."""
    return count_by_status(run.c.status, STATUSES, _conditions(asked, status=False))


def one_run(run_id: str) -> Callable[[Connection], Row[Any] | None]:
    """A run by its id; None where the index has none."""
    return lambda connection: connection.execute(select(run).where(run.c.run_id == run_id)).first()


def matching_runs(
    asked: RunQuestion, statuses: Sequence[str], limit: int
) -> Callable[[Connection], Sequence[Row[Any]]]:
    """The newest runs of these statuses that match, newest first: their ids and times, which one index has."""
    conditions = unindexed_where_wide(_conditions(asked, status=False))
    order = (run.c.started_ms.desc(), run.c.run_id.desc())
    # SQLite takes an index of some statuses for a status that is in the text of the statement, and for no parameter.
    wanted = [
        select(run.c.run_id, run.c.started_ms)
        .where(run.c.status == bindparam(None, status, literal_execute=True), *conditions)
        .order_by(*order)
        .limit(limit)
        for status in statuses
        if asked.filters.status in {None, status}
    ]

    def query(connection: Connection) -> Sequence[Row[Any]]:
        found: list[Any] = [row for one in wanted for row in connection.execute(one)]
        return sorted(found, key=lambda row: (row.started_ms, row.run_id), reverse=True)[:limit]

    return query


def runs_at(run_ids: Sequence[str]) -> Callable[[Connection], dict[str, Row[Any]]]:
    """The runs of these ids that the index has."""

    def query(connection: Connection) -> dict[str, Row[Any]]:
        found: dict[str, Row[Any]] = {}
        for start in range(0, len(run_ids), _AT_ONCE):
            some = run.c.run_id.in_(run_ids[start : start + _AT_ONCE])
            found |= {row.run_id: row for row in connection.execute(select(run).where(some))}
        return found

    return query


def runs_of_event(event_id: str, most: int = 100) -> Callable[[Connection], Sequence[Row[Any]]]:
    """The runs that an event started, of each workflow one."""
    wanted = select(run).where(run.c.event_id == event_id).order_by(run.c.started_ms.desc()).limit(most)
    return lambda connection: connection.execute(wanted).fetchall()


def _conditions(asked: RunQuestion, *, status: bool = True) -> list[ColumnElement[bool]]:
    """Of the fields that are given."""
    filters = asked.filters
    equal = (
        (run.c.status, filters.status if status else None), (run.c.workflow, filters.workflow),
        (run.c.event_id, filters.event), (run.c.connection, filters.connection), (run.c.account, filters.account),
        (run.c.code, filters.code), (run.c.customer, filters.customer),
        (run.c.trigger, asked.trigger),
    )  # fmt: skip
    found = [column == value for column, value in equal if value is not None]
    if asked.event_type is not None:
        found.append(of_type(run.c.event_type, asked.event_type))
    if filters.since_ms is not None:
        found.append(run.c.started_ms >= filters.since_ms)
    if filters.until_ms is not None:
        found.append(run.c.started_ms <= filters.until_ms)
    return found
