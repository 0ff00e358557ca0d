"""The retry schedule, and what keeps it below the horizon of Stripe's idempotency keys."""

import re
from itertools import accumulate

import pytest

from stripeline.contracts import retry_tiers
from stripeline.contracts.retry_tiers import (
    DEFAULT_TIERS,
    HORIZON_MS,
    WINDOW_MS,
    covering,
    parse_duration_ms,
    parse_tiers,
    tier_for,
)

TIERS = parse_tiers(DEFAULT_TIERS)
SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000


def test_the_schedule():
    assert [(tier.name, tier.topic, tier.delay_ms) for tier in TIERS] == [
        ("5s", "action-retry.5s", 5 * SECOND),
        ("30s", "action-retry.30s", 30 * SECOND),
        ("2m", "action-retry.2m", 2 * MINUTE),
        ("10m", "action-retry.10m", 10 * MINUTE),
        ("1h", "action-retry.1h", HOUR),
    ]


def test_the_table_in_the_documentation_is_the_schedule():
    rows = re.findall(r"^\| +(\d) \| (\w*) +\| (.+?) +\|$", retry_tiers.__doc__, re.MULTILINE)
    assert [name for _, name, _ in rows] == ["", *(tier.name for tier in TIERS)]
    sums = [sum(parse_duration_ms(part.replace("min", "m").replace(" ", "")) for part in re.findall(r"\d+ \w+", since))
            for _, _, since in rows]  # fmt: skip
    assert sums == list(accumulate((tier.delay_ms for tier in TIERS), initial=0))


def test_all_tiers_end_before_the_horizon_and_stripes_day():
    assert sum(tier.delay_ms for tier in TIERS) < HORIZON_MS < 24 * HOUR
    assert WINDOW_MS == 30 * 24 * HOUR


@pytest.mark.parametrize(
    ("text", "delay_ms"),
    [("5s", 5_000), ("250ms", 250), ("2m", 120_000), ("1h", 3_600_000), (" 5s ", 5_000), ("0s", 0), ("05s", 5_000)],
)
def test_a_duration(text, delay_ms):
    assert parse_duration_ms(text) == delay_ms


@pytest.mark.parametrize(
    "text", ["", "5", "s", "5 s", "-5s", "5.5s", "1d", "5S", "5s5s", "1234567890s", "٣s", "5s\n5s", "1e3s"]
)
def test_what_is_no_duration_is_told_how_to_write_one(text):
    with pytest.raises(ValueError, match="a number and a unit, like 5s"):
        parse_duration_ms(text)


@pytest.mark.parametrize(
    ("text", "names"), [("1s", ["1s"]), (" 1s , 2s ,", ["1s", "2s"]), ("999ms,1s", ["999ms", "1s"])]
)
def test_tiers(text, names):
    assert [tier.name for tier in parse_tiers(text)] == names


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "one or more durations"),
        (" , ", "one or more durations"),
        ("0s", "one or more durations"),
        ("0s,5s", "one or more durations"),
        ("5s,5s", "longer than the one before"),
        ("60s,1m", "longer than the one before"),
        ("30s,5s", "longer than the one before"),
        ("23h", "forgets an idempotency key"),
        ("1h,22h", "forgets an idempotency key"),
        ("5s,soon", "is not a duration"),
    ],
)
def test_tiers_that_can_not_be(text, says):
    with pytest.raises(ValueError, match=says):
        parse_tiers(text)


def test_tiers_just_below_the_horizon():
    assert sum(tier.delay_ms for tier in parse_tiers("1h,21h")) == 22 * HOUR


@pytest.mark.parametrize(
    ("attempt", "at_least_ms", "name"),
    [
        (1, 0, "5s"), (2, 0, "30s"), (5, 0, "1h"), (6, 0, None), (7, 0, None), (6, HOUR, None),
        (1, 5_000, "5s"), (1, 5_001, "30s"), (1, 11 * MINUTE, "1h"), (1, 24 * HOUR, "1h"), (3, 1, "2m"),
        (5, 24 * HOUR, "1h"),
    ],
)  # fmt: skip
def test_the_next_tier_is_the_schedules_or_one_that_covers(attempt, at_least_ms, name):
    tier = tier_for(TIERS, attempt=attempt, at_least_ms=at_least_ms)
    assert (None if tier is None else tier.name) == name


@pytest.mark.parametrize(
    ("wait_ms", "name"), [(-5, "5s"), (0, "5s"), (5_000, "5s"), (5_001, "30s"), (HOUR, "1h"), (9 * HOUR, "1h")]
)
def test_the_smallest_tier_that_covers_a_wait(wait_ms, name):
    assert covering(TIERS, wait_ms).name == name
