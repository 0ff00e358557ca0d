"""The broker's clock goes on between two appends, and a host's wrong clock changes nothing."""

import time

import pytest
from structlog.testing import capture_logs

from stripeline.workers.kafka.broker_clock import BrokerClock, elapsed_s


class Host:
    def __init__(self, wall_s=1_000.0, monotonic_s=50.0):
        self.wall_s, self.monotonic_s = wall_s, monotonic_s
        self.clock = BrokerClock(wall=lambda: self.wall_s, monotonic=lambda: self.monotonic_s)

    def goes_on(self, seconds):
        self.wall_s += seconds
        self.monotonic_s += seconds

    def appends(self, appended_ms, took_s=0.0):
        sent_s = self.monotonic_s
        self.goes_on(took_s)
        self.clock.observe(appended_ms, sent_s)


def test_before_the_first_append_it_is_the_hosts_and_not_known():
    host = Host()
    host.goes_on(2.5)
    assert (host.clock.now_ms(), host.clock.skew_ms, host.clock.known) == (1_002_500, 0, False)
    host.appends(1_002_500)
    assert host.clock.known


def test_after_an_append_it_runs_from_the_brokers_time():
    host = Host()
    host.appends(900_000, took_s=0.1)
    assert host.clock.now_ms() == 900_000
    host.goes_on(3)
    assert host.clock.now_ms() == 903_000
    assert host.clock.skew_ms == 100_100


def test_a_jump_of_the_hosts_clock_changes_nothing():
    host = Host()
    host.appends(1_000_000)
    host.wall_s += 86_400
    assert (host.clock.now_ms(), host.clock.skew_ms) == (1_000_000, 86_400_000)


@pytest.mark.parametrize(("took_s", "now_ms"), [(1.0, 500_000), (1.5, 1_001_500)])
def test_a_slow_answer_does_not_set_a_known_clock(took_s, now_ms):
    host = Host()
    host.appends(1_000_000)
    host.appends(500_000, took_s)
    assert host.clock.now_ms() == now_ms


@pytest.mark.parametrize(("took_s", "known"), [(1.5, True), (20.0, True), (20.5, False)])
def test_a_first_append_may_take_longer_but_not_for_ever(took_s, known):
    """A process that was stopped in the middle of it would otherwise begin hours behind."""
    host = Host()
    host.appends(500_000, took_s)
    assert host.clock.known is known
    assert (host.clock.now_ms() == 500_000) is known


def test_time_in_which_the_host_was_suspended_counts():
    assert elapsed_s() >= time.monotonic() - 1


@pytest.mark.parametrize("broker_ahead_ms", [-60_001, 60_001])
def test_a_wrong_clock_is_reported_once_until_it_was_right_again(broker_ahead_ms):
    host = Host()
    wrong_ms = 1_000_000 + broker_ahead_ms
    with capture_logs() as logs:
        for appended_ms in (wrong_ms, wrong_ms, 1_000_000, 1_060_000, wrong_ms):
            host.appends(appended_ms)
    assert [log["event"] for log in logs] == ["clock_skew"] * 2
    assert {log["skew_ms"] for log in logs} == {-broker_ahead_ms}
