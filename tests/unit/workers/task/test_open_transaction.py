"""An open transaction in words, and the input partitions that one holds back."""

import pytest

from stripeline.workers.task.open_transaction import HELD_AFTER_S, HeldPartitions, OpenTransaction, Reach, words

PLACE = OpenTransaction(topic="stripe.action-ledger", partition=2, offset=4711)
ABORT = (
    "`kafka-transactions.sh --bootstrap-server kafka-1:9092 abort --topic stripe.action-ledger --partition 2"
    " --start-offset 4711`"
)


@pytest.mark.parametrize(
    ("age_s", "span"), [(-5, "0 s"), (45, "45 s"), (119, "119 s"), (840, "14 min"), (7_199, "120 min"), (10_800, "3 h")]
)
def test_its_producer_its_age_and_how_to_abort_it(age_s, span):
    found = OpenTransaction(
        topic=PLACE.topic, partition=2, offset=4711, producer_id=9, producer_epoch=3, began_ms=100_000
    )
    assert words(found, 100_000 + age_s * 1_000, "kafka-1:9092") == (
        f"a transaction of producer 9 (epoch 3) is open on stripe.action-ledger-2 at offset 4711 since {span};"
        f" abort it with {ABORT}"
    )


def test_without_its_producer_the_place_is_said():
    assert words(PLACE, 0, "kafka-1:9092") == (
        f"a transaction is open on stripe.action-ledger-2 at offset 4711; abort it with {ABORT}"
    )


@pytest.mark.parametrize(
    ("position", "last_stable", "end", "held"),
    [(5, 5, 9, True), (4, 5, 9, False), (9, 9, 9, False), (6, 5, 9, True)],
)
def test_held_is_what_was_read_up_to_an_open_transaction(position, last_stable, end, held):
    assert Reach(position, last_stable, end).held is held


def test_a_partition_is_held_after_half_a_minute_at_one_offset():
    watch, held = HeldPartitions[str](), {"p": Reach(5, 5, 9)}
    assert watch.look(100.0, held) == {}
    assert watch.look(100.0 + HELD_AFTER_S - 1, held) == {}
    assert watch.look(100.0 + HELD_AFTER_S, held) == {"p": 5}
    assert watch.held_s("p", 140.0) == 40.0
    assert watch.held_s("other", 140.0) == 0.0


def test_transactions_that_follow_each_other_hold_nothing():
    watch = HeldPartitions[str]()
    for at in range(10):
        assert watch.look(at * HELD_AFTER_S, {"p": Reach(at, at, at + 3)}) == {}


def test_a_partition_that_moved_on_or_left_is_held_no_more():
    watch, held = HeldPartitions[str](), {"p": Reach(5, 5, 9)}
    watch.look(0.0, held)
    assert watch.look(HELD_AFTER_S, held) == {"p": 5}
    assert watch.look(HELD_AFTER_S + 1, {"p": Reach(9, 9, 9)}) == {}
    assert watch.held_s("p", HELD_AFTER_S + 1) == 0.0
    watch.look(50.0, held)
    assert watch.look(50.0 + HELD_AFTER_S, {}) == {}
