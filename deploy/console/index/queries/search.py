"""Any id in the index: what has it, and what belongs to it. Each question is answered by an index, never by a scan."""
# ruff: noqa: E501  (rows of a table)

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from sqlalchemy import Column, Connection, Row, select

from stripeline.deploy.console.index.tables import command, event, letter, run

MOST: Final = 20
"""Rows of a group."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchedColumn:
    """A column that may have the id.

    own: the id is the row's own; else the row belongs to what has it.
    at: the time by which its rows are sorted, the second column of its index.
    listed: the list and its filter that show all of them; None where no list has such a filter.
    """

    words: str
    column: Column[Any]
    at: Column[Any]
    own: bool = False
    listed: tuple[str, str] | None = None


SEARCHED: Final = (
    SearchedColumn(words="Event", column=event.c.event_id, at=event.c.received_ms, own=True, listed=("/events", "event")),
    SearchedColumn(words="Run", column=run.c.run_id, at=run.c.started_ms, own=True),
    SearchedColumn(words="Command", column=command.c.command_id, at=command.c.sent_ms, own=True, listed=("/commands", "id")),
    SearchedColumn(words="Events about it", column=event.c.object_id, at=event.c.received_ms, listed=("/events", "object")),
    SearchedColumn(words="Events of this PaymentIntent", column=event.c.payment_intent, at=event.c.received_ms, listed=("/events", "object")),
    SearchedColumn(words="Events of this customer", column=event.c.customer, at=event.c.received_ms, listed=("/events", "customer")),
    SearchedColumn(words="Runs of this event", column=run.c.event_id, at=run.c.started_ms, listed=("/runs", "event")),
    SearchedColumn(words="Runs about it", column=run.c.object_id, at=run.c.started_ms),
    SearchedColumn(words="Runs of this customer", column=run.c.customer, at=run.c.started_ms, listed=("/runs", "customer")),
    SearchedColumn(words="Runs of this account", column=run.c.account, at=run.c.started_ms, listed=("/runs", "account")),
    SearchedColumn(words="Commands of this run", column=command.c.run_id, at=command.c.sent_ms, listed=("/commands", "run")),
    SearchedColumn(words="Commands that made or found it", column=command.c.object_id, at=command.c.sent_ms),
    SearchedColumn(words="Commands of this customer", column=command.c.customer, at=command.c.sent_ms),
    SearchedColumn(words="Commands of this key", column=command.c.key, at=command.c.sent_ms, listed=("/commands", "key")),
    SearchedColumn(words="Dead letters of this command", column=letter.c.command_id, at=letter.c.at_ms, listed=("/dead-letters", "id")),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Hits:
    """The newest rows of a column that have the id. all: the address of the list with all; None where these are all."""

    searched: SearchedColumn
    rows: Sequence[Row[Any]]
    cut: bool
    all: str | None

    @property
    def table(self) -> str:
        return str(self.searched.column.table.name)


def having(some_id: str) -> Callable[[Connection], Sequence[Hits]]:
    """The columns that have an id, its own first."""

    def query(connection: Connection) -> Sequence[Hits]:
        found = (_hits(connection, one, some_id) for one in SEARCHED)
        return [hits for hits in found if hits.rows]

    return query


def _hits(connection: Connection, searched: SearchedColumn, some_id: str) -> Hits:
    wanted = select(searched.column.table).where(searched.column == some_id).order_by(searched.at.desc())
    rows = connection.execute(wanted.limit(MOST + 1)).fetchall()
    address = None if searched.listed is None else f"{searched.listed[0]}?{urlencode({searched.listed[1]: some_id})}"
    return Hits(searched=searched, rows=rows[:MOST], cut=len(rows) > MOST, all=address)
