"""A paused workflow on real processes: nothing starts, a person takes up what came, twice killed, each run once."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from stripeline.contracts.internal_records import AuditRecord, read
from tests.support.broker import Broker
from tests.support.cluster import Cluster, cluster
from tests.support.end_state import no_lag, read_topic
from tests.support.money import deliver, effects, run_is, run_of, stripeline, until

OBJECTS, EACH = 3, 4
WORKFLOW = "two-steps"


def event_ids(first: int, count: int) -> list[str]:
    return [f"evt_{number}" for number in range(first, first + count)]


async def send(found: Cluster, first: int, count: int) -> list[str]:
    """Events of three PaymentIntents, one after the other."""
    ids = event_ids(first, count)
    for number, event_id in enumerate(ids, first):
        about = {"id": f"pi_{number % OBJECTS}", "amount": 900, "receipt_email": f"payer{number}@example.com"}
        await deliver(found, "payment_intent.succeeded", about, event_id)
    await no_lag(found, within_s=60)
    return ids


async def run_ids(found: Cluster) -> set[str]:
    settings = found.settings
    records = await read_topic(settings.kafka_bootstrap_servers, settings.topics.run, settings.partitions)
    return {record.key.decode() for record in records if record.key and b":" in record.key}


async def killed(found: Cluster, *arguments: str, after: int) -> None:
    """Kill -9 of the command once so many runs are there."""
    child = subprocess.Popen(  # noqa: ASYNC220  (it is killed, and never waited for here)
        [sys.executable, "-m", "stripeline.deploy", *arguments], env={**os.environ, **found.environment},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        await until(f"{after} runs", lambda: _many(found, after), found, within_s=60)
        assert child.poll() is None, "it was done before it could be killed"
    finally:
        child.kill()
        await asyncio.to_thread(child.wait)


async def _many(found: Cluster, wanted: int) -> bool:
    return len(await run_ids(found)) >= wanted


async def audited(found: Cluster) -> list[AuditRecord]:
    settings = found.settings
    records = await read_topic(settings.kafka_bootstrap_servers, settings.topics.audit, settings.partitions)
    return [read(AuditRecord, record.value) for record in records]


def in_order(done: Mapping[str, list[dict[str, Any]]], ids: list[str]) -> None:
    """The first steps of each object's runs were done in the order of its events."""
    for one in range(OBJECTS):
        mine = [name for name in ids if int(name.partition("_")[2]) % OBJECTS == one]
        at = [done[f"{name}:{WORKFLOW}:customer"][0]["seq"] for name in mine]
        assert at == sorted(at), (mine, at)


async def check_paused(found: Cluster) -> list[str]:
    said = await stripeline(found, "pause", "workflow", WORKFLOW, "--why", "its where is wrong")
    assert (said.code, "can be taken up until" in said.err) == (0, True), said.err
    again = await stripeline(found, "pause", "workflow", WORKFLOW, "--why", "again")
    assert (again.code, "paused already" in again.err) == (1, True)
    ids = await send(found, 1, OBJECTS * EACH)
    assert await run_ids(found) == {f"evt_0:{WORKFLOW}"}
    return ids


async def check_dry_run(found: Cluster, ids: list[str]) -> None:
    """It says what each event would do, and does nothing."""
    said = await stripeline(found, "runs", "start", WORKFLOW, "--since", "1h", "--json")
    fates = {row["event"]: row["start"] for row in said.rows}
    assert fates == {"evt_0": "has run already"} | dict.fromkeys(ids, "starts")
    assert "no promised order" in said.err
    one = await stripeline(found, "runs", "start", WORKFLOW, "--event", ids[0], "--json")
    assert [row["run"] for row in one.rows] == [f"{ids[0]}:{WORKFLOW}"]
    assert (await stripeline(found, "runs", "start", WORKFLOW)).code == 2
    assert await run_ids(found) == {f"evt_0:{WORKFLOW}"}


async def check_erased(found: Cluster) -> None:
    """The newest state of the run has nothing of the payer; its id is known for ever after."""
    run_id = f"evt_1:{WORKFLOW}"
    done = await stripeline(found, "runs", "erase", "--event", "evt_1", "--why", "ticket 4711", "--yes", "--json")
    assert [row["erase"] for row in done.rows] == ["is erased, and can't be retried any more"]

    async def erased() -> dict[str, Any] | None:
        run = await run_of(found, run_id)
        return run if run is not None and "erased_at" in run else None

    run = await until("an erased run", erased, found)
    assert (run["status"], run["context"], "payer1" in str(run), "cus_" in str(run)) == (
        "succeeded",
        None,
        False,
        False,
    )
    acts = [act for act in await audited(found) if act.act == "erase_run"]
    assert [(act.about, act.why) for act in acts] == [(f"run {run_id}", "ticket 4711")]
    again = await stripeline(found, "runs", "erase", "--event", "evt_1", "--json")
    assert [row["erase"] for row in again.rows] == ["is erased already"]


@pytest.mark.long
async def test_a_paused_workflow_is_taken_up_in_order_and_once(broker: Broker, prefix: str, tmp_path: Path):
    async with cluster(broker.bootstrap_servers, prefix, tmp_path, retry_tiers="200ms,400ms") as found:
        found.add("worker-0", "worker")
        await found.ready()
        await send(found, 0, 1)
        await run_is(found, f"evt_0:{WORKFLOW}", "succeeded")
        ids = await check_paused(found)
        await check_dry_run(found, ids)
        why = ("--why", "its where is right now")
        await killed(found, "runs", "start", WORKFLOW, "--since", "1h", "--rate", "2", *why, "--yes", after=3)
        await killed(found, "resume", "workflow", WORKFLOW, "--take-up", "--rate", "2", *why, after=6)
        ids += await send(found, len(ids) + 1, OBJECTS)
        taken = await stripeline(found, "resume", "workflow", WORKFLOW, "--take-up", *why)
        assert (taken.code, "began, in order" in taken.err) == (0, True), taken.err
        ids += await send(found, len(ids) + 1, OBJECTS)  # live again
        for event_id in ids:
            await run_is(found, f"{event_id}:{WORKFLOW}", "succeeded")
        done = await effects(found)
        commands = [f"{name}:{WORKFLOW}:{step}" for name in ["evt_0", *ids] for step in ("customer", "deposit")]
        assert {name: len(rows) for name, rows in done.items()} == dict.fromkeys(commands, 1)
        in_order(done, ids)
        acts = {act.act for act in await audited(found)}
        assert {"pause_workflow", "resume_workflow", "start_run"} <= acts
        await check_erased(found)
