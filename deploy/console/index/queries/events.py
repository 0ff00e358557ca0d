"""Events in the index: a page of those that match, and the copies of one. Ingest may publish an event twice."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, or_, select

from stripeline.contracts.families import families
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
from stripeline.deploy.console.index.tables import event

_COPIES: Final = 20
_KEY: Final = (event.c.received_ms, event.c.number, event.c.offset, event.c.topic)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventQuestion:
    """None lets all pass.

    type: one type, or a prefix and `.*`.
    object_id: of the data object, of its PaymentIntent, or of what the record is ordered by.
    late: whether it was missed and found later, or delivered.
    since_ms, until_ms: when ingest received it.
    """

    type: str | None = None
    trigger: str | None = None
    connection: str | None = None
    account: str | None = None
    object_id: str | None = None
    customer: str | None = None
    event: str | None = None
    late: bool | None = None
    since_ms: int | None = None
    until_ms: int | None = None


def newest_events(asked: EventQuestion, after: str | None = None) -> Callable[[Connection], Rows]:
    """A page of the newest events. after: the cursor of the page before."""
    conditions = [by_time(event.c.received_ms), *_conditions(asked)]
    if (parts := cursor_parts(after, 4, numbers=3)) is not None:
        at_ms, number, offset = map(int, parts[:3])
        rest = ((event.c.number, number), (event.c.offset, offset), (event.c.topic, parts[3]))
        conditions.append(behind(event.c.received_ms, at_ms, *rest))
    wanted = select(event).where(*conditions).order_by(*(one.desc() for one in _KEY)).limit(PAGE_ROWS + 1)
    return lambda connection: page(connection.execute(wanted).fetchall(), _cursor)


def newer_events(asked: EventQuestion, newest: str | None) -> Callable[[Connection], int]:
    """How many events match that came after the newest one that is shown."""
    return newer_rows(_KEY, _conditions(asked), newest)


def copies_of_event(event_id: str) -> Callable[[Connection], Sequence[Row[Any]]]:
    """The records of an event, the first first: of several triggers, or published twice."""
    wanted = select(event).where(event.c.event_id == event_id).order_by(event.c.received_ms, event.c.topic)
    return lambda connection: connection.execute(wanted.limit(_COPIES)).fetchall()


def _cursor(last: Row[Any]) -> str:
    return cursor(last.received_ms, last.number, last.offset, last.topic)


def _conditions(asked: EventQuestion) -> list[ColumnElement[bool]]:
    """Of the fields that are given."""
    equal = (
        (event.c.trigger, asked.trigger), (event.c.connection, asked.connection), (event.c.account, asked.account),
        (event.c.customer, asked.customer), (event.c.event_id, asked.event),
    )  # fmt: skip
    found = [column == value for column, value in equal if value is not None]
    if asked.type is not None:
        found.append(of_type(event.c.type, asked.type))
    if asked.object_id is not None:
        found.append(or_(event.c.object_id == asked.object_id, event.c.payment_intent == asked.object_id))
    if asked.late is not None:
        found.append(event.c.late_by_ms.is_not(None) if asked.late else event.c.late_by_ms.is_(None))
    if asked.since_ms is not None:
        found.append(event.c.received_ms >= asked.since_ms)
    if asked.until_ms is not None:
        found.append(event.c.received_ms <= asked.until_ms)
    return found


def of_type(column: ColumnElement[Any], wanted: str) -> ColumnElement[bool]:
    """As a workflow writes it: a type, or a prefix and `.*`."""
    return column.startswith(wanted[:-1], autoescape=True) if wanted.endswith(".*") else column == wanted


def known_types() -> Sequence[str]:
    """What Stripe has of the families, with their prefixes."""
    return sorted(
        {f"{family.prefix}*" for family in families().values()}.union(*(one.types for one in families().values()))
    )
