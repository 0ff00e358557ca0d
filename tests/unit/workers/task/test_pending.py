"""The contents of the next transaction."""

from stripeline.workers.task.decision import Change, Fate, Output
from stripeline.workers.task.pending import Pending


def test_nothing_is_nothing():
    assert not Pending()


def test_a_finished_record_is_something_even_when_nothing_follows_from_it():
    pending = Pending()
    pending.add(Fate("known"))
    assert pending
    assert (pending.records, pending.outputs, pending.changes) == (1, [], {})


def test_a_change_alone_is_something():
    pending = Pending()
    pending.changes["command/old"] = None
    assert pending
    assert pending.records == 0


def test_outputs_keep_their_order():
    first, second, third = (Output("t", None, bytes([number])) for number in range(3))
    pending = Pending()
    pending.add(Fate("a", (first, second)))
    pending.add(Fate("b", (third,)))
    assert (pending.outputs, pending.records) == ([first, second, third], 2)


def test_the_last_change_of_a_key_counts_and_stands_where_it_came():
    pending = Pending()
    pending.add(Fate("a", changes=(Change("x", {"n": 1}), Change("y", {"n": 1}))))
    pending.add(Fate("b", changes=(Change("x", {"n": 2}),)))
    pending.add(Fate("c", changes=(Change("z", None),)))
    assert list(pending.changes.items()) == [("y", {"n": 1}), ("x", {"n": 2}), ("z", None)]
