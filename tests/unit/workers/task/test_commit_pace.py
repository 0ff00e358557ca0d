"""Commits of many tasks: as often as is set while they are few, and at a bearable rate when they are many."""

import heapq

import pytest

from stripeline.workers.task.commit_pace import MOST_PER_S, CommitPace

INTERVAL_S, COMMIT_S = 0.05, 0.005


def commits_of(pace: CommitPace, tasks: int, every_s: float, seconds: float) -> list[float]:
    """When tasks commit that have a record every so often, each; and as soon as it may."""
    due = [(number * every_s / tasks, number) for number in range(tasks)]
    times: list[float] = []
    while due[0][0] < seconds:
        at_s, number = heapq.heappop(due)
        pace.committed(at_s + COMMIT_S)
        times.append(at_s + COMMIT_S)
        heapq.heappush(due, (at_s + COMMIT_S + max(every_s, pace.rest_s), number))
    return times


@pytest.mark.parametrize(("tasks", "rate"), [(1, 18), (4, 73), (16, 100), (64, 128)])
def test_busy_tasks_commit_at_a_bearable_rate(tasks, rate):
    times = commits_of(CommitPace(INTERVAL_S), tasks, 0.001, 20.0)
    assert len([at_s for at_s in times if at_s > 10]) / 10 == pytest.approx(rate, rel=0.15)


def test_work_that_comes_singly_waits_for_no_other_task():
    pace = CommitPace(INTERVAL_S)
    commits_of(pace, 16, 0.25, 20.0)
    assert pace.rest_s == INTERVAL_S


def test_after_a_burst_the_interval_holds_again():
    pace = CommitPace(INTERVAL_S)
    commits_of(pace, 16, 0.001, 5.0)
    assert pace.rest_s > 2 * INTERVAL_S
    for number in range(8):
        pace.committed(10.0 + number)
    assert pace.rest_s == INTERVAL_S


@pytest.mark.parametrize(("interval_s", "rate"), [(0.02, 250), (0.2, MOST_PER_S)])
def test_a_shorter_interval_gets_more_transactions(interval_s, rate):
    times = commits_of(CommitPace(interval_s), 40, 0.001, 20.0)
    assert len([at_s for at_s in times if at_s > 10]) / 10 == pytest.approx(rate, rel=0.2)


def test_an_interval_beyond_the_longest_rest_stays():
    pace = CommitPace(1.0)
    commits_of(pace, 500, 0.001, 10.0)
    assert pace.rest_s == 1.0
