"""Connections in the index: what waits for each, what failed, and when each trigger last received an event."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, and_, case, func, or_, select

from stripeline.contracts.retry_tiers import HORIZON_MS
from stripeline.deploy.console.index.tables import command, event
from stripeline.deploy.operations.status.facts import WaitingCommands
from stripeline.deploy.operations.status.tallies import NEW_MS

OLDEST_ROWS: Final = 10
_FAILED: Final = ("failed", "indeterminate")


def waiting_commands(
    now_ms: int, connection: str | None = None
) -> Callable[[Connection], Mapping[str, WaitingCommands]]:
    """What waits for each connection, by its name: in a tier, or sent so long ago that an executor had its turn."""
    attempted = command.c.attempts > 0
    horizon_ms = now_ms - HORIZON_MS
    wanted = (
        select(
            command.c.connection, func.count(), func.min(command.c.sent_ms), func.sum(case((attempted, 1), else_=0)),
            func.min(case((attempted, command.c.sent_ms))),
            func.sum(case((and_(attempted, command.c.sent_ms <= horizon_ms), 1), else_=0)),
        )
        .where(_waits(now_ms), *([_of(connection)] if connection else []))
        .group_by(command.c.connection)
    )  # fmt: skip

    def query(db: Connection) -> Mapping[str, WaitingCommands]:
        return {
            name: WaitingCommands(
                connection=name, count=count, first_ms=first_ms, attempted=tried, passed=passed,
                horizon_ms=None if tried_ms is None else tried_ms + HORIZON_MS,
            )
            for name, count, first_ms, tried, tried_ms, passed in db.execute(wanted)
            if name is not None
        }  # fmt: skip

    return query


def oldest_waiting(now_ms: int, connection: str) -> Callable[[Connection], Sequence[Row[Any]]]:
    """The commands that wait longest for a connection."""
    wanted = select(command).where(_waits(now_ms), _of(connection)).order_by(command.c.sent_ms).limit(OLDEST_ROWS)
    return lambda db: db.execute(wanted).fetchall()


def outcomes(connection: str, since_ms: int) -> Callable[[Connection], Sequence[Row[Any]]]:
    """How the commands of a connection since a moment ended: status, code, how many; most first."""
    count = func.count().label("count")
    wanted = (
        select(command.c.status, command.c.code, count)
        .where(command.c.connection == connection, command.c.sent_ms >= since_ms)
        .group_by(command.c.status, command.c.code)
        .order_by(count.desc(), command.c.status, command.c.code)
    )
    return lambda db: db.execute(wanted).fetchall()


def failures(since_ms: int) -> Callable[[Connection], Mapping[str, int]]:
    """How many commands since a moment failed, by connection."""
    wanted = (
        select(command.c.connection, func.count())
        .where(command.c.status.in_(_FAILED), command.c.sent_ms >= since_ms)
        .group_by(command.c.connection)
    )
    return lambda db: {row[0]: row[1] for row in db.execute(wanted) if row[0] is not None}


def sent_since(since_ms: int) -> Callable[[Connection], Mapping[str, int]]:
    """How many commands were sent since a moment, by connection."""
    name = func.coalesce(command.c.connection, "")  # else SQLite reads the connections' whole index, in its order
    wanted = select(name, func.count()).where(command.c.sent_ms >= since_ms).group_by(name)
    return lambda db: {row[0]: row[1] for row in db.execute(wanted) if row[0]}


def last_received(triggers: Sequence[str]) -> Callable[[Connection], Mapping[str, int]]:
    """When each of these triggers last received an event."""

    def query(db: Connection) -> Mapping[str, int]:
        # One look at the end of the index for each: a maximum of all groups would read every event.
        found = {name: db.execute(_newest(name)).scalar() for name in triggers}
        return {name: at_ms for name, at_ms in found.items() if at_ms is not None}

    return query


def _newest(trigger: str) -> Any:
    return select(func.max(event.c.received_ms)).where(event.c.trigger == trigger)


def _of(connection: str) -> Any:
    """What waits is little, and found by its status: the connection's index has all that it ever sent."""
    return func.coalesce(command.c.connection, "") == connection


def _waits(now_ms: int) -> Any:
    return or_(command.c.status == "waiting", and_(command.c.status == "sent", command.c.sent_ms <= now_ms - NEW_MS))
