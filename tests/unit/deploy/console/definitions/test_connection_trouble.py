"""Which connection is in trouble, and why."""

from dataclasses import replace
from typing import Any

import pytest

from stripeline.contracts.definitions import Connection, Definitions
from stripeline.contracts.limits import HourlyLimits
from stripeline.contracts.operator.control_records import (
    BY_BRAKE,
    BrakeRelease,
    ConnectionAccount,
    ControlPlace,
    KeyRefusal,
    Pause,
)
from stripeline.contracts.operator.spending import Spending, SpentMinute, TaskSpending
from stripeline.contracts.operator.worker_report import ConnectionReport
from stripeline.deploy.console.definitions.connection_trouble import ConnectionFacts, Trouble, troubles
from stripeline.deploy.console.definitions.limit_use import connection_uses
from stripeline.deploy.operations.status.facts import WaitingCommands
from tests.support.status_facts import NOW_MS, SEALED, instance, workers

HOUR = 3_600_000
LIMITED = Connection(
    secret_key=SEALED, mode="live", hint="sk_live_…4711", limits=HourlyLimits(effects_per_hour=100, amount={"eur": 900})
)
STORED = Definitions(
    connections={"acme": Connection(secret_key=SEALED, mode="test", hint="sk_test_…wxyz"), "globex": LIMITED},
    accounts={"acme": ConnectionAccount(account="acct_1Acme", mode="test")},
)
WELL = ConnectionFacts(now_ms=NOW_MS, stored=STORED, workers=workers(), waiting={}, uses={})


def found(known: ConnectionFacts = WELL, **changed: Any) -> list[Trouble]:
    return troubles(replace(known, **changed))


def spent(*minutes: SpentMinute, partition: int = 0) -> tuple[TaskSpending, ...]:
    return (TaskSpending(kind="connection", partition=partition, names={"globex": Spending(minutes=minutes)}),)


def test_a_connection_that_works_is_in_no_trouble() -> None:
    assert found() == []


def test_a_refused_key_comes_with_its_account_and_next_step() -> None:
    refusal = KeyRefusal(key_name=STORED.connections["acme"].key_name, since_ms=NOW_MS - HOUR)
    (one,) = found(stored=replace(STORED, key_refusals={"acme": refusal}))
    assert (one.account, one.next) == ("acct_1Acme", "/connections/acme/resume")
    assert one.text.startswith("Stripe refuses the key of connection acme since")


def test_a_refused_account_is_named() -> None:
    refusal = KeyRefusal(key_name=STORED.connections["acme"].key_name, since_ms=NOW_MS - HOUR)
    (one,) = found(stored=replace(STORED, key_refusals={"acme/acct_1Client": refusal}))
    assert "for account acct_1Client" in one.text


def test_a_pause_says_by_whom_and_why() -> None:
    pause = Pause(by="ada", why="the key is rolled", at_ms=NOW_MS - HOUR)
    (one,) = found(stored=replace(STORED, pauses={"connection/acme": pause, "workflow/flow": pause}))
    assert "is paused by ada" in one.text
    assert one.text.endswith("the key is rolled")


def test_what_paused_itself_says_so() -> None:
    pause = Pause(by=BY_BRAKE, why="it is at its limit", at_ms=NOW_MS - HOUR)
    (one,) = found(stored=replace(STORED, pauses={"connection/acme": pause}))
    assert "paused itself" in one.text


def test_commands_past_23_hours_are_trouble() -> None:
    waiting = WaitingCommands(
        connection="acme", count=3, first_ms=NOW_MS - 24 * HOUR, attempted=2, passed=1, horizon_ms=NOW_MS - HOUR
    )
    texts = [one.text for one in found(waiting={"acme": waiting})]
    assert any(text.startswith("1 command of acme is past 23 h") for text in texts)


def test_commands_of_no_connection_are_trouble() -> None:
    waiting = WaitingCommands(connection="gone", count=2, first_ms=NOW_MS)
    (one,) = found(waiting={"gone": waiting})
    assert "which is not defined" in one.text


def test_trouble_is_of_connections_that_are_there() -> None:
    pause = Pause(by="ada", why="the key is rolled", at_ms=NOW_MS - HOUR)
    report = instance("executor", connections=(ConnectionReport(connection="gone", line_ms=12_000),))
    assert found(stored=replace(STORED, pauses={"connection/gone": pause}), workers=workers(report)) == []


def test_the_worst_comes_first_then_by_name() -> None:
    pauses = {f"connection/{name}": Pause(by="ada", why="w", at_ms=NOW_MS) for name in ("globex", "acme")}
    report = instance("executor", connections=(ConnectionReport(connection="acme", line_ms=12_000),))
    ordered = found(stored=replace(STORED, pauses=pauses), workers=workers(report))
    assert [(one.connection, one.severity.word) for one in ordered] == [
        ("acme", "person"), ("globex", "person"), ("acme", "note")
    ]  # fmt: skip


def test_what_is_held_is_not_slow_as_well() -> None:
    """An account that Stripe refuses holds its commands too."""
    waiting = {"acme": WaitingCommands(connection="acme", count=2, first_ms=NOW_MS - HOUR)}
    refusal = KeyRefusal(key_name=STORED.connections["acme"].key_name, since_ms=NOW_MS - HOUR)
    (slow,) = found(waiting=waiting)
    assert "the oldest for" in slow.text
    held = found(waiting=waiting, stored=replace(STORED, key_refusals={"acme/acct_1Client": refusal}))
    assert all("the oldest for" not in one.text for one in held)


def test_a_long_line_for_the_rate_is_trouble() -> None:
    report = instance("executor", connections=(ConnectionReport(connection="acme", line_ms=12_000),))
    (one,) = found(workers=workers(report))
    assert "wait 12 s for its rate" in one.text
    assert found(workers=workers(replace(report, age_ms=60_000))) == []  # nobody knows whether it still waits


@pytest.mark.parametrize(("count", "near"), [(79, False), (80, True)])
def test_a_limit_that_is_nearly_reached_is_trouble(count: int, near: bool) -> None:
    reported = workers(instance("executor", spent=spent(SpentMinute(since_ms=NOW_MS - 60_000, count=count))))
    assert bool(found(uses=connection_uses(STORED, reported))) is near


def test_the_newest_report_of_a_partition_counts() -> None:
    """After a rebalance two processes have reported it."""
    old = instance("executor", "a", age_ms=9_000, spent=spent(SpentMinute(since_ms=NOW_MS - 60_000, count=50)))
    new = instance("executor", "b", spent=spent(SpentMinute(since_ms=NOW_MS - 60_000, count=51, amount={"eur": 7})))
    effects, amount = connection_uses(STORED, workers(old, new))["globex"]
    assert (effects.spent, effects.limit, amount.spent, amount.limit) == (51, 100, 7, 900)


def test_what_was_spent_before_a_release_does_not_count() -> None:
    released = replace(
        STORED,
        releases={"connection/globex": BrakeRelease(by="ada", at_ms=NOW_MS - 2 * HOUR)},
        places={"brake/connection/globex": ControlPlace(7, NOW_MS - 90_000)},
    )
    minutes = (SpentMinute(since_ms=NOW_MS - 120_000, count=50), SpentMinute(since_ms=NOW_MS - 90_000, count=1))
    reported = workers(instance("executor", spent=spent(*minutes)))
    assert connection_uses(released, reported)["globex"][0].spent == 1
