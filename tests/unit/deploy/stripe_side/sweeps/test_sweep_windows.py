"""Windows follow one another without a hole, are caught up in pieces, and end where Stripe's list ends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripeline.contracts.deliveries.delivery_vocabulary import SweepKind
from stripeline.contracts.operator.stripe_side_records import Sweep
from stripeline.deploy.stripe_side.sweeps import sweep_windows as windows
from stripeline.deploy.stripe_side.sweeps.sweep_windows import DAY_S, HOUR_S, LIST_S, MINUTE_S, SweepWindow

NOW_S = 1_800_057_600
"""The beginning of a day, by UTC."""


def sweep(settled_s: int, closed_s: int | None = None, account: str | None = None) -> Sweep:
    closed = settled_s if closed_s is None else closed_s
    return Sweep(account=account, mode="live", settled_upto_s=settled_s, closed_upto_s=closed, at_ms=0)


def test_a_settling_window_is_45_to_15_minutes_ago():
    known = sweep(NOW_S - 25 * MINUTE_S, NOW_S)
    assert windows.due(known, NOW_S) == SweepWindow(SweepKind.SETTLE, NOW_S - 45 * MINUTE_S, NOW_S - 15 * MINUTE_S - 1)
    assert windows.due(known, NOW_S - 1) is None


def test_a_closing_window_is_four_to_three_days_ago():
    known = sweep(NOW_S, NOW_S - 4 * DAY_S)
    found = windows.due(known, NOW_S)
    assert found == SweepWindow(SweepKind.CLOSE, NOW_S - 4 * DAY_S - 10 * MINUTE_S, NOW_S - 3 * DAY_S - 1)
    assert windows.due(known, NOW_S - 1) is None


def test_a_connection_that_begins_compares_nothing_older():
    known = windows.begun("acct_1", "live", NOW_S * 1000)
    assert windows.due(known, NOW_S + 20 * MINUTE_S - 1) is None
    first = windows.due(known, NOW_S + 20 * MINUTE_S)
    assert first is not None
    assert first.last_s >= NOW_S


def test_a_missed_window_is_caught_up_in_pieces():
    known, found = sweep(NOW_S - 2 * DAY_S, NOW_S), []
    while (window := windows.due(known, NOW_S)) is not None:
        found.append(window)
        known = windows.after(known, window, 0, 0)
    assert len(found) == 8 + 1
    assert all(one.last_s - one.first_s < 6 * HOUR_S for one in found)
    assert found[-1].last_s == NOW_S - 15 * MINUTE_S - 1


@pytest.mark.parametrize("kind", list(SweepKind))
def test_windows_of_all_connections_end_together(kind: SweepKind):
    rhythm = windows.RHYTHMS[kind]
    upto = [NOW_S - rhythm.behind - rhythm.every + ahead_s for ahead_s in (0, 1, 59, rhythm.every - 1)]
    sweeps = [sweep(at_s, NOW_S) if kind is SweepKind.SETTLE else sweep(NOW_S + DAY_S, at_s) for at_s in upto]
    for late_s in (0, 1, rhythm.every - 1):
        found = [windows.due(one, NOW_S + late_s) for one in sweeps]
        assert {one and (one.kind, one.last_s) for one in found} == {(kind, NOW_S - rhythm.behind - 1)}


def test_what_stripe_does_not_list_any_more_is_said():
    found = windows.due(sweep(NOW_S - 31 * DAY_S, NOW_S), NOW_S)
    assert found is not None
    assert found.first_s == NOW_S - LIST_S + HOUR_S
    assert found.lost_s == DAY_S + HOUR_S


def test_another_account_or_mode_begins_again():
    known = sweep(NOW_S - DAY_S, account="acct_1")
    assert windows.of_account(known, "acct_1", "live", NOW_S * 1000) is known
    assert windows.of_account(known, None, "live", NOW_S * 1000) is known
    assert windows.of_account(known, "acct_2", "live", NOW_S * 1000) == windows.begun("acct_2", "live", NOW_S * 1000)
    assert windows.of_account(None, "acct_2", "live", NOW_S * 1000) == windows.begun("acct_2", "live", NOW_S * 1000)
    assert windows.of_account(known, "acct_1", "test", NOW_S * 1000) == windows.begun("acct_1", "test", NOW_S * 1000)
    learned = windows.of_account(sweep(NOW_S), "acct_3", "live", NOW_S * 1000)
    assert (learned.account, learned.settled_upto_s) == ("acct_3", NOW_S)


def test_each_kind_of_window_has_its_own_place_and_count():
    known = windows.after(sweep(1, 2), SweepWindow(SweepKind.SETTLE, 1, 9), 3, 77)
    assert (known.settled_upto_s, known.closed_upto_s, known.settled_missing, known.missing) == (10, 2, 3, 0)
    known = windows.after(known, SweepWindow(SweepKind.CLOSE, 1, 19), 4, 78)
    assert (known.settled_upto_s, known.closed_upto_s, known.settled_missing, known.missing) == (10, 20, 3, 4)


def test_how_overdue_a_sweep_is_counts_from_its_window():
    assert windows.overdue_s(sweep(NOW_S - 25 * MINUTE_S, NOW_S - 3 * DAY_S - 26 * HOUR_S), NOW_S) == {
        "settle": 10 * MINUTE_S, "close": 26 * HOUR_S,
    }  # fmt: skip
    assert windows.overdue_s(sweep(NOW_S), NOW_S) == {"settle": 0, "close": 0}


@pytest.mark.parametrize("kind", list(SweepKind))
@given(st.lists(st.integers(1, 10 * DAY_S), min_size=1, max_size=40))
def test_no_second_is_left_out_whenever_sweeps_run(kind: SweepKind, pauses: list[int]):
    known, now_s, seen_upto_s = sweep(NOW_S), NOW_S, NOW_S
    for pause_s in pauses:
        now_s += pause_s
        while (window := windows.due(known, now_s)) is not None:
            known = windows.after(known, window, 0, 0)
            if window.kind == kind:
                assert window.first_s <= seen_upto_s + window.lost_s
                assert window.first_s <= window.last_s
                seen_upto_s = window.last_s + 1
        behind_s = windows.RHYTHMS[kind].behind + windows.RHYTHMS[kind].every
        assert seen_upto_s > now_s - behind_s or seen_upto_s == NOW_S
