"""Real processes: how they end, how they outlive a broker, how they take a change, and what they show."""

import asyncio
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import orjson
import pytest
from confluent_kafka import Producer
from pydantic import SecretStr

from stripeline.contracts.vocabulary import LogEvent
from stripeline.deploy.local.example_events import example_event
from stripeline.deploy.local.kafka import LocalKafka, free_port
from stripeline.deploy.local.webhook_sender import deliver
from tests.support.broker import Broker
from tests.support.cluster import CONFIG, KEY, SECRET, Cluster, cluster, configure
from tests.support.console_stack import BEHIND_PROXY
from tests.support.end_state import find, no_lag
from tests.support.invariants import check
from tests.support.terminal import on_terminal
from tests.support.traffic import Traffic

RUN_FIELDS = {
    "run", "workflow", "trigger", "event", "event_type", "account", "status", "step", "error", "steps", "started_at",
    "finished_at", "connection", "note", "erased_at",
}  # fmt: skip
AWAY_S = 3.0
LETTER_FIELDS = {
    "topic", "partition", "offset", "key", "command_id", "action", "connection", "account", "reason", "code",
    "attempts", "first_attempt_at", "failed_at", "state",
}  # fmt: skip
SECRETS = re.compile(rf"{KEY}|{SECRET}|pi_\w+_secret_\w+")


def stripeline(found: Cluster, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "stripeline.deploy", *arguments]
    environment = dict(found.environment)
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


async def send(found: Cluster, body: bytes) -> int:
    async for answer in deliver(found.url, SecretStr(SECRET), [body], lambda: int(time.time())):
        return answer.status
    raise AssertionError


def paid(number: int, **fields: Any) -> bytes:
    intent = {"id": f"pi_{number}", "amount": 6_000, **fields}
    return example_event("payment_intent.succeeded", intent, event_id=f"evt_{number:04}")


async def test_processes_end_when_told_with_and_without_a_broker(own_broker: LocalKafka, prefix: str, tmp_path: Path):
    async with cluster(own_broker.bootstrap_servers, prefix, tmp_path) as found:
        for role in ("router", "executor", "worker"):
            found.add(role, role)
        found.add("console", "console", STRIPELINE_CONSOLE_PORT=str(free_port()), **BEHIND_PROXY)
        await found.ready()
        assert await send(found, paid(1)) == 200
        processes = [found.processes[name] for name in ("ingest", "router", "executor", "worker", "console")]
        codes = await asyncio.gather(*(process.end() for process in processes))
        assert codes == [0, 0, 0, 0, 0], "\n".join(process.tail() for process in processes)
        for process in processes:
            process.start()
        await found.ready()
        own_broker.kill()
        began = time.monotonic()
        await asyncio.gather(*(process.end(within_s=30) for process in processes))
        assert time.monotonic() - began < 30
        assert all(process.log.stat().st_size < 1_000_000 for process in processes)


@pytest.mark.long
async def test_a_broker_that_was_away_loses_nothing(own_broker: LocalKafka, prefix: str, tmp_path: Path):
    async with cluster(own_broker.bootstrap_servers, prefix, tmp_path) as found:
        for role in ("router", "executor"):
            found.add(role, role)
        await found.ready()
        traffic = Traffic(found.url, 30)
        run = asyncio.create_task(traffic.run(14))
        await traffic.flows(50)
        own_broker.kill()
        await asyncio.sleep(AWAY_S)
        await own_broker.start()
        await run
        await no_lag(found, within_s=90)
        assert check(await find(found), traffic.acknowledged)["events"] >= len(set(traffic.acknowledged)) > 200
        await found.ready()


async def test_a_change_is_taken_at_once_and_a_run_keeps_its_steps(broker: Broker, prefix: str, tmp_path: Path):
    async with cluster(broker.bootstrap_servers, prefix, tmp_path) as found:
        found.add("router", "router")
        await found.ready()
        assert await send(found, paid(1)) == 200
        await until_run(found, "evt_0001:two-steps")
        await configure(found, CONFIG.replace('amount: "=data.amount"', "amount: 77"))
        number = 2
        while True:  # events until one of them starts a run with the new definition
            assert await send(found, paid(number)) == 200
            run = await until_run(found, f"evt_{number:04}:two-steps")
            if run["definition"][1]["input"]["amount"] == 77:
                break
            number += 1
        found.add("executor", "executor")
        await no_lag(found, within_s=60)
        amounts = {effect["command"]: effect["amount"] for effect in (await found.sandbox("/ledger"))["effects"]}
        assert amounts["evt_0001:two-steps:deposit"] == 6_000
        assert amounts[f"evt_{number:04}:two-steps:deposit"] == 77


async def until_run(found: Cluster, name: str) -> dict[str, Any]:
    async with asyncio.timeout(30):
        while True:
            runs = (await find(found)).runs
            if name in runs:
                return runs[name]
            await asyncio.sleep(0.05)


