"""How often somebody may try to sign in, held against a count of attempts in every window."""

from hypothesis import given
from hypothesis import strategies as st

from stripeline.deploy.console.auth.sign_in_limit import SignInLimit


def test_ten_at_once_then_one_in_six_seconds() -> None:
    limit = SignInLimit()
    assert [limit.attempt("192.0.2.1", 100.0) for _ in range(10)] == [0.0] * 10
    assert limit.attempt("192.0.2.1", 100.0) == 6
    assert limit.attempt("192.0.2.2", 100.0) == 0
    assert limit.attempt("192.0.2.1", 105.9) > 0
    assert limit.attempt("192.0.2.1", 106.0) == 0


def test_an_attempt_that_signs_in_costs_nothing() -> None:
    limit = SignInLimit()
    for _ in range(100):
        assert limit.attempt("192.0.2.1", 1.0) == 0
        limit.succeeded("192.0.2.1")


def test_many_addresses_share_the_total() -> None:
    limit = SignInLimit()
    assert sum(limit.attempt(f"192.0.2.{number}", 1.0) == 0 for number in range(200)) == 60


def test_a_network_of_ipv6_is_one_address() -> None:
    limit = SignInLimit()
    assert sum(limit.attempt(f"2001:db8::{number:x}", 1.0) == 0 for number in range(20)) == 10
    assert limit.attempt("2001:db8:0:1::1", 1.0) == 0
    assert sum(limit.attempt(peer, 1.0) == 0 for peer in ["::ffff:192.0.2.9", "192.0.2.9"] * 10) == 10


def test_it_forgets_addresses_and_stays_small() -> None:
    limit = SignInLimit()
    for number in range(10_000):
        limit.attempt(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", number * 2.0)
    assert len(limit._addresses) == 4_096


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), st.floats(0, 20)), max_size=200))
def test_no_window_has_more_than_the_burst_and_its_pace(steps: list[tuple[str, float]]) -> None:
    limit, now_s, passed = SignInLimit(), 0.0, []
    for peer, gap_s in steps:
        now_s += gap_s
        wait_s = limit.attempt(peer, now_s)
        if wait_s == 0:
            passed.append((peer, now_s))
        else:
            assert 0 < wait_s <= 60
    for peer in "abc":
        times = [at_s for one, at_s in passed if one == peer]
        for first, start_s in enumerate(times):
            for last in range(first, len(times)):
                assert last - first + 1 <= 10 + (times[last] - start_s) / 6 + 1e-6
