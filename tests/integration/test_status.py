"""`stripeline status` and `commands show` on a real Kafka and real processes: well, paused, killed, watched, away."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiokafka import TopicPartition

from stripeline.deploy.operations.status.workers import read_workers
from stripeline.workers.kafka.partition_reader import log_ends
from tests.support.broker import Broker
from tests.support.cluster import Cluster, cluster
from tests.support.terminal import CTRL_C, Shown, on_terminal

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    """Ingest, a router and an executor as processes, with one name each."""
    folder = tmp_path_factory.mktemp("status")
    async with cluster(broker.bootstrap_servers, "status.", folder, retry_tiers="200ms,30s") as made:
        made.add("router", "router", STRIPELINE_INSTANCE_ID="router-0")
        made.add("executor", "executor", STRIPELINE_INSTANCE_ID="executor-0")
        await made.ready()
        yield made


async def run(stack: Cluster, *arguments: str, **given: Any) -> Shown:
    return await asyncio.to_thread(on_terminal, arguments, env=stack.environment, cwd=stack.folder, **given)


async def status(stack: Cluster) -> dict[str, Any]:
    shown = await run(stack, "status", "--json", columns=2_000)
    found: dict[str, Any] = json.loads(shown.text)
    assert shown.code == found["needs_person"]
    return found


async def until(stack: Cluster, true: Callable[[Mapping[str, Any]], bool], within_s: float = 60) -> dict[str, Any]:
    ends_s = time.monotonic() + within_s
    while not true(found := await status(stack)):
        assert time.monotonic() < ends_s, found
    return found


def kinds(found: Mapping[str, Any]) -> set[str]:
    return {one["kind"] for one in found["findings"]}


async def shown(stack: Cluster, *arguments: str) -> dict[str, Any]:
    made = await run(stack, *arguments, "--json", columns=2_000)
    assert made.code == 0, made.text
    (found,) = json.loads(made.text)
    return dict(found)


async def test_where_all_is_well_it_says_so(stack: Cluster) -> None:
    # This Kafka has one broker, which is a finding.
    found = await until(stack, lambda found: len(found["processes"]) == 3 and kinds(found) <= {"topic"})
    assert {(one["name"], one["ready"]) for one in found["processes"] if one["role"] != "ingest"} == {
        ("router/router-0", True), ("executor/executor-0", True),
    }  # fmt: skip
    assert not found["needs_person"]
    page = await run(stack, "status")
    assert (page.code, "All is well: nothing waits for a person." in page.text) == (0, True)
    assert "executor      1      -" in page.text
    assert max(map(len, page.text.splitlines())) <= 80
    reports = (await read_workers(stack.settings.topics, stack.client)).live
    control = TopicPartition(stack.settings.topics.control, 0)
    assert {one.report.control for one in reports} == {(await log_ends([control], stack.client))[control]}


async def test_a_waiting_command_says_what_it_waits_for(stack: Cluster) -> None:
    assert (await run(stack, "pause", "connection", "acme", "--why", "the client asked")).code == 0
    for number in (1, 2):
        sent = ("--connection", "acme", "--key", "k1", "--id", f"wait-{number}", "--input", "name=Ada")
        assert (await run(stack, "command", "stripe/create-customer", *sent)).code == 0
    ends_s = time.monotonic() + 60
    while (found := await shown(stack, "commands", "show", "wait-2"))["state"] != "waiting":
        assert time.monotonic() < ends_s, found
    assert (found["ahead"], found["attempts"], found["due_at"] is not None) == (1, 0, True)
    assert found["waits_for"].startswith("connection acme to be resumed: ")
    assert found["next"] == "stripeline resume connection acme"
    noted = [one for one in (await status(stack))["findings"] if one["kind"] == "paused"]
    assert ["and 2 commands wait" in one["text"] for one in noted] == [True]
    assert (await run(stack, *noted[0]["command"].split()[1:])).code == 0
    while (found := await shown(stack, "commands", "show", "wait-2"))["state"] != "succeeded":
        assert time.monotonic() < ends_s, found
    assert (found["waits_for"], len(found["results"]), found["results"][0]["attempts"]) == (None, 1, 1)


async def test_an_unknown_command_is_refused_with_advice(stack: Cluster) -> None:
    made = await run(stack, "commands", "show", "nobody-sent-this")
    assert (made.code, "There is no command 'nobody-sent-this'" in made.text) == (1, True)


@pytest.mark.long
async def test_a_killed_executor_leaves_tasks_without_an_owner(stack: Cluster) -> None:
    stack.processes["executor"].kill()
    killed_s = time.monotonic()
    lost = {"no_owner", "no_process"}
    await until(
        stack,
        lambda found: any(one["kind"] in lost and one["command"] == "stripeline executor" for one in found["findings"]),
    )
    # Its last report is 5 s old at most: within its session, and a look takes some seconds on a busy machine.
    assert time.monotonic() - killed_s < 30
    found = await until(stack, lambda found: "stale" in kinds(found))
    assert [one["stale"] for one in found["processes"] if one["name"] == "executor/executor-0"] == [True]
    stack.add("executor", "executor", STRIPELINE_INSTANCE_ID="executor-0")  # its own name: the report is young again
    await until(stack, lambda found: "stale" not in kinds(found) and not found["needs_person"])


async def test_a_process_that_ends_cleanly_leaves_no_report(stack: Cluster) -> None:
    second = stack.add("second", "ingest", STRIPELINE_INGEST_PORT="0", STRIPELINE_INSTANCE_ID="b")
    await second.ready()
    await until(stack, lambda found: "ingest/b" in {one["name"] for one in found["processes"]})
    assert await second.end() == 0
    found = await status(stack)
    assert "ingest/b" not in {one["name"] for one in found["processes"]}
    del stack.processes["second"]


async def test_watch_draws_again_and_ends_with_ctrl_c(stack: Cluster) -> None:
    watched = await run(stack, "status", "--watch", answers=[("executor      1", CTRL_C)])
    assert (watched.code, "Traceback" in watched.text) == (0, False)
    assert watched.screen.splitlines()[0].startswith("stripeline ")
    assert (await run(stack, "status", "--watch", "--json")).code == 2


async def test_a_kafka_that_is_away_is_a_finding_with_its_cause(stack: Cluster, tmp_path: Path) -> None:
    away = await asyncio.to_thread(
        on_terminal, ("status",), env={**stack.environment, "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}, cwd=tmp_path
    )
    assert (away.code, "nothing listens at 127.0.0.1:1" in away.text) == (1, True)
    asked = ("status", "--json", "--kafka-bootstrap-servers", "127.0.0.1:1")
    (finding,) = json.loads((await run(stack, *asked, columns=2_000)).text)["findings"]
    assert finding["command"].endswith(" --kafka-bootstrap-servers 127.0.0.1:1")
    assert "WORK STOPS" in away.text
