"""The contents of the next transaction."""

from stripeline.contracts.internal_records import LedgerQueue
from stripeline.contracts.vocabulary import Verdict
from stripeline.workers.task.decision import Decision, OutputRecord, StateChange
from stripeline.workers.task.pending import Pending


def test_nothing_is_nothing():
    assert not Pending()


def test_a_finished_record_without_outputs_is_pending():
    pending = Pending()
    pending.add(Decision(Verdict.KNOWN))
    assert pending
    assert (pending.records, pending.outputs, pending.changes) == (1, [], {})


def test_a_change_alone_is_something():
    pending = Pending()
    pending.changes["command/old"] = None
    assert pending
    assert pending.records == 0


def test_one_that_was_touched_has_something_to_commit():
    pending = Pending()
    pending.touch()
    assert (bool(pending), pending.records) == (True, 0)


FIRST, SECOND = LedgerQueue(0, 1, 5), LedgerQueue(0, 2, 5)


def test_outputs_keep_their_order():
    first, second, third = (OutputRecord("t", None, bytes([number])) for number in range(3))
    pending = Pending()
    pending.add(Decision("a", (first, second)))
    pending.add(Decision("b", (third,)))
    assert (pending.outputs, pending.records) == ([first, second, third], 2)


def test_the_last_change_of_a_key_counts_in_its_place():
    pending = Pending()
    pending.add(Decision("a", changes=(StateChange("x", FIRST), StateChange("y", FIRST))))
    pending.add(Decision("b", changes=(StateChange("x", SECOND),)))
    pending.add(Decision("c", changes=(StateChange("z", None),)))
    assert list(pending.changes.items()) == [("y", FIRST), ("x", SECOND), ("z", None)]
