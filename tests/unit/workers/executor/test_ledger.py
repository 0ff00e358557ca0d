"""The executor's state: what it keeps, what it forgets, and that a restore gives the same."""

from stripeline.contracts.retry_tiers import WINDOW_MS
from stripeline.workers.executor.ledger import Known, Ledger, Queue, remember, set_queue
from stripeline.workers.router.runs import Runs

OLD = 1_000


def known(status="succeeded", at_ms=OLD, **fields):
    return Known(status, "d", 0, at_ms, **fields)


def ledger_of(**commands):
    ledger = Ledger()
    for name, value in commands.items():
        change = remember(name, value)
        ledger.apply(change.key, change.value)
    return ledger


def test_what_is_remembered_is_known_again():
    for value in (known(), known("waiting", unknown=True)):
        assert ledger_of(c1=value).known("c1") == value
    assert ledger_of().known("c1") is None


def test_a_queue_stands_until_its_head_reaches_its_tail():
    ledger = Ledger()
    for queue, left in ((Queue(0, 2, 5), Queue(0, 2, 5)), (Queue(1, 2, 5), Queue(1, 2, 5)), (Queue(2, 2, 5), None)):
        change = set_queue("k/1", queue)
        ledger.apply(change.key, change.value)
        assert ledger.queue("k/1") == left
    assert ledger.sizes == {"commands": 0, "waiting": 0, "queues": 0}


def test_forgetting_what_is_not_there_is_no_fault():
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


def test_one_that_was_seen_again_is_young_again():
    ledger = ledger_of(a=known(), b=known())
    change = remember("a", known("failed", at_ms=OLD + 100))
    ledger.apply(change.key, change.value)
    assert [change.key for change in ledger.expired(OLD + WINDOW_MS)] == ["command/b"]


def test_one_that_waits_is_never_forgotten():
    assert list(ledger_of(a=known("waiting")).expired(OLD * WINDOW_MS)) == []


def test_what_waits_is_counted_through_every_change():
    ledger = Ledger()
    for value in (known("waiting"), known("waiting", unknown=True), known(), known("waiting")):
        change = remember("c1", value)
        ledger.apply(change.key, change.value)
        assert ledger.sizes["waiting"] == (value.status == "waiting")
    ledger.apply("command/c1", None)
    assert ledger.sizes["waiting"] == 0


def test_the_key_that_waits_longest_is_told():
    ledger = Ledger()
    assert ledger.head_due_ms is None
    for key, due_ms in (("a", 7), ("b", 5)):
        change = set_queue(key, Queue(0, 1, due_ms))
        ledger.apply(change.key, change.value)
    assert ledger.head_due_ms == 5
    assert Runs().head_due_ms is None
