"""What a thin event in a tier waits for."""

import pytest

from stripeline.contracts import headers as h
from stripeline.contracts.retry_tiers import parse_tiers
from stripeline.contracts.topics import Topics
from stripeline.workers.actions import actions
from stripeline.workers.executor.connection.pacing import TURN_LEAD_MS
from stripeline.workers.executor.setup import Setup
from stripeline.workers.task.decision import Waits
from stripeline.workers.thin import thin_waits
from tests.support.records import any_owner, installation
from tests.support.thin_world import thin_record

DUE = 2_000_000
MARKS = {h.KIND: h.THIN_EVENT, h.CONNECTION: b"acme"}


def waits(tiers: str = "1s,30s", now_ms: int = DUE - 1, **marks: bytes) -> Waits | None:
    """Of a record that is due at `DUE`, in the first tier."""
    topics = Topics(tiers=parse_tiers(tiers))
    setup = Setup(topics=topics, installation=installation, actions=actions(), owner=any_owner)
    headers = tuple((MARKS | {name.replace("_", "-"): value for name, value in marks.items()}).items())
    record = thin_record(topic=next(iter(topics.retries)), headers=headers, timestamp=DUE - 1_000)
    return thin_waits.waits(setup, record, DUE, now_ms)


@pytest.mark.parametrize(
    ("tiers", "turn_ms", "until_ms"),
    [
        ("1s,30s", 20_000, 20_000 - TURN_LEAD_MS),
        ("1s,30s", 90, 0),
        ("1s,30s", 40_000, 29_000 - TURN_LEAD_MS),
        ("1s", 8_000_000, thin_waits.LOST_AFTER_MS - 600_000),
    ],
    ids=["its turn", "due later", "beyond the next tier", "beyond what those behind it wait for"],
)
def test_in_a_line_it_waits_for_its_turn(tiers: str, turn_ms: int, until_ms: int) -> None:
    turn = str(DUE + turn_ms).encode()
    assert waits(tiers, stripeline_turn_at=turn) == Waits(until_ms=DUE + until_ms, gate=("line", "acme", None))


def test_otherwise_it_waits_for_its_time() -> None:
    assert waits() == Waits(until_ms=DUE)
    assert waits(now_ms=DUE) is None
    assert waits(now_ms=DUE, stripeline_turn_at=b"9000000") is None
