"""No question of a page reads a whole big table of the console's index, and every question is looked at."""

import inspect
import pkgutil
import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, create_engine, event

from stripeline.deploy.console.index import queries, tables
from tests.support import index_queries
from tests.support.console_sample import NOW_MS, fill
from tests.support.index_queries import page_queries

BIG = ("event", "run", "command", "audit")
"""Dead letters and what waits are few: their groups are counted whole."""
QUERIES = page_queries(NOW_MS, 7, NOW_MS - 3_600_000)
BY_TIME = ("event_received", "run_started", "command_sent", "audit_at")
"""Indexes by which a list without filters is read: from its end, as far as the page needs."""
UNFILTERED = {"newest", "newest, from the middle", "count by status", "a day", "other teams", "newer"}


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    made = create_engine("sqlite://")
    with made.begin() as db:
        tables.metadata.create_all(db)
        fill(db)
    yield made
    made.dispose()


def plans(db: Connection, query: Any) -> list[str]:
    """What SQLite does for each statement of a question."""
    asked: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        asked.append((statement, parameters))

    event.listen(db, "before_cursor_execute", note)
    query(db)
    event.remove(db, "before_cursor_execute", note)
    assert asked
    return [row[3] for text, given in asked for row in db.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", given)]


@pytest.mark.parametrize("name", QUERIES)
def test_no_question_reads_a_whole_table(name: str, engine: Engine) -> None:
    with engine.connect() as db:
        scans = [step for step in plans(db, QUERIES[name]) if re.match(rf"SCAN ({'|'.join(BIG)})\b", step)]
    by_time = name.partition(": ")[2] in UNFILTERED
    assert [one for one in scans if not (by_time and one.endswith(BY_TIME))] == []


def test_an_act_on_stopped_runs_reads_one_index(engine: Engine) -> None:
    """10,000 rows from all over a table of a million take a third of a second."""
    with engine.connect() as db:
        [step] = plans(db, QUERIES["runs: stopped, for an act"])
    assert step.startswith("SEARCH run USING COVERING INDEX run_stopped (status=?")


def asked_for() -> set[str]:
    """The questions that `index_queries` has, by its own text."""
    return set(re.findall(r"\b(\w+\.\w+)\b", inspect.getsource(index_queries.page_queries)))


def test_every_question_is_looked_at() -> None:
    modules = [import_module(f"{queries.__name__}.{one.name}") for one in pkgutil.iter_modules(queries.__path__)]
    found = {
        f"{module.__name__.rpartition('.')[2]}.{name}"
        for module in modules
        for name, value in vars(module).items()
        if inspect.isfunction(value)
        and value.__module__ == module.__name__
        and not name.startswith("_")
        and str(value.__annotations__.get("return", "")).startswith("collections.abc.Callable")
    }
    assert (
        sorted(found - asked_for() - {"keyset.newer_rows", "keyset.count_by_status"}) == []
    )  # add what is missing to tests/support/index_queries
