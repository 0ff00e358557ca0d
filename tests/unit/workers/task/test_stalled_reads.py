"""A partition that is read no further, though there is more, is found; one that moves, or is at its end, is not."""

from stripeline.workers.task.stalled_reads import STALLED_AFTER_S, StalledReads


def test_only_what_stays_before_its_end_is_stalled() -> None:
    stalls: StalledReads[str] = StalledReads()
    first = {"stuck": (5, 9), "moves": (5, 9), "at its end": (9, 9), "never fetched": (0, None)}
    assert stalls.look(0.0, first) == []
    assert stalls.look(STALLED_AFTER_S - 1, {**first, "moves": (6, 9)}) == []
    assert stalls.look(STALLED_AFTER_S, {**first, "moves": (6, 9)}) == ["stuck", "never fetched"]


def test_one_that_was_not_looked_at_starts_again() -> None:
    stalls: StalledReads[str] = StalledReads()
    stalls.look(0.0, {"one": (5, 9)})
    stalls.look(1.0, {})
    assert stalls.look(STALLED_AFTER_S, {"one": (5, 9)}) == []
