"""Dead letters in the index: a page of those that match, their groups, single ones, and the acts on one."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, and_, case, func, or_, select, tuple_

from stripeline.contracts.retry_tiers import HORIZON_MS
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
from stripeline.deploy.console.index.tables import audit, letter, letter_act
from stripeline.deploy.operations.reading.views import Filters

SOON_MS: Final = 3 * 3_600_000
"""How long before a letter's 23 hours have passed its group says so."""
_AT_ONCE: Final = 500
"""Places of one question: SQLite takes 32,766 parameters."""
_ACTS_SHOWN: Final = 20

Place = tuple[int, int]
"""Partition and offset of a letter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterGroup:
    """Letters of one reason and code.

    soon: how many pass 23 hours since their first append within `SOON_MS`.
    passed: how many have passed them.
    """

    reason: str | None
    code: str | None
    count: int
    oldest_ms: int
    soon: int
    passed: int


def newest_letters(filters: Filters, after: str | None = None) -> Callable[[Connection], Rows]:
    """A page of the newest letters. after: the cursor of the page before."""
    conditions = [by_time(letter.c.at_ms), *_conditions(filters)]
    if (parts := cursor_parts(after, 3, numbers=3)) is not None:
        at_ms, number, offset = map(int, parts)
        conditions.append(behind(letter.c.at_ms, at_ms, (letter.c.number, number), (letter.c.offset, offset)))
    wanted = _newest(conditions, PAGE_ROWS + 1)
    return lambda connection: page(
        connection.execute(wanted).fetchall(), lambda last: cursor(last.at_ms, last.number, last.offset)
    )


def newer_letters(filters: Filters, newest: str | None) -> Callable[[Connection], int]:
    """How many letters that match came since the first one of a page."""
    return newer_rows((letter.c.at_ms, letter.c.number, letter.c.offset), _conditions(filters), newest)


def matching_letters(filters: Filters, limit: int) -> Callable[[Connection], Sequence[Row[Any]]]:
    """The newest letters that match."""
    return lambda connection: connection.execute(_newest(_conditions(filters), limit)).fetchall()


def letters_at(places: Sequence[Place]) -> Callable[[Connection], dict[Place, Row[Any]]]:
    """The letters at these places that the index has."""

    def query(connection: Connection) -> dict[Place, Row[Any]]:
        found: dict[Place, Row[Any]] = {}
        for start in range(0, len(places), _AT_ONCE):
            some = tuple_(letter.c.number, letter.c.offset).in_(places[start : start + _AT_ONCE])
            found |= {(row.number, row.offset): row for row in connection.execute(select(letter).where(some))}
        return found

    return query


def letter_groups(filters: Filters, now_ms: int) -> Callable[[Connection], list[LetterGroup]]:
    """The letters that match by reason and code, most first."""
    passed = letter.c.first_ms <= now_ms - HORIZON_MS
    soon = and_(letter.c.first_ms > now_ms - HORIZON_MS, letter.c.first_ms <= now_ms - HORIZON_MS + SOON_MS)
    count = func.count()
    wanted = (
        select(letter.c.reason, letter.c.code, count, func.min(letter.c.at_ms), _sum_of(soon), _sum_of(passed))
        .where(*_conditions(filters))
        .group_by(letter.c.reason, letter.c.code)
        .order_by(count.desc(), letter.c.reason, letter.c.code)
    )

    def query(connection: Connection) -> list[LetterGroup]:
        return [
            LetterGroup(reason=reason, code=code, count=number, oldest_ms=oldest, soon=soon, passed=passed)
            for reason, code, number, oldest, soon, passed in connection.execute(wanted)
        ]

    return query


def acts_on_letter(row: Row[Any]) -> Callable[[Connection], Sequence[Row[Any]]]:
    """The audit records of a letter, newest first: of its place, or of its command."""
    by_place = and_(letter_act.c.first <= row.offset, letter_act.c.last >= row.offset)
    by_command = letter_act.c.command_id == row.command_id
    of_act = and_(audit.c.number == letter_act.c.audit_number, audit.c.offset == letter_act.c.audit_offset)
    wanted = (
        select(audit)
        .join(letter_act, of_act)
        .where(letter_act.c.number == row.number, or_(by_place, by_command))
        .order_by(audit.c.at_ms.desc(), audit.c.offset.desc())
        .limit(_ACTS_SHOWN)
    )
    return lambda connection: connection.execute(wanted).fetchall()


def _newest(conditions: Sequence[ColumnElement[bool]], limit: int) -> Any:
    order = (letter.c.at_ms.desc(), letter.c.number.desc(), letter.c.offset.desc())
    return select(letter).where(*conditions).order_by(*order).limit(limit)


def _sum_of(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)


def _conditions(filters: Filters) -> list[ColumnElement[bool]]:
    """Of the fields that are given."""
    return list(_given(filters))


def _given(filters: Filters) -> Iterator[ColumnElement[bool]]:
    equal = (
        (letter.c.state, filters.state), (letter.c.code, filters.code), (letter.c.reason, filters.reason),
        (letter.c.action, filters.action), (letter.c.connection, filters.connection),
        (letter.c.account, filters.account), (letter.c.customer, filters.customer), (letter.c.key, filters.key),
        (letter.c.command_id, filters.id),
    )  # fmt: skip
    for column, value in equal:
        if value is not None:
            yield column == value
    if filters.since_ms is not None:
        yield letter.c.at_ms >= filters.since_ms
    if filters.until_ms is not None:
        yield letter.c.at_ms <= filters.until_ms
