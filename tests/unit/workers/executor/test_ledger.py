"""The executor's state: what it keeps, what it forgets, and that a restore gives the same."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripeline.contracts.internal_records import LedgerCommand, LedgerQueue, UnreadableRecordError, encode
from stripeline.contracts.retry_tiers import WINDOW_MS
from stripeline.workers.executor import ledger as ledger_module
from stripeline.workers.executor.ledger import Ledger, forget, remember, set_queue
from stripeline.workers.router.run_state import Runs
from tests.support.small_blocks import small_blocks

OLD = 1_000


def known(status="succeeded", at_ms=OLD, **fields):
    return LedgerCommand(status=status, digest="d", revision=0, at_ms=at_ms, **fields)


def ledger_of(**commands):
    ledger = Ledger()
    for name, value in commands.items():
        change = remember(name, value)
        ledger.apply(change.key, change.record)
    return ledger


def test_what_is_remembered_is_known_again():
    for value in (known(), known("waiting", unknown=True)):
        assert ledger_of(c1=value).known("c1") == value
    assert ledger_of().known("c1") is None


def test_a_queue_lasts_until_its_head_reaches_its_tail():
    ledger = Ledger()
    for queue, left in (
        (LedgerQueue(0, 2, 5), LedgerQueue(0, 2, 5)),
        (LedgerQueue(1, 2, 5), LedgerQueue(1, 2, 5)),
        (LedgerQueue(2, 2, 5), None),
    ):
        change = set_queue("k/1", queue)
        ledger.apply(change.key, change.record)
        assert ledger.queue("k/1") == left
    assert ledger.sizes == {"commands": 0, "waiting": 0, "queues": 0}


def test_an_unknown_id_can_be_forgotten():
    ledger = Ledger()
    ledger.apply("command/c1", None)
    ledger.apply("queue/k1", None)
    assert ledger.sizes == {"commands": 0, "waiting": 0, "queues": 0}


def test_the_oldest_are_forgotten_first_and_a_batch_has_an_end():
    ledger = ledger_of(a=known(), b=known(at_ms=OLD + 1), c=known(at_ms=OLD + 2))
    assert [change.key for change in ledger.expired(OLD + 2 + WINDOW_MS, limit=2)] == ["command/a", "command/b"]
    assert [change.key for change in ledger.expired(OLD + 1 + WINDOW_MS)] == ["command/a", "command/b"]
    assert len(list(ledger.expired(OLD + 9 + WINDOW_MS))) == 3
    assert list(Ledger().expired(0)) == []


def test_an_id_that_is_written_again_moves_to_the_end():
    ledger = ledger_of(a=known(), b=known())
    change = remember("a", known("failed", at_ms=OLD + 100))
    ledger.apply(change.key, change.record)
    assert [change.key for change in ledger.expired(OLD + WINDOW_MS)] == ["command/b"]


def test_a_waiting_command_is_never_forgotten():
    assert list(ledger_of(a=known("waiting")).expired(OLD * WINDOW_MS)) == []


def test_what_waits_is_counted_through_every_change():
    ledger = Ledger()
    for value in (known("waiting"), known("waiting", unknown=True), known(), known("waiting")):
        change = remember("c1", value)
        ledger.apply(change.key, change.record)
        assert ledger.sizes["waiting"] == (value.status == "waiting")
    ledger.apply("command/c1", None)
    assert ledger.sizes["waiting"] == 0


def test_the_key_that_waits_longest_is_reported():
    ledger = Ledger()
    assert ledger.head_due_ms() is None
    for key, due_ms in (("a", 7), ("b", 5)):
        change = set_queue(key, LedgerQueue(0, 1, due_ms))
        ledger.apply(change.key, change.record)
    assert ledger.head_due_ms() == 5
    assert ledger.head_due_ms({b"b"}) == 7
    assert Runs().head_due_ms() is None


def test_of_many_heads_the_last_whole_round_is_told(monkeypatch):
    monkeypatch.setattr(ledger_module, "LOOKED_AT", 2)
    ledger = Ledger()
    for number in range(5):
        ledger.apply(f"queue/k{number}", LedgerQueue(0, 1, 50 - number))
    assert [ledger.head_due_ms() for _ in range(3)] == [None, None, 46]
    ledger.apply("queue/k4", None)
    assert [ledger.head_due_ms() for _ in range(4)] == [46, 47, 47, 47]


IDS = [f"evt_{number}:thanks:deposit" for number in range(12)]
COMMANDS = st.builds(
    known,
    st.sampled_from(["waiting", "succeeded", "failed", "indeterminate", "superseded"]),
    at_ms=st.integers(0, 9),
    unknown=st.booleans(),
    suspect=st.booleans(),
)
QUEUES = st.builds(LedgerQueue, st.integers(0, 3), st.integers(1, 3), st.just(5))
CHANGES = st.one_of(
    st.builds(remember, st.sampled_from(IDS), COMMANDS),
    st.builds(forget, st.sampled_from(IDS)),
    st.builds(set_queue, st.sampled_from("kl"), QUEUES),
)


def contents(ledger):
    """All that it holds, and the order in which it expires."""
    ended = [command_id for command_id, _ in ledger._ended.oldest(1_000)]
    return {one: ledger.known(one) for one in IDS}, ended, [ledger.queue(key) for key in "kl"], ledger.sizes


@given(st.lists(st.tuples(CHANGES, st.booleans()), max_size=60), st.integers(1, 60))
def test_a_restored_ledger_is_the_one_that_was_written(steps, compacted):
    """Against dicts in the order of last writes. A changelog is compacted to any point: the rest has every record."""
    with pytest.MonkeyPatch.context() as patch:
        small_blocks(patch)
        now, restored, waiting, ended, queues = Ledger(), Ledger(), {}, {}, {}
        for number, (change, expires) in enumerate(steps):
            changes = [change, *(now.expired(WINDOW_MS + 4, 3) if expires else ())]
            for one in changes:
                now.apply(one.key, one.record)
                kind, name = one.key.split("/")
                for rows in (waiting, ended) if kind == "command" else (queues,):
                    rows.pop(name, None)
                if one.record is not None:
                    ending = ended if getattr(one.record, "status", "") != "waiting" else waiting
                    (ending if kind == "command" else queues)[name] = one.record
            if number >= compacted:
                for one in changes:
                    restored.restore(one.key, one.record and encode(one.record))
            elif number + 1 in {compacted, len(steps)}:
                for kind, rows in (("command/", waiting), ("command/", ended), ("queue/", queues)):
                    for name, record in rows.items():
                        restored.restore(kind + name, encode(record))
        sizes = {"commands": len(waiting) + len(ended), "waiting": len(waiting), "queues": len(queues)}
        model = (
            {one: waiting.get(one) or ended.get(one) for one in IDS},
            [*ended],
            [queues.get(key) for key in "kl"],
            sizes,
        )
        assert contents(now) == model
        assert not steps or contents(restored) == model


@given(st.lists(st.tuples(st.sampled_from(IDS), COMMANDS), max_size=60), st.integers(0, 9))
def test_what_has_ended_before_the_window_expires(commands, window):
    """From the oldest on, up to the first that has not: one that is written again is among the youngest again."""
    with pytest.MonkeyPatch.context() as patch:
        small_blocks(patch)
        ledger, ended = Ledger(), {}
        for name, record in commands:
            ledger.apply(*vars_of(remember(name, record)))
            ended.pop(name, None)
            if record.status != "waiting":
                ended[name] = record.at_ms
        expected = list(itertools.takewhile(lambda name: ended[name] <= window, ended))
        assert [change.key.removeprefix("command/") for change in ledger.expired(window + WINDOW_MS)] == expected


def vars_of(change):
    return change.key, change.record


def test_a_record_that_is_unreadable_changes_nothing():
    ledger = ledger_of(c1=known("waiting"))
    for key in ("command/c1", "queue/k"):
        with pytest.raises(UnreadableRecordError, match="Ledger"):
            ledger.restore(key, b'{"status": 5}')
    assert (ledger.known("c1"), ledger.sizes) == (known("waiting"), {"commands": 1, "waiting": 1, "queues": 0})


def test_a_tombstone_of_another_key_changes_nothing():
    """A restore may append one, so that an empty end of the changelog has a record."""
    ledger = ledger_of(c1=known("waiting"))
    ledger.restore("restored", None)
    assert (ledger.known("c1"), ledger.sizes) == (known("waiting"), {"commands": 1, "waiting": 1, "queues": 0})
