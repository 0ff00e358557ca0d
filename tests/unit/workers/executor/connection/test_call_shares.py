"""Calls under way by account: half of the slots at most beside others, an equal share where few are left."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripeline.workers.executor.connection import call_shares
from stripeline.workers.executor.connection.call_shares import ACTIVE_MS, CallShares
from stripeline.workers.task.waiting.waiting_room import MANY

NOW = 1_000_000
A, B, C = ("acme", None), ("acme", "acct_1"), ("beta", None)


def busy(shares: CallShares, account, calls: int, partition: int = 0) -> int:
    """How many of these calls begin."""
    begun = 0
    while begun < calls and shares.asks(account, NOW):
        shares.began(partition, account)
        begun += 1
    return begun


def test_one_that_is_alone_has_all_slots():
    shares = CallShares(16)
    assert busy(shares, A, 100) == 100
    assert shares.allowed(A, NOW) == MANY


def test_beside_another_it_has_half_of_them():
    shares = CallShares(16)
    busy(shares, B, 1)
    assert busy(shares, A, 100) == 8
    assert shares.allowed(B, NOW) == 7
    shares.ended(0, A)
    assert (shares.allowed(A, NOW), busy(shares, A, 100)) == (1, 1)


def test_where_few_are_left_each_has_an_equal_share():
    shares = CallShares(16)
    for account in (A, B, C):
        shares.asks(account, NOW)
    assert [busy(shares, account, 100) for account in (A, B)] == [8, 6]
    assert shares.allowed(C, NOW) == 5
    assert shares.allowed(A, NOW) == 0


def test_each_may_have_one_call_whatever_the_share():
    shares = CallShares(1)
    busy(shares, A, 1)
    assert busy(shares, C, 2) == 1


def test_who_has_not_called_for_long_has_no_share():
    shares = CallShares(16)
    busy(shares, B, 1)
    assert shares.allowed(A, NOW + ACTIVE_MS - 1) == 8
    assert shares.allowed(A, NOW + ACTIVE_MS) == MANY


def test_a_clock_that_was_put_back_leaves_no_share_behind():
    shares = CallShares(16)
    shares.asks(B, NOW + 10 * ACTIVE_MS)
    assert shares.allowed(A, NOW) == MANY


def test_the_accounts_are_bounded(monkeypatch):
    monkeypatch.setattr(call_shares, "MAX_ACTIVE", 3)
    shares = CallShares(16)
    for number in range(100):
        shares.asks(("acme", f"acct_{number}"), NOW)
    assert len(shares._active) == 3


def test_calls_of_a_task_that_ended_count_no_more():
    shares = CallShares(16)
    shares.asks(C, NOW)
    busy(shares, A, 4, partition=1)
    busy(shares, A, 4, partition=2)
    assert shares.allowed(A, NOW) == 0
    shares.calls_cut_short(1)
    assert shares.allowed(A, NOW) == 4
    shares.ended(1, A)
    assert shares.allowed(A, NOW) == 4


@pytest.mark.parametrize("partitions", [1, 3])
@given(
    st.lists(
        st.tuples(st.sampled_from(["begin", "end", "cut"]), st.integers(0, 2), st.sampled_from([A, B, C])),
        max_size=60,
    )
)
def test_the_count_is_what_is_under_way(partitions, steps):
    shares, under_way = CallShares(1 << 20), []
    for step, at, account in steps:
        partition = at % partitions
        match step:
            case "begin":
                shares.began(partition, account)
                under_way.append((partition, account))
            case "end" if (partition, account) in under_way:
                shares.ended(partition, account)
                under_way.remove((partition, account))
            case "cut":
                shares.calls_cut_short(partition)
                under_way = [one for one in under_way if one[0] != partition]
    for account in (A, B, C):
        shares.asks(account, NOW)
    for account in (A, B, C):
        assert (1 << 19) - shares.allowed(account, NOW) == sum(of == account for _, of in under_way)
