"""The audit trail in the index: a page of the newest acts that match, and one of them."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, or_, select

from stripeline.deploy.console.index.queries.keyset import PAGE_ROWS, Rows, cursor, cursor_parts
from stripeline.deploy.console.index.tables import audit


def newest_acts(
    *, act: str | None = None, by: str | None = None, about: str | None = None, since_ms: int | None = None,
    until_ms: int | None = None, after: str | None = None, limit: int = PAGE_ROWS,
) -> Callable[[Connection], Rows]:  # fmt: skip
    """A page of the newest acts. after: the cursor of the page before."""
    conditions: list[ColumnElement[bool]] = [
        column == value for column, value in ((audit.c.act, act), (audit.c.by, by), (audit.c.about, about)) if value
    ]
    if since_ms is not None:
        conditions.append(audit.c.at_ms >= since_ms)
    if until_ms is not None:
        conditions.append(audit.c.at_ms <= until_ms)
    if (parts := cursor_parts(after, 3)) is not None and parts[1].isdecimal() and parts[2].isdecimal():
        at_ms, number, offset = int(parts[0]), int(parts[1]), int(parts[2])
        same = and_(audit.c.at_ms == at_ms, audit.c.number == number, audit.c.offset < offset)
        conditions.append(or_(audit.c.at_ms < at_ms, and_(audit.c.at_ms == at_ms, audit.c.number < number), same))
    order = (audit.c.at_ms.desc(), audit.c.number.desc(), audit.c.offset.desc())
    wanted = select(audit).where(*conditions).order_by(*order).limit(limit + 1)

    def query(db: Connection) -> Rows:
        rows = db.execute(wanted).fetchall()
        shown = rows[:limit]
        last = shown[-1] if len(rows) > limit else None
        return Rows(rows=shown, next=None if last is None else cursor(last.at_ms, last.number, last.offset))

    return query


def one_act(number: int, offset: int) -> Callable[[Connection], Row[Any] | None]:
    """An act by its place on the audit topic; None where the index has none."""
    wanted = select(audit).where(audit.c.number == number, audit.c.offset == offset)
    return lambda db: db.execute(wanted).first()
