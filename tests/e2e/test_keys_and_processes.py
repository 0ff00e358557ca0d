"""Master keys under running processes, refused keys that work again, and several ingest processes on one port.

The processes are real, and so is the command: `stripeline …` in a process of its own.
"""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from pydantic import SecretStr

from stripeline.deploy.local.example_events import example_event, sign
from stripeline.deploy.local.kafka import free_port
from stripeline.deploy.operations.acts.waiting_commands import waiting_commands
from stripeline.deploy.operations.status.workers import read_workers
from stripeline.workers.kafka.control_table import read_all
from stripeline.workers.secrets.vault import Vault, new_master_key
from tests.support.broker import Broker
from tests.support.cluster import CONFIG, KEY, SECRET, Cluster, Process, cluster
from tests.support.end_state import find, no_lag, read_topic
from tests.support.invariants import check
from tests.support.traffic import Traffic

pytestmark = pytest.mark.timeout(240)


class Installation:
    """A cluster, and the command beside it."""

    def __init__(self, found: Cluster) -> None:
        self.cluster = found
        self.file = found.folder / "stripeline.yaml"

    async def command(self, *arguments: str, **environment: str) -> tuple[int, str]:
        """Its exit code, and all that it said."""
        mine = {**os.environ, **self.cluster.environment, "ACME_KEY": KEY, "ACME_WHSEC": SECRET, **environment}

        def run() -> tuple[int, str]:
            done = subprocess.run(
                [sys.executable, "-m", "stripeline.deploy", *arguments], env=mine, cwd=self.cluster.folder,
                capture_output=True, text=True, timeout=60, check=False,
            )  # fmt: skip
            assert SECRET not in done.stdout + done.stderr
            assert KEY not in done.stdout + done.stderr
            return done.returncode, done.stdout + done.stderr

        return await asyncio.to_thread(run)

    async def deliver(self, event: str) -> tuple[int, str]:
        """One signed delivery, and its answer."""
        body = example_event("payment_intent.succeeded", {"id": "pi_1", "amount": 6_000}, event_id=event)
        headers = {"Content-Type": "application/json", "Stripe-Signature": sign(body, SECRET, int(time.time()))}
        async with aiohttp.ClientSession() as http, http.post(self.cluster.url, data=body, headers=headers) as answer:
            return answer.status, await answer.text()

    async def restart(self, name: str, *arguments: str, **environment: str) -> Process:
        """Another process of this name, with another environment."""
        former = self.cluster.processes[name]
        assert await former.end() == 0
        return self.cluster.add(name, *arguments, **environment)


async def until(check: Any, within_s: float = 30) -> Any:
    """Wait until an answer is truthy."""
    async with asyncio.timeout(within_s):
        while not (found := await check()):  # noqa: ASYNC110  (another process sets no event)
            await asyncio.sleep(0.2)
        return found


async def readyz(process: Process) -> dict[str, Any]:
    async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{process.admin_port}/readyz") as answer:
        return {"http": answer.status, **await answer.json()}


def ids(ring: str) -> tuple[str, ...]:
    return Vault.from_ring([SecretStr(key) for key in ring.split(",")]).key_ids


