"""The lists' questions to the index: the same on SQLite and PostgreSQL, each row once, and never by a scan."""

from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Connection, event, insert

from stripeline.deploy.console.index import tables
from stripeline.deploy.console.index.index_store import IndexStore, open_store
from stripeline.deploy.console.index.queries.commands import (
    CommandFilters,
    commands_by_status,
    commands_of_run,
    letters_of_commands,
    newer_commands,
    newest_commands,
    one_command,
    waiting_ahead,
)
from stripeline.deploy.console.index.queries.events import EventQuestion, copies_of_event, newer_events, newest_events
from stripeline.deploy.console.index.queries.keyset import Rows
from stripeline.deploy.console.index.queries.runs import (
    RunQuestion,
    newer_runs,
    newest_runs,
    one_run,
    runs_by_status,
    runs_of_event,
)
from stripeline.deploy.console.index.queries.search import having
from stripeline.deploy.operations.reading.run_filters import RunFilters
from tests.support.console_sample import NOW_MS, command_rows, event_rows, fill, run_rows

Query = Callable[[Connection], Any]
TIED = 120
SCANS = {f"SCAN {name}" for name in tables.metadata.tables}
AFTER = f"{NOW_MS}~2~1~x"


def filters_of(kind: Any, **given: Any) -> Any:
    return kind(**{one.name: f"{one.name}-1" for one in fields(kind) if not one.name.endswith("_ms")} | given)


def lists() -> Iterator[Query]:
    """Each list with each of its filters alone, with all, and from a cursor."""
    for name in ("status", "workflow", "event", "connection", "account", "customer", "code"):
        yield newest_runs(RunQuestion(filters=RunFilters(**{name: "x"})), f"{NOW_MS}~x")
    yield newest_runs(RunQuestion(filters=RunFilters(), trigger="x"))
    yield newest_runs(RunQuestion(filters=RunFilters(), event_type="charge.dispute.created"))
    yield newest_runs(RunQuestion(filters=RunFilters(since_ms=1, until_ms=2)))
    for name in ("status", "action", "connection", "account", "code", "key", "run", "id"):
        yield newest_commands(CommandFilters(**{name: "x"}), f"{NOW_MS}~1~x")
    yield newest_commands(CommandFilters(since_ms=1, until_ms=2))
    for name in ("type", "trigger", "connection", "account", "customer", "event"):
        yield newest_events(EventQuestion(**{name: "x"}), AFTER)
    yield newest_events(EventQuestion(since_ms=1, until_ms=2))


def others() -> Iterator[Query]:
    command = filters_of(CommandFilters)
    yield newest_runs(RunQuestion(filters=filters_of(RunFilters), event_type="charge.*", trigger="x"))
    yield newest_commands(command)
    yield newest_events(filters_of(EventQuestion, type="charge.*"))
    yield runs_by_status(RunQuestion(filters=RunFilters()))
    yield commands_by_status(CommandFilters(source="runs"))
    yield newer_runs(RunQuestion(filters=RunFilters()), f"{NOW_MS}~x")
    yield newer_commands(CommandFilters(), f"{NOW_MS}~1~x")
    yield newer_events(EventQuestion(), AFTER)


def single() -> Iterator[Query]:
    """What a page of one thing asks."""
    yield one_run("x")
    yield runs_of_event("x")
    yield one_command(1, "x")
    yield commands_of_run("x")
    yield letters_of_commands(1, ["x", "y"])
    yield copies_of_event("x")
    yield having("x")
    row: Any = SimpleNamespace(key="x", number=1, sent_ms=1, command_offset=1)
    yield waiting_ahead(row)


async def test_every_query_is_answered_by_both(both_stores: IndexStore) -> None:
    await both_stores.change(fill)
    for query in (*lists(), *others(), *single()):
        await both_stores.ask(query)


async def test_both_find_the_same(both_stores: IndexStore) -> None:
    await both_stores.change(fill)
    asked = RunQuestion(filters=RunFilters(customer="cus_3"), event_type="payment_intent.*")
    assert [row.run_id for row in (await both_stores.ask(newest_runs(asked))).rows] == [
        f"evt_1Sample{number:03}:thank-big-spenders" for number in (3, 12, 21, 30, 39, 48, 57)
    ]
    assert await both_stores.ask(runs_by_status(RunQuestion(filters=RunFilters()))) == {
        "running": 1, "succeeded": 47, "stopped": 11, "cancelled": 1,
    }  # fmt: skip
    found = await both_stores.ask(having("cus_3"))
    assert [hits.searched.words for hits in found] == [
        "Events of this customer", "Runs of this customer", "Commands that made or found it",
        "Commands of this customer",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["runs", "commands", "events"])
async def test_rows_of_one_moment_are_each_shown_once(both_stores: IndexStore, kind: str) -> None:
    table, newest, key = PAGED[kind]
    rows = [tied(kind, number) for number in range(TIED)]
    await both_stores.change(lambda db: db.execute(insert(table), rows) and None)
    seen, after = [], None
    while True:
        page: Rows = await both_stores.ask(newest(after))
        seen += [getattr(row, key) for row in page.rows]
        if (after := page.next) is None:
            break
    assert sorted(seen) == sorted(row[key] for row in rows)


PAGED: dict[str, tuple[Any, Callable[[str | None], Query], str]] = {
    "runs": (tables.run, lambda after: newest_runs(RunQuestion(filters=RunFilters()), after), "run_id"),
    "commands": (tables.command, lambda after: newest_commands(CommandFilters(), after), "command_id"),
    "events": (tables.event, lambda after: newest_events(EventQuestion(), after), "event_id"),
}


def tied(kind: str, number: int) -> dict[str, Any]:
    """A row like any other of its moment, with an id that sorts otherwise in the databases' own orders."""
    name = f"{'aB~Z_-'[number % 6]}{number}"
    if kind == "runs":
        return {**run_rows()[0], "run_id": name, "started_ms": NOW_MS}
    if kind == "commands":
        return {**command_rows()[0], "command_id": name, "number": number % 3, "sent_ms": NOW_MS}
    return {**event_rows()[0], "event_id": name, "offset": number // 3, "number": number % 3, "received_ms": NOW_MS}


async def test_no_page_reads_a_whole_table(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "plans.db"))
    await store.change(fill)
    for query in (*lists(), *single()):
        plan = await store.ask(lambda db, query=query: plans(db, query))
        assert not [line for line in plan if line in SCANS], plan
    for query in lists():
        assert "USE TEMP B-TREE FOR ORDER BY" not in await store.ask(lambda db, query=query: plans(db, query))
    await store.close()


def plans(db: Connection, query: Query) -> list[str]:
    """How SQLite answers what a query asks."""
    asked: list[tuple[str, Any]] = []

    def listen(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        asked.append((statement, parameters))

    event.listen(db, "before_cursor_execute", listen)
    query(db)
    event.remove(db, "before_cursor_execute", listen)
    cursor = db.connection.cursor()
    return [row[3] for sql, given in asked for row in cursor.execute(f"EXPLAIN QUERY PLAN {sql}", given)]
