"""The rolling hour: what counts, and for how long."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripeline.contracts.limits import HOUR_MS
from stripeline.contracts.operator.spending import Spending, SpentMinute
from stripeline.workers.brakes.rolling_hour import MINUTE_MS, NOTHING, Cost, is_over, of_seconds, total, with_cost

NOON = 1_800_000_000_000 - 1_800_000_000_000 % MINUTE_MS


def test_costs_of_a_minute_are_one_entry() -> None:
    spent = with_cost(with_cost(NOTHING, Cost("eur", 5), NOON), Cost("usd", 7), NOON + 59_999)
    spent = with_cost(with_cost(spent, Cost("eur", 1), NOON + 59_999), Cost(), NOON + MINUTE_MS)
    assert spent.minutes == (
        SpentMinute(since_ms=NOON, count=3, amount={"eur": 6, "usd": 7}),
        SpentMinute(since_ms=NOON + MINUTE_MS, count=1),
    )
    found = total([spent, spent], NOON + MINUTE_MS)
    assert (found.count, found.amount) == (8, {"eur": 12, "usd": 14})


@pytest.mark.parametrize(("later_ms", "counts"), [(0, 1), (HOUR_MS, 1), (HOUR_MS + MINUTE_MS - 1, 1)])
def test_a_minute_counts_until_all_of_it_is_an_hour_ago(later_ms: int, counts: int) -> None:
    spent = with_cost(NOTHING, Cost(), NOON + 10)
    assert total([spent], NOON + later_ms).count == counts
    assert not is_over(spent, NOON + later_ms)
    over_ms = NOON + HOUR_MS + MINUTE_MS
    assert (total([spent], over_ms).count, is_over(spent, over_ms)) == (0, True)
    assert len(with_cost(spent, Cost(), over_ms).minutes) == 1  # what is over is not kept


def test_what_began_before_a_release_counts_no_more() -> None:
    before = with_cost(NOTHING, Cost("eur", 5), NOON + 1_000)
    released_ms = NOON + 2_000
    assert total([before], NOON + 3_000, released_ms).count == 0
    after = with_cost(before, Cost("eur", 7), NOON + 3_000, released_ms)
    assert total([after], NOON + 3_000, released_ms).amount == {"eur": 7}


def test_a_release_ahead_of_our_clock_forgets_nothing_new() -> None:
    spent = with_cost(NOTHING, Cost(), NOON, NOON + 500)
    assert total([spent], NOON, NOON + 500).count == 1


def test_seconds_become_minutes_that_a_release_parts() -> None:
    second = NOON // 1000
    seconds = {second: 3, second + 1: 2, second + 70: 1}
    assert of_seconds(seconds, 0).minutes == (
        SpentMinute(since_ms=NOON, count=5),
        SpentMinute(since_ms=NOON + MINUTE_MS, count=1),
    )
    parted = of_seconds(seconds, NOON + 1_500)
    assert [(one.since_ms, one.count) for one in parted.minutes] == [
        (NOON, 3), (NOON + 1_500, 2), (NOON + MINUTE_MS, 1),
    ]  # fmt: skip
    assert total([parted], NOON, NOON + 1_500).count == 3


@given(st.lists(st.tuples(st.integers(0, 3 * HOUR_MS), st.integers(0, 50)), max_size=60), st.integers(0, 3 * HOUR_MS))
def test_nothing_within_the_hour_is_forgotten(begun: list[tuple[int, int]], released: int) -> None:
    spent, released_ms = NOTHING, NOON + released
    for at, amount in sorted(begun):
        spent = with_cost(spent, Cost("eur", amount), NOON + at, released_ms if at >= released else 0)
    now_ms = NOON + max((at for at, _ in begun), default=0)
    within = [amount for at, amount in begun if now_ms - HOUR_MS < NOON + at and at >= released]
    before_ms = now_ms - HOUR_MS - MINUTE_MS
    at_most = [amount for at, amount in begun if before_ms < NOON + at and at >= released]
    if now_ms >= released_ms:
        found = total([spent], now_ms, released_ms)
        assert sum(within) <= found.amount.get("eur", 0) <= sum(at_most)
        assert len(within) <= found.count <= len(at_most)


def test_spending_without_minutes_is_over() -> None:
    assert is_over(Spending(minutes=()), NOON)
