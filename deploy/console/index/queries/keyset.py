"""Pages of a long list: each begins behind the last row of the one before, whatever was added meanwhile. Pure."""

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    BinaryExpression,
    Column,
    ColumnElement,
    Connection,
    Row,
    and_,
    func,
    literal,
    or_,
    select,
    tuple_,
    union_all,
)

PAGE_ROWS: Final = 50
MOST_NEWER: Final = 100
"""So many new rows are counted: beyond them a page says `99+`."""
COUNTED: Final = 1_000
"""More rows are not counted: a million take longer than a page may."""
_MOST: Final = "succeeded"
_WIDE: Final = frozenset({"workflow", "trigger", "event_type", "connection", "action"})
"""Columns of which one value has a good part of all rows."""
_FIRST_MS: Final = -(2**63)
_NUMBER: Final = re.compile(r"-?[0-9]{1,18}")  # of a BIGINT


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Rows of one page.

    next: where the next page begins, as its address has it; None on the last one.
    newest: the cursor of the first row; empty where there is none.
    """

    rows: Sequence[Row[Any]]
    next: str | None = None
    newest: str = ""


def cursor(*parts: object) -> str:
    """`1764470000000~evt_1:thanks`: the values by which a list is sorted, of its last row."""
    return "~".join(str(part) for part in parts)


def cursor_parts(text: str | None, count: int, numbers: int = 1) -> list[str] | None:
    """The values of a cursor, of which the first are numbers; None for a text that is none."""
    parts = text.split("~", count - 1) if text else []
    fits = len(parts) == count and all(_NUMBER.fullmatch(part) for part in parts[:numbers])
    return parts if fits else None


def behind(at: ColumnElement[int], at_ms: int, *rest: tuple[ColumnElement[Any], object]) -> ColumnElement[bool]:
    """Behind a row, in a list that is sorted by `at` and the rest, the greatest first.

    The first condition repeats what follows from the second: an index on `at` begins there.
    """
    columns, values = zip(*rest, strict=True)
    return and_(at <= at_ms, or_(at < at_ms, tuple_(*columns) < values))


def by_time(at: ColumnElement[int]) -> ColumnElement[bool]:
    """True of every row. For it SQLite reads the index on a time from its end, as far as a page needs.

    SQLite 3.53 without it reads the whole table and sorts it, where the order has more columns than the index.
    """
    return at >= _FIRST_MS


def page(rows: Sequence[Row[Any]], cursor_of: Callable[[Row[Any]], str]) -> Rows:
    """A page of at most one row more than it shows, which says that there is another."""
    shown = rows[:PAGE_ROWS]
    return Rows(
        rows=shown,
        next=cursor_of(shown[-1]) if len(rows) > PAGE_ROWS else None,
        newest=cursor_of(shown[0]) if shown else "",
    )


def newer_rows(
    key: Sequence[Column[Any]], conditions: Sequence[ColumnElement[bool]], newest: str | None
) -> Callable[[Connection], int]:
    """How many rows match that are before a cursor, up to `MOST_NEWER`; all that match where it is none.

    key: the columns by which the list is sorted, as its cursors have them, the time first.
    """
    above = _before(key, cursor_parts(newest, len(key)))
    found = select(literal(1)).select_from(key[0].table).where(*conditions, *above).limit(MOST_NEWER).subquery()
    return lambda connection: connection.execute(select(func.count()).select_from(found)).scalar_one()


def count_by_status(
    status: Column[str], statuses: Sequence[str], others: Sequence[ColumnElement[bool]]
) -> Callable[[Connection], Mapping[str, int]]:
    """How many rows of each status match the other conditions; one more than `COUNTED` for all above it.

    Those that succeeded are nearly all: under a filter they are looked for among what the filter's own index finds. The
    few of another status are found by it, unless a filter is narrow. SQLite does not know which are few.
    """
    equal = any(map(_is_equal, others))
    few = unindexed_where_wide(others)
    found = [
        select(literal(one).label("status"), func.count().label("found")).select_from(
            select(literal(1))
            .select_from(status.table)
            .where(*((_unindexed(status) == one, *others) if equal and one == _MOST else (status == one, *few)))
            .limit(COUNTED + 1)
            .subquery()
        )
        for one in statuses
    ]
    wanted = union_all(*found)
    return lambda connection: {row.status: row.found for row in connection.execute(wanted)}


def unindexed_where_wide(conditions: Sequence[ColumnElement[bool]]) -> list[ColumnElement[bool]]:
    """The conditions, so that rows are not looked for by an index that finds a good part of all of them."""
    return [_few(one) for one in conditions]


def _few(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    if isinstance(condition, BinaryExpression) and _is_equal(condition) and condition.left.name in _WIDE:
        return _unindexed(condition.left) == condition.right
    return condition


def _is_equal(condition: ColumnElement[bool]) -> bool:
    return isinstance(condition, BinaryExpression) and condition.operator is operator.eq


def _unindexed(column: Any) -> ColumnElement[str]:
    """The column, for a comparison by which no index is read."""
    return func.coalesce(column, "")


def _before(key: Sequence[Column[Any]], parts: Sequence[str] | None) -> Sequence[ColumnElement[bool]]:
    """As in `behind`, an index on the time ends at the first condition."""
    values = [_value(column, part) for column, part in zip(key, parts or (), strict=False)]
    if not values or None in values:
        return []
    return [key[0] >= values[0], tuple_(*key) > tuple_(*map(literal, values))]


def _value(column: Column[Any], part: str) -> int | str | None:
    if column.type.python_type is str:
        return part
    return int(part) if _NUMBER.fullmatch(part) else None
