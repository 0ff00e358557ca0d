"""An outcome that nobody knows: bounded attempts, a look-up, a person or a webhook; and what must not be sent."""

import time
from collections.abc import Callable
from pathlib import Path

import orjson

from tests.support.broker import Broker
from tests.support.cluster import Cluster, cluster
from tests.support.end_state import find, no_lag, read_topic
from tests.support.money import (
    PAYMENT,
    Order,
    deliver,
    effects,
    ended,
    order,
    posts,
    results,
    revised,
    run_is,
    stripe_object,
    stripeline,
)

SETTINGS = {"retry_tiers": "200ms,400ms,800ms", "reconcile_after": "500ms"}
CONFIG = """
connections:
  acme: {secret_key: "${env:ACME_KEY}"}
triggers:
  payments: {kind: stripe/payment-event, connection: acme, signing_secrets: ["${env:ACME_WHSEC}"]}
workflows:
  pay:
    trigger: payments
    types: [payment_intent.succeeded]
    steps:
      - {id: deposit, action: stripe/create-payment-intent, input: {amount: "=data.amount", currency: eur}}
      - {id: customer, action: stripe/create-customer, input: {description: "=steps.deposit.id"}}
"""
STORED_500 = 5002  # the sandbox's amount for a 500 after the effect, kept for its Idempotency-Key
MONTH_S = 31 * 24 * 3600


def add_workers(found: Cluster) -> None:
    found.add("router-0", "router")
    found.add("executor-0", "executor")


async def origin_partitions(found: Cluster, topic: str) -> list[int]:
    return [r.partition for r in await read_topic(found.settings.kafka_bootstrap_servers, topic, 4)]


async def test_a_webhook_settles_an_indeterminate_command(
    broker: Broker, prefix: str, tmp_path: Path, note: Callable[[str], None]
):
    start = time.monotonic()
    async with cluster(broker.bootstrap_servers, prefix, tmp_path, config=CONFIG, **SETTINGS) as found:
        add_workers(found)
        await found.ready()
        await found.sandbox("/settings", {"search_delay_s": 3600})
        runs = [f"evt_{n}:pay" for n in range(8)]
        for n in range(8):
            await deliver(found, "payment_intent.succeeded", {"id": f"pi_{n}", "amount": STORED_500}, f"evt_{n}")
        commands = {run: f"{run}:deposit" for run in runs}
        first = await ended(found, list(commands.values()))
        for run, command in commands.items():
            (result,) = first[command]
            assert (result["status"], result["revision"], result["error"]["code"]) == (
                "indeterminate", 0, "INDETERMINATE",
            )  # fmt: skip
            stopped = await run_is(found, run, "stopped")
            assert (stopped["step"], stopped["error"]["code"]) == ("deposit", "INDETERMINATE")
            tries = await posts(found, command)
            assert [row["status"] for row in tries] == [500, 500]  # the second one was a replay: asking on is no use
            assert [row["replayed"] for row in tries] == [False, True]
        letters = (await stripeline(found, "dead-letters", "list", "--json")).rows
        assert {row["command_id"] for row in letters} == set(commands.values())
        assert {row["code"] for row in letters} == {"INDETERMINATE"}

        done = await effects(found)
        for n, command in enumerate(commands.values()):
            intent = await stripe_object(found, f"/v1/payment_intents/{done[command][0]['id']}")
            await deliver(found, "payment_intent.created", intent, f"evt_created_{n}")
        for run, command in commands.items():
            rows = await revised(found, command, 1)
            assert [(row["revision"], row["status"]) for row in rows] == [(0, "indeterminate"), (1, "succeeded")]
            assert rows[1]["output"]["id"] == done[command][0]["id"]
            assert (await run_is(found, run, "succeeded"))["error"] is None
        await no_lag(found, within_s=30)
        seen = await find(found)
        assert sorted(e["command"] for e in seen.effects) == sorted(
            f"{r}:{s}" for r in runs for s in ("deposit", "customer")
        )
        # An object's own partition is seldom the command's: the settlement went to the task that knows the command.
        at = {orjson.loads(r.value)["command_id"]: r.partition for r in seen.commands if b'"command_id"' in r.value}
        of = {
            orjson.loads(r.value)["data"].get("metadata", {}).get("stripeline_command"): r.partition
            for r in seen.events
        }
        assert any(at[command] != of[command] for command in commands.values())
        note(f"case 29: 8 stored 500s settled by webhook, {time.monotonic() - start:.1f} s")


