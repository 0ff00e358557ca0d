"""What needs a person, counted: open dead letters by reason, and stopped runs by code."""

from collections.abc import Callable, Mapping

from sqlalchemy import Connection, func, select

from stripeline.deploy.console.index.tables import command, letter, run
from stripeline.deploy.operations.status.facts import Tally

NO_REASON, NO_CODE = "without a reason", "without a code"


def open_letters(*, whole: bool) -> Callable[[Connection], Tally]:
    """Open dead letters by reason. whole: the index has read all of them."""
    wanted = (
        select(letter.c.reason, func.count(), func.min(letter.c.at_ms))
        .where(letter.c.state == "open")
        .group_by(letter.c.reason)
    )

    def query(db: Connection) -> Tally:
        rows = db.execute(wanted).fetchall()
        counts = {reason or NO_REASON: count for reason, count, _ in rows}
        return Tally(by=counts, oldest_ms=min((row[2] for row in rows), default=None), more=not whole)

    return query


def stopped_runs(*, whole: bool) -> Callable[[Connection], Tally]:
    """Stopped runs by the code of their error. whole: the index has read all of them."""
    stopped_ms = func.min(func.coalesce(run.c.finished_ms, run.c.started_ms))
    wanted = select(run.c.code, func.count(), stopped_ms).where(run.c.status == "stopped").group_by(run.c.code)

    def query(db: Connection) -> Tally:
        rows = db.execute(wanted).fetchall()
        counts = {code or NO_CODE: count for code, count, _ in rows}
        return Tally(by=counts, oldest_ms=min((row[2] for row in rows), default=None), more=not whole)

    return query


def first_attempted() -> Callable[[Connection], Mapping[str, str]]:
    """By connection, the waiting command that may have been attempted and was sent first."""
    waiting = (
        select(
            command.c.connection,
            command.c.command_id,
            func.row_number().over(partition_by=command.c.connection, order_by=command.c.sent_ms).label("place"),
        )
        .where(command.c.status == "waiting", command.c.attempts > 0)
        .subquery()
    )
    wanted = select(waiting.c.connection, waiting.c.command_id).where(waiting.c.place == 1)
    return lambda db: {row[0]: row[1] for row in db.execute(wanted) if row[0] is not None}
