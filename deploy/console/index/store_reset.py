"""Reads and writes what a store says of itself, and makes its tables again."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select

from stripeline.deploy.console.index.row_writer import take_turn
from stripeline.deploy.console.index.tables import meta, metadata
from stripeline.deploy.console.index.upserts import put


def kept_meta(db: Connection) -> dict[str, str]:
    return {row.name: row.value for row in db.execute(select(meta))}


def put_meta(db: Connection, rows: Mapping[str, Any]) -> None:
    put(db, meta, [{"name": name, "value": str(value)} for name, value in rows.items()])


def make_again(db: Connection, rows: Mapping[str, Any]) -> None:
    """Delete all tables, with whatever columns they have, and make them empty, with these rows of `meta`."""
    take_turn(db)
    metadata.drop_all(db)
    metadata.create_all(db)
    put_meta(db, rows)
