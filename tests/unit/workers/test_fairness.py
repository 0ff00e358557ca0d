"""A connection at its limit, or with slow calls, delays no other, and neither does a key with many commands.

In virtual time, on one partition: what is measured is what waits for what, without the cost of the work.
"""

from functools import cache

import pytest

from stripeline.contracts.definition_fields import Rate
from stripeline.workers.executor.connection.call_shares import CallShares
from stripeline.workers.executor.connection.rate_gate import RateGate
from tests.support.simulated_task import DONE, SimulatedTask

SLOTS = 64
WAITING = 2_000
SECONDS = 20
SLOW = "slow"


def gate(rate: float | None = None) -> RateGate:
    """One connection has a limit, the others have none."""
    return RateGate(
        limits=lambda name: Rate(account=rate) if name == SLOW else Rate(),
        share=lambda: 1.0, key=lambda _: None, refused=lambda *_: None, shares=CallShares(SLOTS),
    )  # fmt: skip


def world(rate: float | None = None, slow_ms: int = 100) -> SimulatedTask:
    def latency_ms(call) -> int:
        return slow_ms if call.command.connection == SLOW and call.command.account != "acct_quick" else 100

    return SimulatedTask(lambda *_: DONE, gate=gate(rate), concurrency=SLOTS, latency_ms=latency_ms)


def times_ms(of: SimulatedTask, names: list[str], **fields) -> list[int]:
    """How long commands take that are sent once a second, in order of size."""
    sent = {}
    for name in names:
        sent[name] = of.now_ms
        of.send(name, f"key of {name}".encode(), **fields)
        of.run_until(of.now_ms + 1_000)
    of.run_until(lambda: of.ended_ms.keys() >= sent.keys(), 600_000)
    return sorted(of.ended_ms[name] - at_ms for name, at_ms in sent.items())


NAMES = [f"b{number}" for number in range(SECONDS)]


@cache
def alone() -> int:
    return times_ms(world(), NAMES, connection="quick")[-1]


@pytest.mark.parametrize("keys", [WAITING, 50, 1])
@pytest.mark.parametrize("rate", [25, 100, 1_000])
def test_a_connection_at_its_limit_delays_no_other(rate, keys):
    of = world(rate)
    times_ms(of, ["b"], connection="quick")
    for number in range(WAITING):
        of.send(f"a{number}", f"k{number % keys}".encode(), connection=SLOW)
    of.run_until(of.now_ms + 1_000)
    assert times_ms(of, NAMES, connection="quick")[-1] <= 2 * alone()
    done = sum(name.startswith("a") for name in of.ended_ms)
    assert done >= 0.97 * min(WAITING, SECONDS * min(rate, 10 * min(keys, SLOTS // 2)))
    assert max(of.written.values()) <= 2


def test_what_is_in_line_is_decided_about_when_its_turn_comes():
    of, seconds = world(25), 150
    for number in range(8_000):
        of.send(f"a{number}", f"k{number}".encode(), connection=SLOW)
    of.run_until(of.now_ms + 2_000)
    before, most = of.decisions, 0
    for _ in range(seconds):
        second = of.decisions
        of.run_until(of.now_ms + 1_000)
        most = max(most, of.decisions - second)
    assert of.decisions - before <= 2 * 25 * seconds
    assert most <= 4 * 25
    assert max(of.written.values()) == 1


def test_a_limit_that_is_removed_holds_nothing():
    limits = {SLOW: Rate(account=25)}
    free = gate()
    free.limits = lambda name: limits.get(name, Rate())
    of = SimulatedTask(lambda *_: DONE, gate=free, concurrency=SLOTS)
    for number in range(WAITING):
        of.send(f"a{number}", f"k{number}".encode(), connection=SLOW)
    of.run_until(of.now_ms + 8_000)
    assert len(of.results) < 10 * 25
    limits.clear()
    of.run_until(lambda: len(of.results) == WAITING, 5_000)


def test_its_connected_accounts_do_not_delay_each_other():
    of = world(25)
    for number in range(WAITING):
        of.send(f"a{number}", f"k{number}".encode(), connection=SLOW, account="acct_1")
    of.run_until(of.now_ms + 1_000)
    assert times_ms(of, NAMES, connection=SLOW, account="acct_2")[-1] <= 2 * alone()


@pytest.mark.parametrize("account", [None, "acct_slow"])
def test_slow_calls_of_one_account_do_not_take_every_slot(account):
    of = world(slow_ms=20_000)
    times_ms(of, ["b"], connection="quick")
    for number in range(WAITING):
        of.send(f"a{number}", f"k{number}".encode(), connection=SLOW, account=account)
    assert times_ms(of, NAMES, connection="quick")[-1] <= 2 * alone()
    quick = [f"c{number}" for number in range(SECONDS)]
    assert times_ms(of, quick, connection=SLOW, account="acct_quick")[-1] <= 2 * alone()


def test_a_slow_key_with_many_commands_delays_no_other():
    of = world(slow_ms=60_000)
    for number in range(3_000):
        of.send(f"a{number}", b"k", connection=SLOW)
    assert times_ms(of, NAMES, connection="quick")[-1] <= 2 * alone()


@pytest.mark.parametrize(("commands", "keys"), [(3, 1), (WAITING, 150), (WAITING, 400)])
def test_what_only_waits_for_call_slots_is_not_written_again(commands, keys):
    of = world()
    names = [f"a{number}" for number in range(commands)]
    for number, name in enumerate(names):
        of.send(name, f"k{number % keys}".encode(), connection=SLOW)
    of.run_until(lambda: len(of.results) == len(names), 60_000)
    assert of.written == {}


def test_what_made_room_for_others_keeps_its_order():
    of = world(rate=400)
    names = [f"a{number}" for number in range(300)]
    for number, name in enumerate(names):
        of.send(name, f"k{number % 3}".encode(), connection=SLOW)
    of.run_until(lambda: len(of.results) == len(names), 60_000)
    for key in range(3):
        mine = f"k{key}".encode()
        assert [name for of_key, name, _ in of.results if of_key == mine] == names[key::3]