@pytest.mark.long
async def test_a_master_key_is_rotated_as_documented(broker: Broker, prefix: str, tmp_path: Path):
    old, new = new_master_key(), new_master_key()
    (old_id,), (new_id,), both = ids(old), ids(new), f"{new},{old}"
    ring = {"STRIPELINE_MASTER_KEY": both}
    async with cluster(broker.bootstrap_servers, prefix, tmp_path, master_key=old) as found:
        installation = Installation(found)
        found.add("executor", "executor")
        await found.ready()

        async def holders() -> Mapping[str, list[str]]:
            code, said = await installation.command("keys", "status", "--json", **ring)
            seen = orjson.loads(said)
            assert code == (1 if seen["problems"] else 0)
            return {row["key"]: row["held_by"] for row in seen["keys"]}

        await until(lambda: _length(holders(), old_id, 2))
        # O8: the command knows the new key before the processes do.
        for asked in (("apply", "stripeline.yaml"), ("keys", "rotate", "--yes")):
            code, said = await installation.command(*asked, **ring)
            assert (code, f"does not hold master key {new_id} yet" in said or "do not hold" in said) == (1, True), said
            assert "set STRIPELINE_MASTER_KEY=new,old" in said
        assert (await installation.deliver("evt_before"))[0] == 200

        await installation.restart("ingest", "ingest", **ring)
        await installation.restart("executor", "executor", **ring)
        await found.ready()
        await until(lambda: _length(holders(), new_id, 2))
        code, said = await installation.command("keys", "rotate", **ring)
        assert (code, f"connection/acme: {old_id} → {new_id}" in said, "run it again with --yes" in said) == (
            0,
            True,
            True,
        )
        code, said = await installation.command("keys", "rotate", "--yes", "--why", "yearly", **ring)
        assert (code, f"{old_id} seals nothing any more" in said) == (0, True), said
        assert (await installation.deliver("evt_after"))[0] == 200
        code, said = await installation.command("apply", "stripeline.yaml", **ring)
        assert (code, "3 unchanged" in said) == (0, True), said

        alone = {"STRIPELINE_MASTER_KEY": new}
        await installation.restart("ingest", "ingest", **alone)
        await found.ready()
        assert (await installation.deliver("evt_last"))[0] == 200
        # A process that never got the new key says which it lacks, in /readyz and in its answer.
        lacking = await installation.restart("ingest", "ingest", STRIPELINE_MASTER_KEY=old)
        seen = await until(lambda: _not_ready(lacking, "secrets"))
        assert f"payments (sealed with master key {new_id})" in seen["missing"]["secrets"]
        status, text = await installation.deliver("evt_refused")
        assert (status, "can't be opened by this process" in text, new_id in text) == (503, True, False)


async def _length(found: Any, key: str, count: int) -> bool:
    return len((await found).get(key, [])) == count


async def _not_ready(process: Process, check: str) -> dict[str, Any] | None:
    try:
        seen = await readyz(process)
    except aiohttp.ClientError:
        return None
    return seen if set(seen.get("missing", {})) == {check} else None


@pytest.mark.long
async def test_two_processes_share_the_port_and_lose_nothing(broker: Broker, prefix: str, tmp_path: Path):
    async with cluster(broker.bootstrap_servers, prefix, tmp_path, ingest_processes="2") as found:
        parent = found.processes["ingest"]
        await found.ready()
        await until(lambda: _processes(parent, 2))
        # O17: a second one on the host is refused, by name, with what to do; and so is a second group.
        for options in (("--processes", "1"), ("--processes", "2")):
            second = await Installation(found).command("ingest", *options, STRIPELINE_ADMIN_PORT=str(free_port()))
            assert second[0] == 1
            assert re.search(rf"Port {found.ingest_port} of 127.0.0.1 is in use by pid \d+ \(.+\)", second[1]), second[
                1
            ]
            assert "run one `stripeline ingest --processes 2`" in second[1]

        instances = (await until(lambda: _reported(found, 2))).live
        assert len({one.report.pid for one in instances}) == 2
        traffic = Traffic(found.url, rate_per_s=50)
        sending = asyncio.create_task(traffic.run(12))
        await traffic.flows(100)
        os.kill(instances[0].report.pid, signal.SIGKILL)
        await until(lambda: _restarted(parent, "ingest"))
        await until(lambda: _processes(parent, 2))
        await sending
        assert len(traffic.acknowledged) == traffic.sent
        assert set(traffic.acknowledged) <= await published(found)
        text = await parent.page("/metrics")
        ready = {f'stripeline_ready{{check="publisher",process="{number}"}} 1.0' for number in (1, 2)}
        assert ready <= set(text.splitlines())
        [counted] = re.findall(r'^stripeline_deliveries_total{.*verdict="published"} (.+)$', text, re.MULTILINE)
        assert float(counted) <= traffic.sent

        # Its parent killed, no process is left behind to take deliveries under former settings.
        parent.kill()
        await until(lambda: _nobody_listens(found.ingest_port))
        parent.start()
        await parent.ready()
        assert await parent.end() == 0
        await until(lambda: _nobody_listens(found.ingest_port))


