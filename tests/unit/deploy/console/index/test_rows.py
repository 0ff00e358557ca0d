"""What records become in the index, in SQLite and in PostgreSQL."""
# ruff: noqa: E501  (tables of records)

from collections import Counter
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine

from stripeline.contracts import headers as h
from stripeline.contracts.vocabulary import AuditedAct
from stripeline.deploy.console.index import tables
from stripeline.deploy.console.index.index_store import IndexStore
from stripeline.deploy.console.index.row_writer import OtherWriterError, ReadStep, write
from stripeline.deploy.console.index.rows.row_changes import RowChanges, add_changes
from stripeline.deploy.operations.reading.topic_reader import Read
from tests.support.index_facts import TOPICS, act, command, contents, index, letter, read, result, waiting


async def rows_of(store: IndexStore, *batches: list[Read], table: Any = tables.command) -> list[dict[str, Any]]:
    for batch in batches:
        await store.change(lambda db, batch=batch: index(db, batch))
    return await store.ask(lambda db: contents(db, table))


async def test_a_result_read_first_is_not_undone(both_stores: IndexStore) -> None:
    [row] = await rows_of(both_stores, [result(5, at_ms=3_000)], [waiting(1, at_ms=2_000)], [command(0, at_ms=1_000)])
    assert (row["status"], row["command_offset"], row["result_offset"]) == ("succeeded", 0, 5)
    assert (row["object_id"], row["customer"], row["sent_ms"]) == ("cus_1", "cus_1", 1_000)


async def test_a_waiting_command_says_when_it_is_due(both_stores: IndexStore) -> None:
    [row] = await rows_of(both_stores, [command(0)], [waiting(1, attempt=3)])
    assert (row["status"], row["due_ms"], row["attempts"], row["code"]) == ("waiting", 2_000_000, 3, "RATE_LIMITED")
    assert row["error"] == "RATE_LIMITED: too many requests with sk_test_…masked"


async def test_a_repetition_of_a_done_command_does_nothing(both_stores: IndexStore) -> None:
    failed = [result(5, status="failed", at_ms=3_000)]
    [row] = await rows_of(both_stores, failed, [command(9, at_ms=9_000)])
    assert row["status"] == "failed"
    [row] = await rows_of(both_stores, [command(10, at_ms=10_000, replay=True)])
    assert (row["status"], row["revision"]) == ("sent", 5)


async def test_a_replay_of_a_success_does_nothing(both_stores: IndexStore) -> None:
    [row] = await rows_of(both_stores, [command(9, at_ms=9_000, replay=True)], [result(5, at_ms=3_000)])
    assert row["status"] == "succeeded"


async def test_each_wait_and_each_result_is_kept(both_stores: IndexStore) -> None:
    first = [result(0, status="failed", at_ms=3_000), waiting(1, attempt=2, at_ms=2_000)]
    rows = await rows_of(both_stores, first, [result(1, at_ms=5_000), result(0, "c2")], first, table=tables.outcome)
    assert [(row["topic"], row["status"], row["revision"], row["attempts"], row["at_ms"]) for row in rows] == [
        (TOPICS.result, "failed", 0, 1, 3_000),
        (TOPICS.result, "succeeded", 1, 1, 5_000),
        (TOPICS.retry(TOPICS.tiers[0]), "waiting", None, 2, 2_000),
    ]
    assert {row["command_id"] for row in rows} == {"c1"}


async def test_the_first_command_of_a_reused_id_counts(both_stores: IndexStore) -> None:
    [row] = await rows_of(both_stores, [command(7, connection="globex")], [command(3)])
    assert (row["connection"], row["command_offset"]) == ("acme", 3)


async def test_one_id_on_two_partitions_is_two_commands(both_stores: IndexStore) -> None:
    rows = await rows_of(both_stores, [command(0), command(0, partition=1)])
    assert [row["number"] for row in rows] == [0, 1]


def run(offset: int, status: str, **fields: Any) -> Read:
    event = {"id": "evt_1", "data": {"id": "pi_1", "object": "payment_intent", "customer": "cus_7"}}
    value = {
        "run": "evt_1:w", "workflow": "w", "trigger": "t", "event": "evt_1", "event_type": "payment_intent.succeeded",
        "status": status, "step": None, "error": None, "steps": [], "started_at": 1, "finished_at": None,
        "definition": None, "context": None if status == "succeeded" else event, "key": "pi_1", **fields,
    }  # fmt: skip
    return read(TOPICS.run, offset, value, key=b"evt_1:w")


