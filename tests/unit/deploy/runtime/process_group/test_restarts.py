"""What becomes of a process of a group that has ended, or does not answer."""

import pytest

from stripeline.deploy.runtime.process_group.restarts import LONGEST_S, SILENT_S, failures_now, is_silent, restart_in_s


@pytest.mark.parametrize(
    ("code", "was_ready", "failures", "again_s"),
    [
        (1, False, 1, None),  # it says itself that it can't start
        (70, False, 3, None),
        (-9, False, 1, 1.0),  # killed: it may be able to
        (1, True, 1, 1.0),
        (-9, True, 1, 1.0),
        (-9, True, 2, 2.0),
        (-9, True, 5, 16.0),
        (-9, True, 6, LONGEST_S),
        (-9, True, 10_000, LONGEST_S),
        (0, True, 1, 1.0),  # nobody asked it to end
    ],
)
def test_what_served_is_started_again_after_a_pause(code: int, was_ready: bool, failures: int, again_s: float | None):
    assert restart_in_s(code, was_ready=was_ready, failures=failures) == again_s


@pytest.mark.parametrize(("failures", "up_s", "now"), [(0, 0.1, 1), (3, 59.9, 4), (3, 60.0, 1)])
def test_a_long_life_ends_the_failures_in_a_row(failures: int, up_s: float, now: int):
    assert failures_now(failures, up_s) == now


def test_a_process_that_is_silent_for_long_is_killed():
    assert [is_silent(silent_s) for silent_s in (0, SILENT_S - 1, SILENT_S)] == [False, False, True]
