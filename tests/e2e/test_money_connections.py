"""One connection in trouble, a revoked key or a low rate, never holds up another, and loses nothing of its own."""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.broker import Broker
from tests.support.cluster import KEY, Cluster, cluster, configure
from tests.support.end_state import no_lag
from tests.support.money import Order, effects, ended, order, results, revised, stripeline, until

OTHER_KEY, NEW_KEY = "sk_test_beta", "sk_test_replaced"
SETTINGS = {"retry_tiers": "200ms,400ms,800ms,2s", "reconcile_after": "500ms"}
CONFIG = """
connections:
  acme: {secret_key: "${env:ACME_KEY}"RATE}
  beta: {secret_key: "${env:BETA_KEY}"}
"""
PLAIN = CONFIG.replace("RATE", "")
COUNT, KEYS, PARTITIONS = 60, 12, 4


def orders(connection: str, count: int = COUNT) -> list[Order]:
    """Commands of many keys in turn, spread over all partitions."""
    return [
        Order(
            id=f"{connection}-{n:02}", connection=connection, input={"name": f"{n}"},
            key=f"{connection}-key-{n % KEYS}".encode(), partition=n % PARTITIONS,
        )
        for n in range(count)
    ]  # fmt: skip


def check_order(
    sent: Sequence[Order], done: dict[str, list[dict[str, Any]]], but: frozenset[str] = frozenset()
) -> None:
    """One effect each, and a key's in the order of its commands."""
    wanted = [one for one in sent if one.id not in but]
    assert {one.id: len(done.get(one.id, [])) for one in wanted} == {one.id: 1 for one in wanted}
    by_key = defaultdict(list)
    for one in wanted:
        by_key[one.key].append(done[one.id][0]["seq"])
    assert all(seqs == sorted(seqs) for seqs in by_key.values())


async def refused_calls(found: Cluster) -> int:
    counts: dict[str, int] = (await found.sandbox("/ledger?limit=1"))["requests"]["by_status"]
    return counts.get("401", 0)


async def state_of(found: Cluster, name: str) -> str:
    rows = (await stripeline(found, "get", "connections", "--json")).rows
    return next(str(row["state"]) for row in rows if row["name"] == name)


async def test_a_revoked_key_pauses_its_connection_alone(
    broker: Broker, prefix: str, tmp_path: Path, note: Callable[[str], None]
):
    secrets = {"BETA_KEY": OTHER_KEY}
    async with cluster(broker.bootstrap_servers, prefix, tmp_path, config=PLAIN, secrets=secrets, **SETTINGS) as found:
        found.add("executor-0", "executor")
        found.add("executor-1", "executor")
        await found.ready()
        await found.sandbox("/keys", {"key": KEY, "account": "acct_acme", "revoked": True})
        await found.sandbox("/keys", {"key": NEW_KEY, "account": "acct_acme"})
        mine, theirs = orders("acme"), orders("beta", 20)
        await order(found, mine)
        await until("the connection is paused", lambda: _starts(found, "paused"), found)
        seen = await results(found)
        refused = frozenset(name for name, rows in seen.items() if rows[0]["status"] == "failed")
        assert {row["error"]["code"] for rows in seen.values() for row in rows} == {"AUTH_EXPIRED"}
        # Each executor that had not yet heard of it may end one; nobody who has heard of it calls again.
        assert 1 <= len(refused) <= 2
        burnt = await refused_calls(found)
        assert burnt <= 2 * KEYS  # those that were on their way: one of each key

        await order(found, theirs)
        start = time.monotonic()
        await ended(found, [one.id for one in theirs], within_s=5)
        beta_s = time.monotonic() - start
        assert await state_of(found, "beta") == "ready"
        assert set(await results(found)) == {*refused, *(one.id for one in theirs)}
        assert await refused_calls(found) == burnt

        await configure(found, PLAIN, {**secrets, "ACME_KEY": NEW_KEY})
        start = time.monotonic()
        seen = await ended(found, [one.id for one in mine])
        back_s = time.monotonic() - start
        await no_lag(found, within_s=30)
        assert all(len(rows) == 1 for rows in seen.values())
        check_order(mine, await effects(found), but=refused)
        assert await refused_calls(found) == burnt
        assert await state_of(found, "acme") == "ready"
        replayed = (await stripeline(found, "dead-letters", "replay", "--code", "AUTH_EXPIRED", "--yes", "--json")).rows
        assert {row["command_id"] for row in replayed} == refused
        for name in refused:
            assert [row["status"] for row in await revised(found, name, 1)] == ["failed", "succeeded"]
        assert {len(rows) for rows in (await effects(found)).values()} == {1}
        note(
            f"case 35: {len(refused)} refused, calls burnt {burnt}, the other connection {beta_s:.1f} s, "
            f"all back {back_s:.1f} s after the new key"
        )


async def test_a_key_that_is_good_again_goes_on(broker: Broker, prefix: str, tmp_path: Path):
    """G08: the key's text stays the same, and no waiting command ends."""
    secrets = {"BETA_KEY": OTHER_KEY}
    async with cluster(broker.bootstrap_servers, prefix, tmp_path, config=PLAIN, secrets=secrets, **SETTINGS) as found:
        found.add("executor-0", "executor")
        await found.ready()
        await found.sandbox("/keys", {"key": KEY, "account": "acct_acme", "revoked": True})
        mine = orders("acme", 20)
        await order(found, mine)
        await until("the connection is paused", lambda: _starts(found, "paused: Stripe"), found)
        await stripeline(found, "pause", "connection", "acme", "--why", "until the key is good")
        await found.sandbox("/keys", {"key": KEY, "account": "acct_acme", "revoked": False})
        assert await state_of(found, "acme") != "ready"
        assert (await state_of(found, "acme")).startswith("paused by")
        await stripeline(found, "resume", "connection", "acme")
        seen = await ended(found, [one.id for one in mine])
        refused = frozenset(name for name, rows in seen.items() if rows[0]["status"] == "failed")
        assert len(refused) == 1  # the call that Stripe refused
        check_order(mine, await effects(found), but=refused)
        assert await state_of(found, "acme") == "ready"


async def _starts(found: Cluster, word: str) -> bool:
    return (await state_of(found, "acme")).startswith(word)


@pytest.mark.long
async def test_a_connection_at_its_limit_delays_no_other(
    broker: Broker, prefix: str, tmp_path: Path, note: Callable[[str], None]
):
    config = CONFIG.replace("RATE", ", rate: {account: 5}")
    async with cluster(
        broker.bootstrap_servers, prefix, tmp_path, config=config, secrets={"BETA_KEY": OTHER_KEY}, **SETTINGS
    ) as found:
        found.add("executor-0", "executor")
        found.add("executor-1", "executor")
        await found.ready()
        slow, fast = orders("acme"), orders("beta")
        start = time.monotonic()
        await order(found, [one for pair in zip(slow, fast, strict=True) for one in pair])
        await ended(found, [one.id for one in fast], within_s=5)
        fast_s = time.monotonic() - start
        await ended(found, [one.id for one in slow], within_s=60)
        slow_s = time.monotonic() - start
        await no_lag(found, within_s=30)
        done = await effects(found)
        check_order(slow, done)
        check_order(fast, done)
        times = sorted(done[one.id][0]["received_at_ms"] for one in slow)
        most = max(sum(at <= other < at + 2_000 for other in times) for at in times)
        assert most <= 2 * 5 + 4  # an edge of each executor's own pace, and one for a host that stalls
        note(f"case 33: the unlimited one {fast_s:.1f} s, the limited one {slow_s:.1f} s, most in 2 s {most}")
