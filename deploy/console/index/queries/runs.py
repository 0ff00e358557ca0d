"""Runs in the index: a page of those that match, how many there are, and one by its id."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, func, or_, select

from stripeline.deploy.console.index.queries.keyset import PAGE_ROWS, Rows, cursor, cursor_parts
from stripeline.deploy.console.index.tables import run
from stripeline.deploy.operations.reading.run_filters import RunFilters


def newest_runs(
    filters: RunFilters, event_type: str | None = None, trigger: str | None = None, after: str | None = None
) -> Callable[[Connection], Rows]:
    """A page of the newest runs. after: the cursor of the page before."""
    conditions = [
        *_conditions(filters),
        *([run.c.event_type == event_type] if event_type else []),
        *([run.c.trigger == trigger] if trigger else []),
    ]
    if (parts := cursor_parts(after, 2)) is not None:
        started_ms = int(parts[0])
        conditions.append(
            or_(run.c.started_ms < started_ms, and_(run.c.started_ms == started_ms, run.c.run_id < parts[1]))
        )
    wanted = select(run).where(*conditions).order_by(run.c.started_ms.desc(), run.c.run_id.desc()).limit(PAGE_ROWS + 1)

    def query(connection: Connection) -> Rows:
        rows = connection.execute(wanted).fetchall()
        more = len(rows) > PAGE_ROWS
        shown = rows[:PAGE_ROWS]
        return Rows(rows=shown, next=cursor(shown[-1].started_ms, shown[-1].run_id) if more else None)

    return query


def runs_by_status(filters: RunFilters) -> Callable[[Connection], dict[str, int]]:
    """How many runs of each status match the other filters."""
    wanted = select(run.c.status, func.count()).where(*_conditions(filters)).group_by(run.c.status)
    return lambda connection: {row[0]: row[1] for row in connection.execute(wanted)}


def one_run(run_id: str) -> Callable[[Connection], Row[Any] | None]:
    """A run by its id; None where the index has none."""
    return lambda connection: connection.execute(select(run).where(run.c.run_id == run_id)).first()


def _conditions(filters: RunFilters) -> list[ColumnElement[bool]]:
    """Of the fields that are given."""
    equal = (
        (run.c.status, filters.status), (run.c.workflow, filters.workflow), (run.c.event_id, filters.event),
        (run.c.connection, filters.connection), (run.c.account, filters.account), (run.c.code, filters.code),
        (run.c.customer, filters.customer),
    )  # fmt: skip
    found = [column == value for column, value in equal if value is not None]
    if filters.since_ms is not None:
        found.append(run.c.started_ms >= filters.since_ms)
    if filters.until_ms is not None:
        found.append(run.c.started_ms <= filters.until_ms)
    return found
