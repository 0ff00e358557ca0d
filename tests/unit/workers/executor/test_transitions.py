"""What a command becomes next, before its call as well as after it."""

import pytest

from stripeline.contracts import headers as h
from stripeline.contracts.internal_records import LedgerQueue
from stripeline.workers.executor import transitions
from stripeline.workers.executor.ledger import Ledger
from stripeline.workers.executor.retry_headers import read_record
from tests.support.records import command_record


@pytest.mark.parametrize(
    ("key", "place", "left"),
    [(b"k1", b"0", 1), (b"k1", b"1", 0), (b"k1", None, 0), (b"k2", b"0", 0), (None, b"0", 0)],
)
def test_only_the_head_of_a_queue_gives_its_turn_away(key, place, left):
    ledger = Ledger()
    ledger.apply("queue/k1", LedgerQueue(0, 2, 5))
    record = command_record(key=key, headers=() if place is None else ((h.PLACE, place),))
    changes = transitions.next_of_key(ledger, read_record(record, returned=True))
    assert [change.record for change in changes] == [LedgerQueue(1, 2, 5)] * left
