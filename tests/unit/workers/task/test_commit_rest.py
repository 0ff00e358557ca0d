"""How long a task rests between two commits."""

import pytest

from stripeline.workers.task.commit_rest import rest_s

INTERVAL_S = 0.04


@pytest.mark.parametrize(
    ("busy_s", "rests_s"),
    [
        (0.0, 0.04),  # before the first one
        (0.002, 0.04),  # slow or not, Kafka was waited for
        (0.010, 0.04),
        (0.025, 0.1),  # a fifth of the time at most
        (0.2, 0.5),  # results are not held back for ever
    ],
)
def test_commits_take_a_fifth_of_a_busy_process_at_most(busy_s, rests_s):
    assert rest_s(INTERVAL_S, busy_s) == pytest.approx(rests_s)
