"""Writes rows over those of the same key, by the rules of each table, in the SQL that both databases have.

Each statement is compiled once, and each row goes to the driver as it is: SQLAlchemy's work on them takes longer than
SQLite's own.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Dialect, Table, and_, case, func, literal_column, or_
from sqlalchemy.dialects import postgresql, sqlite

from stripeline.deploy.console.index import tables
from stripeline.deploy.console.index.rows.registers import COMMAND_REGISTERS, LEAST, Register

Row = Mapping[str, Any]
_NO_RANK: Final[Any] = literal_column(str(-(2**62)))
Columns = Any
Insert = Any
"""SQLAlchemy's, of one of the two databases."""


def new_rows(db: Connection, table: Table) -> Insert:
    """The statement that inserts the rows whose key is not there yet."""
    return _if_new(_insert(db.dialect, table), table)


def insert_new(db: Connection, table: Table, rows: Sequence[Row]) -> None:
    _write(db, table, rows, _if_new)


def put(db: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Over those of the same key."""
    _write(db, table, rows, _instead)


def write_runs(db: Connection, rows: Sequence[Row]) -> None:
    """Of each run the newest state."""
    _write(db, tables.run, rows, _newer_run)
    if erased := [row["run_id"] for row in rows if row["erased_ms"] is not None]:
        db.execute(tables.run.update().where(tables.run.c.run_id.in_(erased)).values(customer=None, object_id=None))


def write_commands(db: Connection, rows: Sequence[Row]) -> None:
    """Each register from the fact of the highest rank."""
    _write(db, tables.command, rows, _newer_command)


def add_tallies(db: Connection, tallies: Mapping[tuple[int, str], int]) -> None:
    """Added to what is there: exactly once, in the transaction that moves the place."""
    rows = [{"minute": minute, "name": name, "count": count} for (minute, name), count in sorted(tallies.items())]
    _write(db, tables.tally, rows, _added)


def _if_new(insert: Insert, _: Table) -> Insert:
    return insert.on_conflict_do_nothing()


def _instead(insert: Insert, table: Table) -> Insert:
    return _merged(insert, table, {column.name: insert.excluded[column.name] for column in table.c})


def _added(insert: Insert, table: Table) -> Insert:
    return _merged(insert, table, {"count": table.c["count"] + insert.excluded["count"]})


def _newer_run(insert: Insert, table: Table) -> Insert:
    """A succeeded run has no event any more: what it was about stays."""
    row, new, kept = table.c, insert.excluded, ("customer", "object_id")
    plain = {column.name: new[column.name] for column in row if column.name not in {"run_id", *kept}}
    values = {**plain, **{name: func.coalesce(row[name], new[name]) for name in kept}}
    return _merged(insert, table, values, where=new.offset > row.offset)


def _newer_command(insert: Insert, table: Table) -> Insert:
    row, new = table.c, insert.excluded
    least = {
        name: case((row[name].is_(None), new[name]), (new[name] < row[name], new[name]), else_=row[name])
        for name in LEAST
    }
    ranked: dict[str, Any] = {}
    for register in COMMAND_REGISTERS:
        newer = _outranks(register, row, new)
        ranked |= {name: case((newer, new[name]), else_=row[name]) for name in (*register.rank, *register.columns)}
    return _merged(insert, table, {**least, **ranked})


def _outranks(register: Register, row: Columns, new: Columns) -> ColumnElement[bool]:
    old = [func.coalesce(row[name], _NO_RANK) for name in register.rank]
    now = [func.coalesce(new[name], _NO_RANK) for name in register.rank]
    higher = now[-1] > old[-1]
    for here, there in zip(reversed(now[:-1]), reversed(old[:-1]), strict=True):
        higher = or_(here > there, and_(here == there, higher))
    return higher


def _merged(
    insert: Insert, table: Table, values: Mapping[str, Any], where: ColumnElement[bool] | None = None
) -> Insert:
    return insert.on_conflict_do_update(index_elements=list(table.primary_key.columns), set_=values, where=where)


def _write(db: Connection, table: Table, rows: Sequence[Row], statement: Callable[[Insert, Table], Insert]) -> None:
    if rows:
        sql, values = _compiled(statement, table, db.dialect)
        db.exec_driver_sql(sql, [values(row) for row in rows])


@lru_cache(maxsize=64)
def _compiled(
    statement: Callable[[Insert, Table], Insert], table: Table, dialect: Dialect
) -> tuple[str, Callable[[Row], Any]]:
    """The SQL, and what its driver takes of a row: values by place, or the row itself."""
    compiled = statement(_insert(dialect, table), table).compile(dialect=dialect)
    return str(compiled), itemgetter(*compiled.positiontup) if compiled.positional else dict


def _insert(dialect: Dialect, table: Table) -> Insert:
    return postgresql.insert(table) if dialect.name == "postgresql" else sqlite.insert(table)
