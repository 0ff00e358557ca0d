"""The store of the console's index: when it is of no use, what it deletes, and two consoles that write one."""

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from stripeline.contracts.topics import Topics
from stripeline.deploy.console.index import tables
from stripeline.deploy.console.index.batch_writing import BatchWriting
from stripeline.deploy.console.index.index_store import IndexStore, open_store
from stripeline.deploy.console.index.latency_buckets import latency_name, quantile_ms
from stripeline.deploy.console.index.pruning import prune_steps
from stripeline.deploy.console.index.reading_state import ReadingState
from stripeline.deploy.console.index.row_writer import OtherWriterError, places
from stripeline.deploy.console.index.store_reset import kept_meta, make_again, put_meta
from stripeline.deploy.console.index.store_stamp import Reachable, StoreStamp, useless_because
from stripeline.deploy.console.index.topic_index import topic_index
from stripeline.deploy.failure import FailureError
from tests.support.console_sample import fill
from tests.support.index_facts import TOPICS, command, contents, index, letter, result

DAY_MS = 86_400_000
NOW_MS = 1_800_000_000_000
STAMP = StoreStamp(prefix="stripe.", installation="inst1", topic_ids={"stripe.run": "id1"})
KEPT = {**STAMP.rows(), "progress_ms": str(NOW_MS - DAY_MS)}
HERE = Reachable(firsts={("stripe.run", 0): 5}, ends={("stripe.run", 0): 9})

USELESS = [
    ({}, {}, "it is new"),
    ({"session_key": "x"}, {}, "it is new"),
    ({**KEPT, "format": "0"}, {}, "it has format 0"),
    ({**KEPT, "prefix": "other."}, {}, "it is of the topics other.*"),
    ({**KEPT, "installation": "inst2"}, {}, "installation inst2"),
    ({**KEPT, "topic_id/stripe.run": "id2"}, {}, "stripe.run was deleted and created again"),
    ({**KEPT, "progress_ms": str(NOW_MS - 7 * DAY_MS)}, {}, "7 days ago"),
    (KEPT, {("stripe.run", 0): 10}, "up to offset 10 of stripe.run-0, which has 5 to 9"),
    (KEPT, {("stripe.run", 0): 4}, "up to offset 4 of stripe.run-0"),
    (KEPT, {("stripe.run", 0): 9, ("stripe.gone", 0): 3}, None),
    ({**KEPT, "progress_ms": str(NOW_MS - 7 * DAY_MS + 1)}, {("stripe.run", 0): 5}, None),
]  # fmt: skip


@pytest.mark.parametrize(("kept", "known", "why"), USELESS)
def test_a_store_of_no_use_says_why(kept: dict[str, str], known: Any, why: str | None) -> None:
    found = useless_because(kept, STAMP, known, HERE, NOW_MS)
    assert (found is None) if why is None else why in (found or "")


async def test_a_store_that_is_made_again_keeps_its_own_key(both_stores: IndexStore) -> None:
    await both_stores.change(fill)
    await both_stores.change(lambda db: put_meta(db, {**STAMP.rows(), "progress_ms": 1, "session_key": "x"}))
    await both_stores.change(lambda db: make_again(db, {"format": tables.FORMAT, "prefix": "new."}))
    assert await both_stores.ask(kept_meta) == {"format": str(tables.FORMAT), "prefix": "new.", "session_key": "x"}
    for table in tables.FROM_TOPICS:
        assert await both_stores.ask(lambda db, table=table: contents(db, table)) == []


async def test_tables_of_another_format_are_replaced(both_stores: IndexStore) -> None:
    await both_stores.change(lambda db: db.execute(text("ALTER TABLE run DROP COLUMN changed_ms")))
    await both_stores.change(lambda db: make_again(db, {"format": tables.FORMAT}))
    await both_stores.change(fill)


async def test_pruning_leaves_what_waits_for_a_person(both_stores: IndexStore) -> None:
    await both_stores.change(fill)
    kept = await both_stores.ask(lambda db: contents(db, tables.letter) + contents(db, tables.audit))
    long_after = NOW_MS * 2
    for step in prune_steps(long_after, 1):
        while await both_stores.change(step):
            pass
    runs = await both_stores.ask(lambda db: contents(db, tables.run))
    assert {row["status"] for row in runs} == {"running", "stopped"}
    assert await both_stores.ask(lambda db: contents(db, tables.letter) + contents(db, tables.audit)) == kept
    for table in (tables.event, tables.command, tables.outcome, tables.tally):
        assert await both_stores.ask(lambda db, table=table: contents(db, table)) == []


async def test_pruning_leaves_what_is_within_the_window(both_stores: IndexStore) -> None:
    await both_stores.change(lambda db: index(db, [command(0, "old", at_ms=1_000), command(1, "new", at_ms=9_000)]))
    await both_stores.change(lambda db: index(db, [command(2, "late", at_ms=1_000), result(0, "late", at_ms=9_000)]))
    for step in prune_steps(10_000, 5_000):
        while await both_stores.change(step):
            pass
    found = await both_stores.ask(lambda db: contents(db, tables.command))
    assert [row["command_id"] for row in found] == ["late", "new"]


