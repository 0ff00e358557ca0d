"""Deletes what is older than the window: events, commands, what became of them, finished runs, and tallies.

Never what waits for a person: stopped and running runs, dead letters and the audit stay, however old. Each
step is a short transaction, so that the reading goes on between them.
"""

from collections.abc import Callable
from typing import Final

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, select, tuple_

from stripeline.contracts.retry_tiers import DAY_MS
from stripeline.deploy.console.index import tables
from stripeline.deploy.console.index.row_writer import take_turn
from stripeline.deploy.console.index.rows.run_rows import FINISHED

_AT_ONCE: Final = 1_000
_TALLIES_MS: Final = 2 * DAY_MS


def prune_steps(now_ms: int, window_ms: int) -> list[Callable[[Connection], int]]:
    """Each deletes some rows and returns how many; it is called until that is 0."""
    since_ms = now_ms - window_ms
    run, event, command, tally = tables.run, tables.event, tables.command, tables.tally
    outcome = tables.outcome
    return [
        _step(event, event.c.received_ms < since_ms),
        _step(command, and_(command.c.sent_ms < since_ms, command.c.status_ms < since_ms)),
        _step(outcome, outcome.c.at_ms < since_ms),
        *(_step(run, and_(run.c.status == status, run.c.finished_ms < since_ms)) for status in FINISHED),
        _step(tally, tally.c.minute < (now_ms - min(window_ms, _TALLIES_MS)) // 60_000),
    ]


def _step(table: Table, old: ColumnElement[bool]) -> Callable[[Connection], int]:
    key = tuple_(*table.primary_key.columns)
    some = select(*table.primary_key.columns).where(old).limit(_AT_ONCE)

    def step(db: Connection) -> int:
        take_turn(db)
        return int(db.execute(delete(table).where(key.in_(some))).rowcount)

    return step
