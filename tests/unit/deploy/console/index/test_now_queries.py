"""What the pages Now and the live streams ask of the index, in SQLite and in PostgreSQL."""

from typing import Any

import pytest
from sqlalchemy import Connection, insert

from stripeline.deploy.console.index.index_store import IndexStore
from stripeline.deploy.console.index.queries.commands import CommandFilters, newer_commands
from stripeline.deploy.console.index.queries.keyset import MOST_NEWER
from stripeline.deploy.console.index.queries.letters import newer_letters
from stripeline.deploy.console.index.queries.runs import RunQuestion, matching_runs, newer_runs
from stripeline.deploy.console.index.queries.status_counts import first_attempted, open_letters, stopped_runs
from stripeline.deploy.console.index.queries.tallies import counts_of_minutes
from stripeline.deploy.console.index.tables import command, letter, run
from stripeline.deploy.operations.reading.run_filters import RunFilters
from stripeline.deploy.operations.reading.views import Filters
from tests.support.console_sample import NOW_MS, command_rows, fill, letter_rows, run_rows

ALL = RunQuestion(filters=RunFilters())


@pytest.fixture
async def filled(both_stores: IndexStore) -> IndexStore:
    await both_stores.change(fill)
    return both_stores


def add(table: Any, sample: dict[str, Any], *rows: dict[str, Any]) -> Any:
    def change(db: Connection) -> None:
        db.execute(insert(table), [{**sample, **row} for row in rows])

    return change


async def test_rows_above_a_key_are_newer(filled: IndexStore) -> None:
    newest = max(run_rows(), key=lambda row: (row["started_ms"], row["run_id"]))
    key = f"{newest['started_ms']}~{newest['run_id']}"
    assert await filled.ask(newer_runs(ALL, key)) == 0
    await filled.change(
        add(
            run, newest, {"run_id": f"{newest['run_id']}z"}, {"run_id": "0"},
            {"run_id": "later", "started_ms": newest["started_ms"] + 1, "status": "stopped"},
        )
    )  # fmt: skip
    assert await filled.ask(newer_runs(ALL, key)) == 2  # of the same moment the id decides, as in the list
    stopped = RunQuestion(filters=RunFilters(status="stopped"))
    assert await filled.ask(newer_runs(stopped, key)) == 1


async def test_keys_of_several_numbers_are_compared(filled: IndexStore) -> None:
    sample = letter_rows()[0]
    at_ms = NOW_MS + 1
    await filled.change(
        add(letter, sample, {"number": 2, "offset": 9_000, "at_ms": at_ms}, {"number": 10, "offset": 1, "at_ms": at_ms})
    )
    keys = (f"{at_ms}~2~8999", f"{at_ms}~2~9000", f"{at_ms}~9~0", f"{at_ms}~10~1")
    assert [await filled.ask(newer_letters(Filters(), key)) for key in keys] == [2, 1, 1, 0]


@pytest.mark.parametrize("key", ["", "x", "1~2~x", "1~999999999999999999999~3", "1~2"])
async def test_a_key_that_is_none_counts_all(filled: IndexStore, key: str) -> None:
    assert await filled.ask(newer_letters(Filters(), key)) == len(letter_rows())


async def test_no_more_are_counted_than_are_shown(filled: IndexStore) -> None:
    sample = run_rows()[0]
    await filled.change(add(run, sample, *({"run_id": f"more{number}"} for number in range(MOST_NEWER))))
    assert await filled.ask(newer_runs(ALL, None)) == MOST_NEWER


async def test_commands_of_all_partitions_are_newer(filled: IndexStore) -> None:
    assert await filled.ask(newer_commands(CommandFilters(), f"{NOW_MS - 24 * 3_600_000}~0~x")) == MOST_NEWER


async def test_an_act_gets_the_newest_runs_of_its_statuses(filled: IndexStore) -> None:
    async def ids(filters: RunFilters, statuses: list[str], limit: int = 99) -> list[str]:
        return [row.run_id for row in await filled.ask(matching_runs(RunQuestion(filters=filters), statuses, limit))]

    both = [row["run_id"] for row in run_rows() if row["status"] in {"running", "stopped"}]  # newest first
    assert await ids(RunFilters(), ["stopped", "running"]) == both
    assert await ids(RunFilters(), ["running", "stopped"], 3) == both[:3]
    assert await ids(RunFilters(status="running"), ["stopped", "running"]) == both[:1]
    assert await ids(RunFilters(status="succeeded"), ["stopped"]) == []
    stopped = [row for row in run_rows() if row["status"] == "stopped"]
    of_workflow = [row["run_id"] for row in stopped if row["workflow"] == stopped[0]["workflow"]]
    assert await ids(RunFilters(workflow=stopped[0]["workflow"]), ["stopped"]) == of_workflow


async def test_open_letters_are_counted_by_reason(filled: IndexStore) -> None:
    await filled.change(add(letter, letter_rows()[0], {"offset": 5_000, "reason": None}))
    found = await filled.ask(open_letters(whole=True))
    assert found.by == {"failed": 11, "indeterminate": 1, "unreadable": 1, "without a reason": 1}
    assert found.oldest_ms == min(row["at_ms"] for row in letter_rows() if row["state"] == "open")
    assert not found.more
    assert (await filled.ask(open_letters(whole=False))).more


async def test_stopped_runs_are_counted_by_code(filled: IndexStore) -> None:
    await filled.change(add(run, run_rows()[2], {"run_id": "codeless", "code": None}))
    assert (await filled.ask(stopped_runs(whole=True))).by == {"PAYMENT_REQUIRED": 11, "without a code": 1}


async def test_the_first_command_that_waits_is_the_example(filled: IndexStore) -> None:
    waiting = next(row for row in command_rows() if row["status"] == "waiting")
    await filled.change(
        add(
            command, waiting, {"command_id": "first", "sent_ms": 1},
            {"command_id": "never", "sent_ms": 0, "attempts": 0},
            {"command_id": "done", "sent_ms": 0, "status": "succeeded"},
            {"command_id": "other", "connection": "globex"},
        )
    )  # fmt: skip
    assert await filled.ask(first_attempted()) == {"acme": "first", "globex": "other"}


async def test_minutes_have_their_counts_by_name(filled: IndexStore) -> None:
    now = NOW_MS // 60_000
    found = await filled.ask(counts_of_minutes(now - 2, now - 1))
    assert set(found) == {now - 2, now - 1}
    assert found[now - 1]["events"] > 0