async def test_two_writers_count_each_record_once(store_place: str) -> None:
    stores = [open_store(store_place), open_store(store_place)]
    records = [result(offset, f"c{offset}", at_ms=60_000) for offset in range(40)]
    records += [letter(offset, f"c{offset}", at_ms=60_000) for offset in range(40)]

    async def console(store: IndexStore) -> int:
        writing, lost = BatchWriting(store, TOPICS, lambda: 0), 0
        while True:
            known = await store.ask(places)
            left = [one for one in records if one.offset >= known.get((one.topic, one.partition), 0)][:7]
            if not left:
                return lost
            try:
                await writing.write(left, known)
            except OtherWriterError:
                lost += 1

    await asyncio.gather(*(console(store) for store in stores))
    found = await stores[0].ask(lambda db: contents(db, tables.tally))
    assert {row["name"]: row["count"] for row in found} == {"results": 40, "latency<=500": 40}
    assert len(await stores[1].ask(lambda db: contents(db, tables.letter))) == 40
    for store in stores:
        await store.close()


async def test_a_row_that_is_refused_stops_no_other(both_stores: IndexStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stripeline.deploy.console.index.rows.command_rows.cell", lambda value: value)
    bad = command(3, "bad", account="a\0b") if both_stores_are_postgres(both_stores) else command(3, "bad")
    records = [command(offset, f"c{offset}") for offset in range(3)] + [bad, command(4, "c4")]
    if not both_stores_are_postgres(both_stores):  # SQLite takes any text: a number beyond its integers it does not
        monkeypatch.setattr(
            "stripeline.deploy.console.index.rows.command_rows._appended_ms",
            lambda record: 2**70 if record.offset == 3 else record.at_ms,
        )
    moved, left_out = await BatchWriting(both_stores, TOPICS, lambda: 0).write(records, {})
    assert (moved, left_out) == ({(TOPICS.command, 0): 5}, 1)
    found = await both_stores.ask(lambda db: contents(db, tables.command))
    assert [row["command_id"] for row in found] == ["c0", "c1", "c2", "c4"]


def both_stores_are_postgres(store: IndexStore) -> bool:
    return store._engine.dialect.name == "postgresql"


async def test_tables_of_somebody_else_are_refused(store_place: str) -> None:
    store = open_store(store_place)
    await store.change(tables.meta.drop)
    await store.close()
    with pytest.raises(FailureError, match="tables that are not the console's: audit"):
        open_store(store_place)


def test_a_missing_driver_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(FailureError, match=r"pip install 'stripeline\[postgres\]'"):
        open_store("postgresql://127.0.0.1/x")


def test_a_database_that_is_away_is_named_without_password() -> None:
    with pytest.raises(FailureError) as raised:
        open_store("postgresql://ada:hunter2@127.0.0.1:1/x")
    assert "CONSOLE_STORE" in str(raised.value)
    assert "hunter2" not in str(raised.value)


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FailureError, match="CONSOLE_STORE"):
        open_store(str(tmp_path / "file" / "index.db"))


@pytest.fixture
def no_temporary_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As in a container with a read-only root and no /tmp."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))


@pytest.mark.usefixtures("no_temporary_folder")
async def test_a_named_store_needs_no_temporary_folder(tmp_path: Path) -> None:
    async with topic_index(str(tmp_path / "index.db"), Topics(), {}, window_ms=60_000) as index:
        assert not index.catch_up().caught_up


@pytest.mark.usefixtures("no_temporary_folder")
async def test_no_place_for_the_index_says_what_to_set() -> None:
    with pytest.raises(FailureError, match="Set STRIPELINE_CONSOLE_STORE"):
        async with topic_index(None, Topics(), {}, window_ms=60_000):
            pass


def test_a_quantile_is_between_the_bounds_of_its_bucket() -> None:
    counts = {latency_name(40): 50, latency_name(450): 40, latency_name(10**9): 10}
    assert quantile_ms(counts, 0.5) == 50
    assert quantile_ms(counts, 0.7) == 450
    assert quantile_ms(counts, 0.95) == 86_400_000
    assert quantile_ms({"events": 3}, 0.5) is None


def test_a_store_that_is_made_again_keeps_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stripeline.deploy.console.index.reading_state.time.time", lambda: 5.0)
    state = ReadingState()
    assert state.progress.written_ms == 5_000
    monkeypatch.setattr("stripeline.deploy.console.index.reading_state.time.time", lambda: 8.0)
    state.left_out({"stripe.run-3, offsets 4 to 9": "a disk"})
    state.made_again(rebuilt=False)
    assert (state.progress.rebuilds, state.progress.gaps) == (0, {})
    state.made_again(rebuilt=True)
    assert (state.progress.rebuilds, state.progress.written_ms) == (1, 8_000)
    monkeypatch.setattr("stripeline.deploy.console.index.reading_state.time.time", lambda: 9.0)
    state.written()
    assert state.progress.written_ms == 9_000


async def test_versions_come_twice_a_second_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 100.0
    monkeypatch.setattr("stripeline.deploy.console.index.reading_state.time.monotonic", lambda: now_s)
    state = ReadingState()
    for _ in range(10):
        state.grow()
        state.tick()
    assert state.version() == 2
    now_s += 0.5
    state.tick()
    assert state.version() == 3
