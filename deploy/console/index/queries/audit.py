"""The audit trail in the index: a page of the newest acts that match, the versions of a definition, and one act."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, select

from stripeline.contracts.vocabulary import AuditedAct
from stripeline.deploy.console.index.queries.keyset import (
    PAGE_ROWS,
    Rows,
    behind,
    by_time,
    cursor,
    cursor_parts,
    newer_rows,
    page,
)
from stripeline.deploy.console.index.tables import audit

_KEY = (audit.c.at_ms, audit.c.number, audit.c.offset)
_VERSIONED = (AuditedAct.APPLY.value, AuditedAct.DELETE.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActQuestion:
    """Which acts. about: all of it, such as `workflow thank`."""

    act: str | None = None
    by: str | None = None
    about: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None


def newest_acts(asked: ActQuestion, after: str | None = None) -> Callable[[Connection], Rows]:
    """A page of the newest acts. after: the cursor of the page before."""
    conditions = [by_time(audit.c.at_ms), *_conditions(asked)]
    if (parts := cursor_parts(after, len(_KEY), numbers=len(_KEY))) is not None:
        at_ms, number, offset = map(int, parts)
        conditions.append(behind(audit.c.at_ms, at_ms, (audit.c.number, number), (audit.c.offset, offset)))
    wanted = select(audit).where(*conditions).order_by(*(column.desc() for column in _KEY)).limit(PAGE_ROWS + 1)
    return lambda db: page(db.execute(wanted).fetchall(), lambda last: cursor(last.at_ms, last.number, last.offset))


def newer_acts(asked: ActQuestion, newest: str | None) -> Callable[[Connection], int]:
    """How many acts match that are newer than the newest one that is shown."""
    return newer_rows(_KEY, _conditions(asked), newest)


def versions(about: str, limit: int) -> Callable[[Connection], Sequence[Row[Any]]]:
    """The newest acts that applied or deleted a definition, such as `workflow thank`."""
    wanted = (
        select(audit)
        .where(audit.c.about == about, audit.c.act.in_(_VERSIONED))
        .order_by(*(column.desc() for column in _KEY))
        .limit(limit)
    )
    return lambda db: db.execute(wanted).fetchall()


def one_act(number: int, offset: int) -> Callable[[Connection], Row[Any] | None]:
    """An act by its place on the audit topic; None where the index has none."""
    wanted = select(audit).where(audit.c.number == number, audit.c.offset == offset)
    return lambda db: db.execute(wanted).first()


def _conditions(asked: ActQuestion) -> list[ColumnElement[bool]]:
    equal = ((audit.c.act, asked.act), (audit.c.by, asked.by), (audit.c.about, asked.about))
    found: list[ColumnElement[bool]] = [column == value for column, value in equal if value is not None]
    if asked.since_ms is not None:
        found.append(audit.c.at_ms >= asked.since_ms)
    if asked.until_ms is not None:
        found.append(audit.c.at_ms <= asked.until_ms)
    return found
