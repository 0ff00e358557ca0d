"""What the index left out, as rows: batches that no client could read, until they are read or removed by Kafka."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, select

from stripeline.deploy.console.index import tables
from stripeline.deploy.console.index.isolated_reads import PassedBatch
from stripeline.deploy.console.index.row_writer import OtherWriterError
from stripeline.deploy.console.index.upserts import put


def kept_gaps(db: Connection) -> Sequence[Row[Any]]:
    return db.execute(select(tables.gap).order_by(*tables.gap.primary_key.columns)).fetchall()


def gap_words(db: Connection) -> Mapping[str, str]:
    """Each by its offsets, for a person."""
    return {
        f"{one.topic}-{one.number}, offsets {one.first} to {one.last}": (
            f"no client can read this batch ({one.why}). They are read once Kafka has the batch whole, such as from"
            " another replica"
        )
        for one in kept_gaps(db)
    }


def put_gap(db: Connection, passed: PassedBatch, now_ms: int) -> None:
    row = {
        "topic": passed.tp.topic, "number": passed.tp.partition, "first": passed.first, "last": passed.last,
        "why": passed.why, "since_ms": now_ms,
    }  # fmt: skip
    put(db, tables.gap, [row])


def drop_gap(db: Connection, gap: Row[Any]) -> None:
    """Raises OtherWriterError where another console was first: its records are written once."""
    table = tables.gap
    same = (table.c.topic == gap.topic, table.c.number == gap.number, table.c.first == gap.first)
    if db.execute(delete(table).where(*same)).rowcount != 1:
        raise OtherWriterError(gap.topic, gap.number)