@pytest.mark.long
async def test_two_workers_share_the_partitions_of_a_host(broker: Broker, prefix: str, tmp_path: Path):
    async with cluster(broker.bootstrap_servers, prefix, tmp_path) as found:
        parent = found.add("worker", "worker", "--processes", "2", STRIPELINE_INSTANCE_ID="host")
        await found.ready()
        instances = {one.name: one.report for one in (await until(lambda: _reported(found, 3))).live}
        assert {name for name in instances if name.startswith("worker/")} == {"worker/host_1", "worker/host_2"}
        killed = instances["worker/host_1"]
        assert {task.partition for task in killed.tasks} < set(range(found.settings.partitions))
        traffic = Traffic(found.url, rate_per_s=50)
        sending = asyncio.create_task(traffic.run(3))
        await traffic.flows(50)
        os.kill(killed.pid, signal.SIGKILL)
        await until(lambda: _restarted(parent, "worker"))
        await sending
        await found.ready()
        await no_lag(found, within_s=60)
        assert check(await find(found), traffic.acknowledged)["events"] == traffic.sent
        assert await parent.end(within_s=30) == 0
        assert {one.name for one in (await read_workers(found.settings.topics, found.client)).live} == {
            name for name in instances if name.startswith("ingest/")
        }


async def test_a_group_that_cant_start_ends_with_the_cause(broker: Broker, prefix: str, tmp_path: Path):
    async with cluster(broker.bootstrap_servers, prefix, tmp_path) as found:
        await found.ready()
        code, said = await Installation(found).command(
            "ingest", "--processes", "2", STRIPELINE_MASTER_KEY="", STRIPELINE_INGEST_PORT=str(free_port()),
            STRIPELINE_ADMIN_PORT=str(free_port()),
        )  # fmt: skip
        assert (code, "STRIPELINE_MASTER_KEY is missing" in said, "could not start (exit code 1)" in said) == (
            1,
            True,
            True,
        )


async def _processes(parent: Process, ready: int) -> bool:
    return (await readyz(parent))["processes"] == {"ready": ready, "of": 2}


async def _restarted(parent: Process, role: str) -> bool:
    text = await parent.page("/metrics")
    return any(
        f'stripeline_group_process_restarts_total{{process="{number}",role="{role}"}} 1.0' in text for number in (1, 2)
    )


async def _reported(found: Cluster, count: int) -> Any:
    seen = await read_workers(found.settings.topics, found.client)
    return seen if len(seen.live) == count else None


async def _nobody_listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return True
    writer.close()
    return False


async def published(found: Cluster) -> set[str]:
    """The ids of the events on the topic."""
    topic = found.settings.topics.event("payment-event")
    records = await read_topic(found.settings.kafka_bootstrap_servers, topic, found.settings.partitions)
    return {orjson.loads(record.value)["id"] for record in records}


@pytest.mark.long
async def test_a_refused_key_that_works_again_is_tried(broker: Broker, prefix: str, tmp_path: Path):
    config = CONFIG.partition("triggers:")[0]
    async with cluster(broker.bootstrap_servers, prefix, tmp_path, config=config, retry_tiers="200ms,2s") as found:
        installation = Installation(found)
        found.add("executor", "executor")
        await found.ready()
        await found.sandbox("/keys", {"key": KEY, "account": "acct_acme"})
        assert (await installation.command("apply", "stripeline.yaml"))[0] == 0
        await found.sandbox("/keys", {"key": KEY, "account": "acct_acme", "revoked": True})

        async def send(number: int) -> None:
            options = ("--connection", "acme", "--key", "k", "--id", f"c{number}", "--input", "email=a@example.com")
            code, said = await installation.command("command", "stripe/create-customer", *options)
            assert code == 0, said

        async def paused() -> bool:
            return bool((await read_all(found.settings.topics.control, found.client)).refusals())

        await send(0)
        await until(paused)
        await send(1)
        await until(lambda: _waits(found, "acme"))
        # O9: waiting commands are not ended, and a restart is no remedy; the unchanged file is one.
        code, said = await installation.command("delete", "connection", "acme")
        assert (code, "of its commands wait" in said) == (1, True), said
        await installation.restart("executor", "executor")
        await found.processes["executor"].ready()
        assert await paused()
        await found.sandbox("/keys", {"key": KEY, "account": "acct_acme", "revoked": False})
        code, said = await installation.command("apply", "stripeline.yaml")
        assert (code, "an executor tries it again now" in said) == (0, True), said
        assert await until(lambda: results_of(found, "c1")) == ["succeeded"]
        assert not await paused()


async def _waits(found: Cluster, connection: str) -> bool:
    return (await waiting_commands(found.settings.topics, found.client))[f"connection/{connection}"] == 1


async def results_of(found: Cluster, command: str) -> list[str]:
    """The statuses of a command's results."""
    records = await read_topic(
        found.settings.kafka_bootstrap_servers, found.settings.topics.result, found.settings.partitions
    )
    seen = [orjson.loads(record.value) for record in records]
    return [one["status"] for one in seen if one["command_id"] == command]
