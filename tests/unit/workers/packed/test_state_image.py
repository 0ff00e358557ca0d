"""The image of a state, loaded into a new one, is that state: whatever a state keeps is in it."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripeline.contracts.internal_records import LedgerCommand, LedgerQueue
from stripeline.contracts.operator.spending import Spending, SpentMinute
from stripeline.workers.executor.ledger import Ledger
from stripeline.workers.packed.packed_rows import PackedRows
from stripeline.workers.packed.state_image import load_pieces, pieces
from stripeline.workers.router.run_state import Runs
from tests.support.small_blocks import small_blocks
from tests.unit.workers.router.test_run_state import KINDS

IDS = [f"c{number}" for number in range(12)]
_changes = st.one_of(
    st.tuples(
        st.sampled_from([f"command/{name}" for name in IDS]),
        st.none()
        | st.builds(
            LedgerCommand, status=st.sampled_from(["waiting", "succeeded", "failed"]), digest=st.just("d"),
            revision=st.integers(0, 9), at_ms=st.just(7),
        ),
    ),
    st.tuples(
        st.sampled_from(["queue/a", "queue/b"]),
        st.none() | st.builds(LedgerQueue, head=st.integers(0, 9), tail=st.integers(9, 20), due_ms=st.just(7)),
    ),
    st.tuples(st.just("spent/acme"), st.none() | st.just(Spending(minutes=(SpentMinute(since_ms=60_000, count=2),)))),
)  # fmt: skip


def reloaded(state):
    new = type(state)()
    load_pieces(new, io.BytesIO(b"".join(pieces(state.image()))).read)
    return new


def facts(state):
    """All that a state keeps, by attribute: an attribute that an image leaves out is found here."""
    kept = {name: value for name, value in vars(state).items() if name != "reserved"}  # that is of calls under way
    for name, value in kept.items():
        if isinstance(value, PackedRows):
            kept[name] = value.oldest(1_000)
        elif isinstance(value, dict):
            kept[name] = list(value.items())
    return kept


@given(st.lists(_changes, max_size=60))
def test_a_ledger_is_the_same_after_its_image_is_loaded(changes):
    ledger = Ledger()
    with pytest.MonkeyPatch.context() as patch:
        small_blocks(patch)
        for key, record in changes:
            ledger.apply(key, record)
        new = reloaded(ledger)
        assert facts(new) == facts(ledger)
        assert [new.known(name) for name in IDS] == [ledger.known(name) for name in IDS]
        assert new.sizes == ledger.sizes


@given(st.lists(st.tuples(st.sampled_from(IDS), st.sampled_from(sorted(KINDS))), max_size=60))
def test_runs_are_the_same_after_their_image_is_loaded(changes):
    runs = Runs()
    with pytest.MonkeyPatch.context() as patch:
        small_blocks(patch)
        for key, kind in changes:
            runs.apply(key, KINDS[kind])
        new = reloaded(runs)
        assert facts(new) == facts(runs)
        assert [new.knows(name) for name in IDS] == [runs.knows(name) for name in IDS]


def test_an_image_is_of_the_moment_at_which_it_was_made(monkeypatch):
    small_blocks(monkeypatch)
    ledger, expected = Ledger(), Ledger()
    ended = LedgerCommand(status="succeeded", digest="d", revision=0, at_ms=7)
    for number in range(20):
        for state in (ledger, expected):
            state.apply(f"command/{number}", ended)
    image = ledger.image()
    for number in range(0, 20, 2):
        ledger.apply(f"command/{number}", None)
        ledger.apply(f"command/new-{number}", LedgerCommand(status="waiting", digest="d", revision=0, at_ms=7))
    new = Ledger()
    load_pieces(new, io.BytesIO(b"".join(pieces(image))).read)
    assert facts(new) == facts(expected)
