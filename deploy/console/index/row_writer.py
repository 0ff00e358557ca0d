"""Writes what records change, and how far each partition was read with it, in one transaction.

Invariants:
- A place is moved by compare-and-set: of two consoles on one database the second to write finds another place, and
  writes nothing. So a tally counts each record once.
- Rows are written in the order of their keys, so that two writers never wait for each other in a circle.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, delete, select, text, update

from stripeline.deploy.console.index import tables
from stripeline.deploy.console.index.letter_closing import close_letters
from stripeline.deploy.console.index.rows.row_changes import RowChanges
from stripeline.deploy.console.index.upserts import add_tallies, insert_new, new_rows, write_commands, write_runs

_WRITERS_LOCK: Final = 0x5354524C
"""Of PostgreSQL: writers take turns for a transaction."""
Partition = tuple[str, int]


class OtherWriterError(Exception):
    """Another console has moved the place of a partition: nothing was written."""


@dataclass(frozen=True, slots=True)
class ReadStep:
    """From where a partition was read, and up to where. at: None where it was never read before."""

    at: int | None
    to: int


def places(db: Connection) -> dict[Partition, int]:
    """How far each partition was read."""
    return {(row.topic, row.number): row.next_offset for row in db.execute(select(tables.place))}


def write(db: Connection, changes: RowChanges, steps: Mapping[Partition, ReadStep], dead_letter_topic: str) -> None:
    """In the transaction of the connection. Raises OtherWriterError, after which it must be rolled back."""
    take_turn(db)
    for (topic, number), step in sorted(steps.items()):
        _move(db, topic, number, step)
    insert_new(db, tables.event, changes.events)
    write_runs(db, changes.runs)
    _delete_runs(db, changes)
    write_commands(db, sorted(changes.commands, key=lambda row: (row["number"], row["command_id"])))
    insert_new(db, tables.outcome, changes.outcomes)
    insert_new(db, tables.letter, changes.letters)
    insert_new(db, tables.audit, changes.audits)
    insert_new(db, tables.letter_act, changes.letter_acts)
    letters = [(row["number"], row["offset"]) for row in changes.letters]
    close_letters(db, dead_letter_topic, letters, changes.letter_acts)
    add_tallies(db, changes.tallies)


def take_turn(db: Connection) -> None:
    """One writer at a time. SQLite has a lock of its own, which the first change takes."""
    if db.dialect.name == "postgresql":
        db.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _WRITERS_LOCK})


def _move(db: Connection, topic: str, number: int, step: ReadStep) -> None:
    place = tables.place
    if step.at is None:
        row = {"topic": topic, "number": number, "next_offset": step.to}
        moved = db.execute(new_rows(db, place).execution_options(preserve_rowcount=True), row)
    else:
        here = (place.c.topic == topic, place.c.number == number, place.c.next_offset == step.at)
        moved = db.execute(update(place).where(*here).values(next_offset=step.to))
    if moved.rowcount != 1:
        raise OtherWriterError(topic, number)


def _delete_runs(db: Connection, changes: RowChanges) -> None:
    run = tables.run
    for gone in changes.gone_runs:
        db.execute(delete(run).where(run.c.run_id == gone.run_id, run.c.offset < gone.offset))
