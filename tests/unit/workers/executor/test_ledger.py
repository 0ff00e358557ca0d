"""The executor's state: what it keeps, what it forgets, and that a restore gives the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripeline.contracts.internal_records import LedgerCommand, LedgerQueue, UnreadableRecordError, encode
from stripeline.contracts.retry_tiers import WINDOW_MS
from stripeline.workers.executor.ledger import Ledger, forget, remember, set_queue
from stripeline.workers.router.run_state import Runs

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
    assert ledger.head_due_ms is None
    for key, due_ms in (("a", 7), ("b", 5)):
        change = set_queue(key, LedgerQueue(0, 1, due_ms))
        ledger.apply(change.key, change.record)
    assert ledger.head_due_ms == 5
    assert Runs().head_due_ms is None


COMMANDS = st.builds(
    known,
    st.sampled_from(["waiting", "succeeded", "failed", "indeterminate"]),
    at_ms=st.integers(0, 9),
    unknown=st.booleans(),
    suspect=st.booleans(),
)
QUEUES = st.builds(LedgerQueue, st.integers(0, 3), st.integers(1, 3), st.just(5))
CHANGES = st.one_of(
    st.builds(remember, st.sampled_from("abc"), COMMANDS),
    st.builds(forget, st.sampled_from("abc")),
    st.builds(
        set_queue, st.sampled_from("kl"), st.builds(LedgerQueue, st.integers(0, 3), st.integers(1, 3), st.just(5))
    ),
)


@given(st.lists(CHANGES, max_size=12))
def test_a_restored_ledger_is_the_one_that_was_written(changes):
    now, restored = Ledger(), Ledger()
    for change in changes:
        now.apply(change.key, change.record)
        restored.restore(change.key, change.record and encode(change.record))
    assert vars(restored) == vars(now)
    assert list(restored._commands) == list(now._commands)


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
