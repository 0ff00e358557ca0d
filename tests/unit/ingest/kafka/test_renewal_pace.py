"""How often a producer may be replaced beside one that works."""

from stripeline.ingest.kafka.renewal_pace import BROKEN, STALLED, Pace, Renewals

PACE = Pace(first_s=1.0, longest_s=5.0)


def begun(renewals: Renewals, until_s: float, *, since_s: float = 0.0) -> list[float]:
    """When it is due, asked ten times a second."""
    steps = range(round(since_s * 10), round(until_s * 10))
    return [step / 10 for step in steps if renewals.due(step / 10)]


def test_the_first_is_due_at_once_and_pauses_double() -> None:
    assert begun(Renewals(PACE), 20) == [0.0, 1.0, 3.0, 7.0, 12.0, 17.0]


def test_the_pause_is_the_first_again_after_quiet() -> None:
    renewals = Renewals(PACE)
    begun(renewals, 20)
    assert begun(renewals, 43, since_s=40) == [40.0, 41.0]


def test_a_broken_producer_is_replaced_within_ten_seconds() -> None:
    assert BROKEN.longest_s <= 10
    assert STALLED.first_s >= 30  # no new producer a minute for partitions that are away for days