async def test_commands_show_runs_and_dead_letters_and_no_secret(broker: Broker, prefix: str, tmp_path: Path):
    async with cluster(broker.bootstrap_servers, prefix, tmp_path) as found:
        for role in ("router", "executor"):
            found.add(role, role)
        await found.ready()
        assert await send(found, paid(1)) == 200
        assert await send(found, paid(2, amount=4002)) == 200
        done = await asyncio.to_thread(
            stripeline, found, "command", "stripe/create-payment-intent", "--connection", "acme",
            "--input", "amount=500", "--input", "currency=eur", "--wait",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "succeeded" in done.stdout
        await asyncio.to_thread(produce_rubbish, found)
        await no_lag(found, within_s=60)
        runs = await asyncio.to_thread(stripeline, found, "runs", "list", "--json")
        listed = {run["run"]: run for run in orjson.loads(runs.stdout)}
        assert all(set(run) == RUN_FIELDS for run in listed.values())
        assert listed["evt_0001:two-steps"]["status"] == "succeeded"
        stopped = listed["evt_0002:two-steps"]
        assert (stopped["status"], stopped["step"]) == ("stopped", "deposit")
        assert stopped["error"]["code"] == "PAYMENT_REQUIRED"
        letters = await asyncio.to_thread(stripeline, found, "dead-letters", "list", "--json")
        (letter,) = orjson.loads(letters.stdout)
        assert set(letter) == LETTER_FIELDS
        assert letter["reason"] == "unreadable"
        shown = await asyncio.to_thread(stripeline, found, "runs", "show", "evt_0001:two-steps")
        connections = await asyncio.to_thread(stripeline, found, "get", "connections", "--json")
        assert orjson.loads(connections.stdout)[0]["key"].startswith("sk_test_…")
        texts = [out.stdout + out.stderr for out in (done, runs, letters, shown, connections)]
        texts += [process.log.read_text() for process in found.processes.values()]
        assert [found for text in texts for found in SECRETS.findall(text)] == []


def produce_rubbish(found: Cluster) -> None:
    """As a client of another family does."""
    producer = Producer({"bootstrap.servers": found.settings.kafka_bootstrap_servers})
    producer.produce(found.settings.topics.command, key=b"crm", value=b"not a command")
    assert producer.flush(15) == 0


async def test_a_worker_refuses_wrong_topics_and_names_the_remedy(broker: Broker, prefix: str, tmp_path: Path):
    async with cluster(broker.bootstrap_servers, prefix, tmp_path) as found:
        router = found.add("router", "router", STRIPELINE_PARTITIONS="5")
        assert router.child is not None
        assert await asyncio.to_thread(router.child.wait, 30) == 1
        assert "STRIPELINE_PARTITIONS=4" in router.log.read_text()


def test_the_demo_shows_and_checks_itself_in_a_pipe():
    done = subprocess.run(
        [sys.executable, "-m", "stripeline.deploy", "demo"], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(re.findall(r"^ok  ", done.stdout, re.MULTILINE)) == 5
    assert "BROKEN" not in done.stdout
    assert "\x1b" not in done.stdout
    for line in (
        "forged        a forged signature: refused",
        "error-500     deposit waits 500ms after PROVIDER_ERROR",
        "declined      welcome-deposit stopped at deposit: PAYMENT_REQUIRED",
        "crm-4712      unreadable",
    ):
        assert line in done.stdout
    assert re.findall(r"whsec_\w+|sk_test_\w+|_secret_", done.stdout + done.stderr) == []


@pytest.mark.long
def test_the_last_screen_of_the_demo_has_the_whole_story() -> None:
    shown = on_terminal(["demo"], columns=80, lines=24, within_s=120)
    assert shown.code == 0, shown.text
    for row in (
        "big-spender   thank-big-spenders did customer and deposit; sent twice, run once",
        "forged        refused with 400",
        "declined      welcome-deposit stopped at deposit: PAYMENT_REQUIRED",
        "error-500     welcome-deposit did deposit, at attempt 2",
        "lost-answer   welcome-deposit did deposit, at attempt 2",
        "crowd         24 of 24 runs succeeded",
        "crm-4712      no command: a dead letter, unreadable",
        "ok  nothing twice: 0",
    ):
        assert f"\n{row}\n" in f"\n{shown.screen}\n", shown.screen


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_process_ends_before_it_was_ever_ready(number: int, tmp_path: Path):
    """No broker at all."""
    environment = {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "STRIPELINE_ADMIN_PORT": "0"}
    with (tmp_path / "log").open("wb") as log:
        command = [sys.executable, "-m", "stripeline.deploy", "router"]
        child = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    deadline = time.monotonic() + 30
    while LogEvent.KAFKA_UNREACHABLE.encode() not in (tmp_path / "log").read_bytes():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    child.send_signal(number)
    assert child.wait(30) == 0