async def test_a_lost_call_is_looked_up_and_not_sent_again(
    broker: Broker, prefix: str, tmp_path: Path, note: Callable[[str], None]
):
    start = time.monotonic()
    async with cluster(broker.bootstrap_servers, prefix, tmp_path, config=CONFIG, **SETTINGS) as found:
        add_workers(found)
        await found.ready()
        now_ms = int(time.time() * 1000)
        lost = Order(id="lost", action=PAYMENT, input={"amount": STORED_500, "currency": "eur"}, key=b"k")
        behind = Order(id="behind", input={"name": "Ada"}, key=b"k")
        late = Order(id="late", key=b"l", fields={"not_after": now_ms - 1})
        in_time = Order(id="in-time", key=b"l", fields={"not_after": now_ms + 600_000})
        await order(found, [lost, behind, late, in_time])
        old = int(time.time()) - MONTH_S
        await deliver(found, "payment_intent.succeeded", {"id": "pi_old", "amount": 700}, "evt_old", created=old)
        ids = ["lost", "behind", "late", "in-time", "evt_old:pay:deposit"]
        await ended(found, ids)
        await no_lag(found, within_s=30)
        seen = await results(found)
        assert {name: len(rows) for name, rows in seen.items()} == dict.fromkeys(ids, 1)
        done = await effects(found)

        assert (seen["lost"][0]["status"], seen["lost"][0]["revision"]) == ("succeeded", 0)
        assert seen["lost"][0]["output"]["id"] == done["lost"][0]["id"]
        assert len(done["lost"]) == 1
        assert len(await posts(found, "lost")) == 2
        assert done["behind"][0]["seq"] > done["lost"][0]["seq"]

        assert seen["late"][0]["error"]["code"] == "EXPIRED"
        assert seen["in-time"][0]["status"] == "succeeded"
        assert not await posts(found, "late")

        old_one = seen["evt_old:pay:deposit"][0]
        assert (old_one["status"], old_one["error"]["code"]) == ("failed", "EXPIRED")
        assert "what is older than 30 days may be a repetition" in old_one["error"]["message"]
        assert not await posts(found, "evt_old:pay:deposit")
        asked = [row for row in (await found.sandbox("/requests"))["requests"] if row["path"].endswith("/search")]
        assert len(asked) == 1  # the lost one; what nobody attempted is not looked for
        assert (await run_is(found, "evt_old:pay", "stopped"))["error"]["code"] == "EXPIRED"

        (letter,) = (await stripeline(found, "dead-letters", "list", "--json")).rows
        assert (letter["command_id"], letter["reason"]) == ("evt_old:pay:deposit", "event_too_old")
        (planned,) = (await stripeline(found, "dead-letters", "replay", "--json")).rows
        assert planned["replay"] == "is sent for the first time, although its event is old"
        assert (await stripeline(found, "dead-letters", "replay", "--yes")).code == 0
        rows = await revised(found, "evt_old:pay:deposit", 1)
        assert [(row["revision"], row["status"]) for row in rows] == [(0, "failed"), (1, "succeeded")]
        assert (await run_is(found, "evt_old:pay", "succeeded"))["error"] is None
        assert len(await posts(found, "evt_old:pay:deposit")) == 1
        note(f"look-up, not_after, an event of last month: {time.monotonic() - start:.1f} s")