async def test_a_succeeded_run_keeps_what_it_was_about(both_stores: IndexStore) -> None:
    [row] = await rows_of(both_stores, [run(0, "running")], [run(4, "succeeded", finished_at=9)], table=tables.run)
    assert (row["status"], row["object_id"], row["customer"], row["offset"]) == ("succeeded", "pi_1", "cus_7", 4)


async def test_an_erased_run_forgets_its_customer(both_stores: IndexStore) -> None:
    erased = run(4, "stopped", context=None, key=None, erased_at=9)
    [row] = await rows_of(both_stores, [run(0, "stopped")], [erased], table=tables.run)
    assert (row["status"], row["object_id"], row["customer"]) == ("stopped", None, None)


async def test_a_tombstone_deletes_its_run(both_stores: IndexStore) -> None:
    gone = read(TOPICS.run, 5, None, key=b"evt_1:w")
    assert await rows_of(both_stores, [run(0, "running"), gone], table=tables.run) == []
    assert len(await rows_of(both_stores, [run(6, "running")], table=tables.run)) == 1


STATES = [
    ("dismissed", [act(0, AuditedAct.DISMISSED, [(0, 3, 3)], at_ms=2_000)]),
    ("replayed", [act(0, AuditedAct.DISMISSED, [(0, 1, 9)], at_ms=2_000), act(1, AuditedAct.REPLAYED, [(0, 3, 3)], at_ms=3_000)]),
    ("settled", [act(0, AuditedAct.SETTLED, about="command c1", at_ms=2_000)]),
    ("open", [act(0, AuditedAct.SETTLED, about="command c1", at_ms=500)]),
    ("open", [act(0, AuditedAct.SETTLED, about="command c1", at_ms=2_000, partition=1)]),
    ("open", [act(0, AuditedAct.DISMISSED, [(1, 3, 3)], at_ms=2_000)]),
]  # fmt: skip


@pytest.mark.parametrize(("state", "acts"), STATES)
async def test_a_letters_state_comes_from_the_audit(state: str, acts: list[Read], both_stores: IndexStore) -> None:
    [row] = await rows_of(both_stores, [letter(3, at_ms=1_000)], acts, table=tables.letter)
    assert row["state"] == state


@pytest.mark.parametrize(("state", "acts"), STATES)
async def test_an_act_read_before_its_letter_counts(state: str, acts: list[Read], both_stores: IndexStore) -> None:
    [row] = await rows_of(both_stores, acts, [letter(3, at_ms=1_000)], table=tables.letter)
    assert (row["state"], row["error"]) == (state, "Stripe said sk_test_…masked is wrong")


HOSTILE: list[Read] = [
    read(TOPICS.command, 10, b"no json"),
    read(TOPICS.command, 11, None),
    command(12, "a b"),
    command(13, "nul", connection="a\0b", input={"customer": "\0" * 5_000, "amount": 10**30}, key=b"\0\xff"),
    command(14, "long", input={"customer": "é" * 9_000, "id": {"id": 7}}),
    read(TOPICS.events[0], 1, {"id": 7, "type": ["x"], "created": 10**15, "livemode": 3, "data": {"id": "x" * 9_000}}),
    read(TOPICS.events[0], 2, {"id": "evt_1", "data": "none"}, at_ms=-1),
    read(TOPICS.events[0], 3, {"id": "evt_\0", "created": True, "data": {}}, at_ms=-1),
    result(6, "big", attempts=2**40, revision=2**31, error={"code": "X" * 999, "message": "\0sk_live_1"}, status="failed"),
    read(TOPICS.result, 7, b"{}"),
    read(TOPICS.run, 8, None, key=None),
    letter(4, "nul\0"),
    read(TOPICS.dead_letter, 5, b"\xff\xfe", key=b"\xff\0"),
    read(TOPICS.audit, 1, b'{"act":"\\u0000","by":"\\u0000","why":"https://a","at":1,"records":[],"about":"a:b@c"}'),
    read(TOPICS.audit, 2, b"nothing"),
]  # fmt: skip


async def test_what_cannot_be_read_is_left_out_and_counted(both_stores: IndexStore) -> None:
    changes = await both_stores.change(lambda db: index(db, [*HOSTILE, command(99, "good")]))
    commands = await both_stores.ask(lambda db: contents(db, tables.command))
    assert [row["command_id"] for row in commands] == ["big", "good", "long", "nul"]
    assert dict(changes.unreadable) == {
        TOPICS.command: 3, TOPICS.events[0]: 1, TOPICS.result: 1, TOPICS.run: 1, TOPICS.audit: 1,
    }  # fmt: skip
    [audit] = await both_stores.ask(lambda db: contents(db, tables.audit))
    assert orjson.loads(audit["body"])["about"] == "a:b@c"


