"""Reads and writes what a store says of itself, and makes its tables again."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, delete, or_, select

from stripeline.deploy.console.index.row_writer import take_turn
from stripeline.deploy.console.index.store_stamp import OWN_NAMES, TOPIC_ID
from stripeline.deploy.console.index.tables import FORMAT, FROM_TOPICS, meta, metadata
from stripeline.deploy.console.index.upserts import put


def kept_meta(db: Connection) -> dict[str, str]:
    return {row.name: row.value for row in db.execute(select(meta))}


def put_meta(db: Connection, rows: Mapping[str, Any]) -> None:
    put(db, meta, [{"name": name, "value": str(value)} for name, value in rows.items()])


def make_again(db: Connection, rows: Mapping[str, Any]) -> None:
    """Delete the tables that are read from the topics, with whatever columns they have, and make them empty.

    What the console itself keeps stays, such as the key of its sessions; of another format only that.
    """
    take_turn(db)
    same = kept_meta(db).get("format") == str(FORMAT)
    own = or_(meta.c.name.in_(OWN_NAMES), meta.c.name.startswith(TOPIC_ID, autoescape=True))
    db.execute(delete(meta).where(own))
    gone = list(FROM_TOPICS) if same else [table for table in metadata.sorted_tables if table is not meta]
    metadata.drop_all(db, gone)
    metadata.create_all(db, gone)
    put_meta(db, rows)
