"""The example programs of docs/examples, as another team runs them: on a real Kafka, with real processes and a sandbox.

Each is judged by what it prints, how it ends, and what was done at Stripe.
"""

import asyncio
import os
import re
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio
from aiokafka.partitioner import DefaultPartitioner

from stripeline.deploy.local.kafka_jars import fetch
from tests.support.broker import Broker
from tests.support.cluster import Cluster, cluster
from tests.support.end_state import read_topic
from tests.support.money import deliver, effects
from tests.support.tools import jar_version, java_program, node, npm_project

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
JAVA = EXAMPLES / "java" / "StripelineExample.java"
SHOWN = (EXAMPLES.parent / "for-other-teams.md").read_text(encoding="utf-8")
pytestmark = pytest.mark.asyncio(loop_scope="module")
TIERS = "9s,1h"  # longer than a program is told to wait here
KEY = b"crm-user-4711"
Command = Sequence[str | Path]


def _python() -> Command:
    return (sys.executable, EXAMPLES / "python" / "stripeline_example.py")


def _java() -> Command:
    return java_program(JAVA)


def _javascript() -> Command:
    return (node(), npm_project(EXAMPLES / "javascript") / "stripeline-example.js")


PROGRAMS: Mapping[str, Callable[[], Command]] = {"python": _python, "java": _java, "javascript": _javascript}


@pytest.fixture(scope="module", params=PROGRAMS)
def program(request: pytest.FixtureRequest) -> tuple[str, Command]:
    return request.param, PROGRAMS[request.param]()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def found(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    """One stack for all programs, each in groups of its own: three payments on their topic, the first of them twice."""
    folder = tmp_path_factory.mktemp("cluster")
    async with cluster(broker.bootstrap_servers, f"t{secrets.token_hex(3)}.", folder, retry_tiers=TIERS) as running:
        running.add("executor", "executor")
        await running.ready()
        for number in (1, 1, 2, 3):
            await pay(running, f"evt_{number}")
        yield running


async def pay(found: Cluster, event_id: str) -> None:
    await deliver(found, "payment_intent.succeeded", {"id": "pi_1"}, event_id)


async def run(found: Cluster, command: Command, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "KAFKA_BOOTSTRAP_SERVERS": found.settings.kafka_bootstrap_servers,
        "TOPIC_PREFIX": found.settings.topics.prefix,
        **settings,
    }
    how = partial(subprocess.run, env=environment, capture_output=True, text=True, check=False, timeout=90)
    return await asyncio.to_thread(how, [*map(str, command)])


async def test_it_handles_each_event_once_and_shows_its_result(
    found: Cluster, program: tuple[str, Command], note: Callable[[str], None]
):
    name, command = program
    done = await run(found, command)
    note(f"{name}:\n{done.stdout}{done.stderr}")
    assert (done.returncode, done.stderr) == (0, "")
    *_, sent, result = [line.split() for line in done.stdout.splitlines()]
    (effect,) = (await effects(found))[sent[1]]
    assert result == ["result", sent[1], "succeeded", effect["id"]]
    assert f"```\n{_without_ids(done.stdout)}```" in _without_ids(SHOWN)
    await _under_its_key(found)
    await pay(found, f"evt_{name}_4")
    failed = await run(found, command, CONNECTION="nobody", EVENTS="1")
    assert (failed.returncode, failed.stderr) == (1, "")
    event, sent, result = [line.split() for line in failed.stdout.splitlines()]
    # What was handled is committed: the group goes on behind it.
    assert event[1].endswith("_4")
    assert result[:4] == ["result", sent[1], "failed", "VALIDATION_ERROR"]
    await _waits_no_longer_than_it_is_told(found, name, command)


async def _waits_no_longer_than_it_is_told(found: Cluster, name: str, command: Command) -> None:
    too_few = await run(found, command, TIMEOUT_S="2", EVENTS="99")
    assert (too_few.returncode, "command" in too_few.stdout) == (1, False)
    assert re.match(r"failed: waited 2 s for \d+ (more )?events on ", too_few.stderr)
    await pay(found, f"evt_{name}_5")
    await found.sandbox("/faults", {"match": {"path": "/v1/customers"}, "fault": {"status": 429}, "times": 1})
    waited = await run(found, command, TIMEOUT_S="6", EVENTS="1")
    assert (waited.returncode, len(waited.stdout.splitlines())) == (1, 2)
    assert re.match(r"failed: waited 6 s for a result of crm-", waited.stderr)


def _without_ids(text: str) -> str:
    """What is the same in each run."""
    return re.sub(r"\b(crm|cus)[-_][0-9a-f-]{24,36}\b", r"\1", text)


async def _under_its_key(found: Cluster) -> None:
    """Every command stands where a client that hashes by murmur2 puts its key, and its result beside it."""
    partitions = list(range(found.settings.partitions))
    wanted = DefaultPartitioner()(KEY, partitions, partitions)
    for topic in (found.settings.topics.command, found.settings.topics.result):
        records = await read_topic(found.settings.kafka_bootstrap_servers, topic, len(partitions))
        assert {(record.key, record.partition) for record in records} == {(KEY, wanted)}


async def test_the_java_program_names_the_versions_it_is_tested_with():
    kafka = fetch()
    named = dict(re.findall(r"^//DEPS [\w.]+:([\w-]+):([\d.]+)$", JAVA.read_text(encoding="utf-8"), re.MULTILINE))
    assert named == {name: jar_version(kafka, name) for name in ("kafka-clients", "jackson-databind")}
