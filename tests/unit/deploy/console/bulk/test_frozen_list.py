"""What a frozen list comes to, and what it keeps of a command's money."""

from typing import Any

import pytest

from stripeline.contracts.retry_tiers import HORIZON_MS
from stripeline.deploy.console.bulk.frozen_list import FrozenItem, money_of, read_items, summary, written

NOW_MS = 10 * HORIZON_MS
HOUR = 3_600_000


def item(number: int, **fields: Any) -> FrozenItem:
    return FrozenItem(**({"id": f"1/{number}", "does": True, "outcome": "is sent again"} | fields))


def test_money_is_summed_by_currency_of_what_is_acted_on() -> None:
    items = [
        item(1, amount=100, currency="eur"), item(2, amount=50, currency="eur"), item(3, amount=7, currency="jpy"),
        item(4, amount=900, currency="eur", does=False), item(5),
    ]  # fmt: skip
    assert summary(items, NOW_MS).money == {"eur": (2, 150), "jpy": (1, 7)}


def test_the_23_hours_are_counted_to_the_millisecond() -> None:
    ends = {"past": NOW_MS, "soon": NOW_MS + 1, "last_soon": NOW_MS + 3 * HOUR, "later": NOW_MS + 3 * HOUR + 1}
    found = summary([item(1, first_ms=end - HORIZON_MS) for end in ends.values()], NOW_MS)
    assert (found.passed, found.soon) == (1, 2)
    assert summary([item(1, first_ms=0, does=False)], NOW_MS).passed == 0


def test_outcomes_are_counted_acted_on_first() -> None:
    items = [item(1, does=False, outcome="it is settled"), item(2), item(3, code="X"), item(4, code="X")]
    assert summary(items, NOW_MS).outcomes == (
        (True, "is sent again", "X", 2), (True, "is sent again", None, 1), (False, "it is settled", None, 1)
    )  # fmt: skip


def test_what_may_have_been_done_counts_where_it_is_acted_on() -> None:
    found = summary([item(1, doubt=True), item(2, doubt=True, does=False), item(3)], NOW_MS)
    assert (found.total, found.acting, found.doubtful) == (3, 2, 1)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"amount": 100, "currency": "EUR"}, {"amount": 100, "currency": "eur"}),
        ({"amount": True, "currency": "eur"}, {}),
        ({"amount": -1, "currency": "eur"}, {}),
        ({"amount": 2**53, "currency": "eur"}, {}),
        ({"amount": "100", "currency": "eur"}, {}),
        ({"amount": 100, "currency": "<b>"}, {}),
        ({"amount": 100}, {}),
        (None, {}),
    ],
)
def test_only_an_amount_with_a_currency_is_money(value: dict[str, Any] | None, found: dict[str, Any]) -> None:
    assert money_of(value) == found


def test_a_list_is_read_as_it_was_written() -> None:
    items = (item(1, amount=1, currency="eur", doubt=True, first_ms=5, command_id="c", code="X", words="w"), item(2))
    assert read_items(written(items)) == items