async def test_tallies_count_each_record_once(both_stores: IndexStore) -> None:
    batch = [result(0, "a", at_ms=120_000), result(1, "b", status="failed", at_ms=120_001)]
    await both_stores.change(lambda db: index(db, batch))
    rows = await both_stores.ask(lambda db: contents(db, tables.tally))
    assert {row["name"]: row["count"] for row in rows} == {"results": 2, "failed": 1, "latency<=500": 2}
    assert {row["minute"] for row in rows} == {2}
    stale = {(TOPICS.result, 0): ReadStep(1, 3)}
    with pytest.raises(OtherWriterError):
        await both_stores.change(lambda db: write(db, RowChanges(tallies=Counter({(2, "results"): 2})), stale, ""))
    assert await both_stores.ask(lambda db: contents(db, tables.tally)) == rows


async def test_a_place_that_is_there_is_not_taken_again(both_stores: IndexStore) -> None:
    await both_stores.change(lambda db: index(db, [command(0)]))
    with pytest.raises(OtherWriterError):
        await both_stores.change(lambda db: write(db, RowChanges(), {(TOPICS.command, 0): ReadStep(None, 1)}, ""))


FACTS = [
    st.builds(lambda offset, ms: command(offset, at_ms=ms, input={"customer": f"cus_{offset}"}), st.integers(0, 3), st.integers(1, 4)),
    st.builds(lambda offset, ms: command(offset + 4, at_ms=ms, replay=True), st.integers(0, 3), st.integers(1, 4)),
    st.builds(lambda offset, tier: waiting(offset, tier=tier, at_ms=offset % 3 + 1, attempt=offset), st.integers(0, 5), st.integers(0, 1)),
    st.builds(lambda offset, status: result(offset, status=status, at_ms=offset % 3 + 1), st.integers(0, 3), st.sampled_from(["failed", "succeeded", "indeterminate"])),
    st.builds(lambda offset, reason: letter(offset, at_ms=2, reason=reason), st.integers(0, 4), st.sampled_from(["exhausted", "id_reused"])),
    st.builds(lambda offset, kind, first: act(offset, kind, [(0, first, first + 1)], at_ms=offset % 4), st.integers(0, 4), st.sampled_from(["dismissed", "replayed"]), st.integers(0, 3)),
    st.builds(lambda offset, kind: act(offset + 5, kind, about="command c1", at_ms=offset % 4), st.integers(0, 4), st.sampled_from(["settled", "superseded"])),
]  # fmt: skip


@st.composite
def readings(draw: st.DrawFn) -> tuple[list[list[Read]], list[list[Read]]]:
    """The same records read in two ways: each topic in its order, in any interleaving and any batches; one again."""
    by_place: dict[tuple[str, int], Read] = {}
    for record in draw(st.lists(st.one_of(FACTS), max_size=12)):
        by_place.setdefault((record.topic, record.offset), record)
    return draw(reading(list(by_place.values()))), draw(reading(list(by_place.values())))


@st.composite
def reading(draw: st.DrawFn, records: list[Read]) -> list[list[Read]]:
    batches: list[list[Read]] = [[]]
    for record in draw(st.permutations([*records, *records])):
        if draw(st.booleans()):
            batches.append([])
        batches[-1].append(record)
    return batches


def indexed(batches: list[list[Read]]) -> list[list[dict[str, Any]]]:
    engine = create_engine("sqlite://")
    with engine.begin() as db:
        tables.metadata.create_all(db)
        for batch in batches:
            index(db, batch)
        found = [contents(db, table) for table in (tables.command, tables.outcome, tables.letter, tables.audit)]
    engine.dispose()
    return found


@settings(max_examples=25)
@given(readings())
def test_the_order_of_reading_changes_no_row(both: tuple[list[list[Read]], list[list[Read]]]) -> None:
    one, other = both
    assert indexed(one) == indexed(other)


def test_a_thin_event_in_a_tier_is_no_unreadable_command() -> None:
    changes, topic = RowChanges(), TOPICS.retry(TOPICS.tiers[0])
    add_changes(changes, TOPICS, [replace(waiting(1), value=b"{}", headers={h.KIND: h.THIN_EVENT}, topic=topic)])
    assert (changes.commands, changes.unreadable) == ([], Counter())
