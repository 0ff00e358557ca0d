"""`stripeline runs retry` and `runs cancel` on real processes: cases O1 and O2, many at once, and a killed command."""

import asyncio
import os
import sys
import time
from asyncio.subprocess import DEVNULL
from pathlib import Path
from typing import Any

import pytest

from stripeline.contracts.internal_records import AuditRecord, read
from stripeline.deploy.operations.acts.take_up import late
from stripeline.deploy.operations.reading.event_ranges import ends_of
from stripeline.deploy.operations.status.workers import read_workers
from tests.support.broker import Broker
from tests.support.cluster import CONFIG, Cluster, cluster, configure
from tests.support.end_state import read_topic
from tests.support.money import deliver, effects, run_is, run_of, stripeline, until

BROKEN = CONFIG.replace('email: "=data.receipt_email"', 'email: "=string(data.amount / (data.amount - data.amount))"')
MANY = 40
WHY = ("--yes", "--why", "the cause is gone")


async def audited(found: Cluster, act: str) -> list[AuditRecord]:
    topics = found.settings.topics
    records = await read_topic(found.settings.kafka_bootstrap_servers, topics.audit, found.settings.partitions)
    return [one for record in records if (one := read(AuditRecord, record.value)).act == act]


async def routers_are_up_to_date(found: Cluster) -> bool:
    topics = found.settings.topics
    (end,) = (await ends_of(topics.control, found.client)).values()
    return late(await read_workers(topics, found.client), end) == []


async def decline(found: Cluster, path: str, times: int | None = None) -> None:
    fault = {"status": 402, "stored": True}
    await found.sandbox("/faults", {"match": {"method": "POST", "path": path}, "fault": fault, "times": times})


async def check_a_broken_expression(found: Cluster) -> None:
    """O1: applied, an event came, the run stopped; corrected, and the same run goes on."""
    run = "evt_o1:two-steps"
    await configure(found, BROKEN)
    await until("the router has the definition", lambda: routers_are_up_to_date(found), found)
    await deliver(found, "payment_intent.succeeded", {"id": "pi_o1", "amount": 900}, "evt_o1")
    assert (await run_is(found, run, "stopped"))["error"]["code"] == "VALIDATION_ERROR"
    dry = await stripeline(found, "runs", "retry", run)
    assert (dry.code, "division by zero" in dry.out) == (1, True), dry
    await configure(found, CONFIG)
    said = await stripeline(found, "runs", "retry", run, "--json")
    assert "step 'customer' begins again" in said.rows[0]["would"]
    assert "Nothing was done" in said.err
    assert (await run_of(found, run) or {})["status"] == "stopped"
    assert (await stripeline(found, "runs", "retry", run, *WHY)).code == 0
    await run_is(found, run, "succeeded")
    (act,) = await audited(found, "retry_run")
    assert (act.about, act.why) == (f"run {run}", "the cause is gone")
    assert (await stripeline(found, "runs", "retry", run, *WHY)).code == 1  # it succeeded
    assert (await stripeline(found, "runs", "retry", run, "--yes")).code == 1  # no reason


async def check_a_declined_payment(found: Cluster) -> None:
    """O2: declined at the second step, then paid once, as a new command."""
    run = "evt_o2:two-steps"
    await decline(found, "/v1/payment_intents", times=1)
    await deliver(found, "payment_intent.succeeded", {"id": "pi_o2", "amount": 900}, "evt_o2")
    assert (await run_is(found, run, "stopped"))["error"]["code"] == "PAYMENT_REQUIRED"
    assert (await stripeline(found, "runs", "retry", "--code", "PAYMENT_REQUIRED", *WHY)).code == 0
    ended = await run_is(found, run, "succeeded")
    assert [step["command_id"] for step in ended["steps"]] == [f"{run}:customer", f"{run}:deposit:2"]
    done = await effects(found)
    assert [len(done.get(f"{run}:{step}", [])) for step in ("customer", "deposit", "deposit:2")] == [1, 0, 1]
    (closed,) = await audited(found, "superseded")
    assert (closed.by, closed.about) == ("executor", f"command {run}:deposit")


async def check_a_cancelled_run(found: Cluster) -> None:
    run = "evt_c:two-steps"
    await decline(found, "/v1/customers", times=1)
    await deliver(found, "payment_intent.succeeded", {"id": "pi_c", "amount": 900}, "evt_c")
    await run_is(found, run, "stopped")
    assert (await stripeline(found, "runs", "cancel", run, *WHY)).code == 0
    assert "the cause is gone" in (await run_is(found, run, "cancelled"))["note"]
    refused = await stripeline(found, "runs", "retry", run, *WHY)
    assert (refused.code, "it was cancelled" in refused.out) == (1, True)


async def check_a_killed_command(found: Cluster) -> None:
    """Many stopped runs, the command killed half-way, and sent again: nothing twice, nothing forgotten."""
    await decline(found, "/v1/customers")
    events = [f"evt_m{number}" for number in range(MANY)]
    for event in events:
        await deliver(found, "payment_intent.succeeded", {"id": f"pi_{event}", "amount": 900}, event)
    await asyncio.gather(*(run_is(found, f"{event}:two-steps", "stopped") for event in events))
    await found.sandbox("/faults", method="DELETE")
    arguments = ["runs", "retry", "--code", "PAYMENT_REQUIRED", "--limit", "100", *WHY]
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "stripeline.deploy", *arguments, "--rate", "10",
        env={**os.environ, **found.environment}, stdout=DEVNULL, stderr=DEVNULL,
    )  # fmt: skip
    before = len(await audited(found, "retry_run"))

    async def some() -> bool:
        return len(await audited(found, "retry_run")) > before

    await until("some acts", some, found)
    child.kill()
    await child.wait()
    assert before < len(await audited(found, "retry_run")) < before + MANY
    again = await stripeline(found, *arguments, "--rate", "1000")
    assert again.code == 0, again.err
    await asyncio.gather(*(run_is(found, f"{event}:two-steps", "succeeded", 40) for event in events))
    done: dict[str, list[Any]] = await effects(found)
    made = [name for name, found_ in done.items() if name.startswith("evt_m") for _ in found_]
    assert len(made) == len(set(made)) == 2 * MANY


@pytest.mark.long
async def test_operators_take_stopped_runs_on(broker: Broker, prefix: str, tmp_path: Path, note: Any) -> None:
    async with cluster(broker.bootstrap_servers, prefix, tmp_path, retry_tiers="200ms,400ms") as found:
        start = time.monotonic()
        found.add("worker-0", "worker")
        await found.ready()
        for check in (
            check_a_broken_expression, check_a_declined_payment, check_a_cancelled_run, check_a_killed_command,
        ):  # fmt: skip
            await check(found)
            note(f"{check.__name__}: {time.monotonic() - start:.1f} s")
