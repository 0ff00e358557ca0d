"""When Stripe fails every call of an account, one call at a time tries it."""

import pytest

from stripeline.workers.executor.connection.key_breaker import PROBE_LOST_MS
from stripeline.workers.executor.connection.outage import MIN_CALLS, MIN_COMMANDS, MIN_MS, PROBE_MAX_MS, Outage
from stripeline.workers.executor.connection.rate_gate import Hold, Pass
from stripeline.workers.executor.stripe_answer import Succeeded
from stripeline.workers.task.waiting.waiting_room import MANY
from tests.unit.workers.executor.connection.test_rate_gate import NOW, Facts, failure

DONE = Succeeded(output={})


def failing(calls: int, commands: int, over_ms: int = 0) -> Outage:
    outage = Outage()
    for number in range(calls):
        outage.failed(f"c{number % commands}", NOW + over_ms * number // max(calls - 1, 1))
    return outage


@pytest.mark.parametrize(
    ("calls", "commands", "over_ms", "is_open"),
    [
        (MIN_CALLS, MIN_COMMANDS, 0, True),
        (MIN_CALLS - 1, MIN_COMMANDS, 0, False),
        (MIN_COMMANDS, MIN_COMMANDS, MIN_MS, True),
        (MIN_COMMANDS, MIN_COMMANDS, MIN_MS - 1, False),
        (1_000, MIN_COMMANDS - 1, 10 * MIN_MS, False),
    ],
    ids=["many calls", "too few calls", "for long", "not for long enough", "too few commands"],
)
def test_an_outage_is_of_many_commands_none_of_which_is_answered(calls, commands, over_ms, is_open):
    assert failing(calls, commands, over_ms).open is is_open


def test_any_answer_ends_it():
    outage = failing(MIN_CALLS, MIN_COMMANDS)
    outage.answered()
    assert (outage.open, outage.wait_ms(NOW)) == (False, 0)
    outage.failed("c1", NOW)
    assert not outage.open


def test_the_calls_that_try_it_are_further_and_further_apart():
    outage, now, waits = failing(MIN_CALLS, MIN_COMMANDS), NOW, []
    for _ in range(8):
        waits.append(outage.wait_ms(now))
        now += waits[-1]
        assert outage.wait_ms(now) == 0
        outage.goes_on(now)
    assert waits == [1_000, 2_000, 4_000, 8_000, 16_000, PROBE_MAX_MS, PROBE_MAX_MS, PROBE_MAX_MS]


def test_calls_that_were_under_way_when_it_began_change_nothing():
    outage = failing(MIN_CALLS, MIN_COMMANDS)
    outage.failed("late", NOW + 900)
    assert outage.wait_ms(NOW + 900) == 100


def test_a_call_that_never_came_back_is_followed_by_another():
    outage = failing(MIN_CALLS, MIN_COMMANDS)
    outage.probing_ms = NOW + 1_000
    assert outage.wait_ms(NOW + 1_001) > 0
    assert outage.wait_ms(NOW + 1_000 + PROBE_LOST_MS) == 0


def down(facts: Facts, account=None) -> None:
    for number in range(MIN_CALLS):
        permit = facts.ask(account=account)
        facts.gate.observe("acme", "/v1/customers", failure(500), permit, NOW, account, of=f"c{number}")


class TestGate:
    def test_one_call_tries_it_and_the_others_wait(self):
        facts = Facts()
        down(facts)
        held = facts.ask()
        assert isinstance(held, Hold)
        assert (held.wait_ms, held.closed, facts.gate.lets("acme", None, NOW)) == (1_000, True, 0)
        assert facts.gate.lets("acme", None, NOW + 1_000) == 1
        permit = facts.ask(NOW + 1_000)
        assert isinstance(permit, Pass)
        assert permit.probe
        assert (facts.gate.lets("acme", None, NOW + 1_001), isinstance(facts.ask(NOW + 1_001), Hold)) == (0, True)

    def test_a_probe_that_fails_is_followed_by_a_longer_wait(self):
        facts = Facts()
        down(facts)
        facts.gate.observe("acme", "/v1/customers", failure(500), facts.ask(NOW + 1_000), NOW + 1_100, of="c1")
        assert facts.ask(NOW + 1_100).wait_ms == 2_000

    @pytest.mark.parametrize("says_nothing", [failure(429), failure(500)], ids=["429", "500 of no command"])
    def test_what_says_nothing_of_stripe_changes_nothing(self, says_nothing):
        facts = Facts()
        for _ in range(2 * MIN_CALLS):
            facts.observe(says_nothing, facts.ask())
        assert facts.gate.lets("acme", None, NOW) == MANY
        down(facts)
        permit = facts.ask(NOW + 1_000)
        facts.observe(says_nothing, permit, NOW + 1_100)
        assert facts.ask(NOW + 1_200).wait_ms == 1_900

    def test_an_answer_lets_all_pass(self):
        facts = Facts()
        down(facts)
        facts.gate.observe("acme", "/v1/customers", failure(402), facts.ask(NOW + 1_000), NOW + 1_100, of="c1")
        assert (facts.gate.lets("acme", None, NOW + 1_100), facts.ask(NOW + 1_100)) == (MANY, Pass(key="k1"))

    def test_another_account_and_another_connection_go_on(self):
        facts = Facts()
        down(facts, account="acct_1")
        assert isinstance(facts.ask(account="acct_1"), Hold)
        assert facts.ask() == facts.ask(connection="other") == facts.ask(account="acct_2") == Pass(key="k1")

    def test_a_pause_lets_nothing_try(self):
        facts = Facts()
        down(facts)
        facts.pauses["acme"] = NOW
        assert facts.gate.lets("acme", None, NOW + 60_000) == 0
