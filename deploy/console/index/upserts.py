"""Writes rows over those of the same key, by the rules of each table, in the SQL that both databases have."""

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Table, and_, case, func, literal_column, or_
from sqlalchemy.dialects import postgresql, sqlite

from stripeline.deploy.console.index import tables
from stripeline.deploy.console.index.rows.registers import COMMAND_REGISTERS, LEAST, Register

Row = Mapping[str, Any]
_NO_RANK: Final[Any] = literal_column(str(-(2**62)))
Columns = Any
Merge = Callable[[Columns, Columns], Mapping[str, Any]]
"""What the columns become: of the columns of the row that is there, and of the new one."""


def new_rows(db: Connection, table: Table) -> Any:
    """The statement that inserts the rows whose key is not there yet."""
    return _insert(db, table).on_conflict_do_nothing()


def insert_new(db: Connection, table: Table, rows: Sequence[Row]) -> None:
    if rows:
        _execute(db, new_rows(db, table), rows)


def put(db: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Over those of the same key."""
    if rows:
        _upsert(db, table, rows, lambda _, new: {column.name: new[column.name] for column in table.c})


def write_runs(db: Connection, rows: Sequence[Row]) -> None:
    """Of each run the newest state."""
    if not rows:
        return
    _upsert(db, tables.run, rows, _newer_run, lambda row, new: new.offset > row.offset)
    if erased := [row["run_id"] for row in rows if row["erased_ms"] is not None]:
        db.execute(tables.run.update().where(tables.run.c.run_id.in_(erased)).values(customer=None, object_id=None))


def _newer_run(row: Columns, new: Columns) -> Mapping[str, Any]:
    """A succeeded run has no event any more: what it was about stays."""
    kept = ("customer", "object_id")
    plain = {column.name: new[column.name] for column in tables.run.c if column.name not in {"run_id", *kept}}
    return {**plain, **{name: func.coalesce(row[name], new[name]) for name in kept}}


def write_commands(db: Connection, rows: Sequence[Row]) -> None:
    """Each register from the fact of the highest rank."""
    if rows:
        _upsert(db, tables.command, rows, _newer_command)


def _newer_command(row: Columns, new: Columns) -> Mapping[str, Any]:
    least = {
        name: case((row[name].is_(None), new[name]), (new[name] < row[name], new[name]), else_=row[name])
        for name in LEAST
    }
    ranked: dict[str, Any] = {}
    for register in COMMAND_REGISTERS:
        newer = _outranks(register, row, new)
        ranked |= {name: case((newer, new[name]), else_=row[name]) for name in (*register.rank, *register.columns)}
    return {**least, **ranked}


def _outranks(register: Register, row: Columns, new: Columns) -> ColumnElement[bool]:
    old = [func.coalesce(row[name], _NO_RANK) for name in register.rank]
    now = [func.coalesce(new[name], _NO_RANK) for name in register.rank]
    higher = now[-1] > old[-1]
    for here, there in zip(reversed(now[:-1]), reversed(old[:-1]), strict=True):
        higher = or_(here > there, and_(here == there, higher))
    return higher


def add_tallies(db: Connection, tallies: Mapping[tuple[int, str], int]) -> None:
    """Added to what is there: exactly once, in the transaction that moves the place."""
    rows = [{"minute": minute, "name": name, "count": count} for (minute, name), count in sorted(tallies.items())]
    if rows:
        _upsert(db, tables.tally, rows, lambda row, new: {"count": row["count"] + new["count"]})


def _upsert(
    db: Connection, table: Table, rows: Sequence[Row], merge: Merge,
    where: Callable[[Columns, Columns], ColumnElement[bool]] | None = None,
) -> None:  # fmt: skip
    statement = _insert(db, table)
    new = statement.excluded
    merged = statement.on_conflict_do_update(
        index_elements=list(table.primary_key.columns), set_=dict(merge(table.c, new)),
        where=None if where is None else where(table.c, new),
    )  # fmt: skip
    _execute(db, merged, rows)


def _execute(db: Connection, statement: Any, rows: Sequence[Row]) -> None:
    """As `db.execute`, without SQLAlchemy's work on each row, which takes longer than SQLite's own."""
    compiled = statement.compile(dialect=db.dialect)
    if compiled.positional:
        values = itemgetter(*compiled.positiontup)
        db.exec_driver_sql(str(compiled), [values(row) for row in rows])
    else:
        db.exec_driver_sql(str(compiled), list(rows))


def _insert(db: Connection, table: Table) -> Any:
    return postgresql.insert(table) if db.dialect.name == "postgresql" else sqlite.insert(table)
