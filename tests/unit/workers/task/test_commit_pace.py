"""Commits of many tasks: as often as is set while Kafka keeps up, and at a bearable rate where it does not."""

import heapq

import pytest

from stripeline.workers.task.commit_pace import MOST_PER_S, CommitPace

INTERVAL_S, FAST_S, SLOW_S = 0.05, 0.01, 0.06


def commits_of(pace: CommitPace, tasks: int, took_s: float, seconds: float, every_s: float = 0.001) -> list[float]:
    """When tasks commit that have a record every so often, each; and as soon as it may."""
    due = [(number * every_s / tasks, number) for number in range(tasks)]
    times: list[float] = []
    while due[0][0] < seconds:
        at_s, number = heapq.heappop(due)
        pace.committed(at_s + took_s, took_s)
        times.append(at_s + took_s)
        heapq.heappush(due, (at_s + took_s + max(every_s, pace.rest_s), number))
    return times


def rate_of(times: list[float]) -> float:
    return len([at_s for at_s in times if 10 < at_s <= 20]) / 10


@pytest.mark.parametrize(("tasks", "rate"), [(16, MOST_PER_S), (64, 64 / (0.5 + SLOW_S))])
def test_slow_commits_of_many_tasks_are_bounded(tasks, rate):
    assert rate_of(commits_of(CommitPace(INTERVAL_S), tasks, SLOW_S, 20.0)) == pytest.approx(rate, rel=0.15)


@pytest.mark.parametrize(("tasks", "took_s"), [(4, FAST_S), (64, FAST_S), (1, SLOW_S), (4, 0.15)])
def test_the_interval_holds_where_commits_are_fast_or_few(tasks, took_s):
    pace = CommitPace(INTERVAL_S)
    assert rate_of(commits_of(pace, tasks, took_s, 20.0)) == pytest.approx(tasks / (INTERVAL_S + took_s), rel=0.05)
    assert pace.rest_s == INTERVAL_S


def test_work_that_comes_singly_waits_for_no_other_task():
    pace = CommitPace(INTERVAL_S)
    commits_of(pace, 16, SLOW_S, 20.0, every_s=0.5)
    assert pace.rest_s == INTERVAL_S


def test_when_kafka_keeps_up_again_the_interval_holds_again():
    pace = CommitPace(INTERVAL_S)
    commits_of(pace, 16, SLOW_S, 5.0)
    assert pace.rest_s > 4 * INTERVAL_S
    for number in range(6):
        pace.committed(10.0 + number, FAST_S)
    assert pace.rest_s == INTERVAL_S


def test_an_interval_beyond_the_longest_rest_stays():
    pace = CommitPace(1.0)
    commits_of(pace, 500, SLOW_S, 10.0)
    assert pace.rest_s == 1.0
