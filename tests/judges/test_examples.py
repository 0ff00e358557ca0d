"""The example programs of docs/examples, as another team runs them: on a real Kafka, with real processes and a sandbox.

Each is judged by what it prints, how it ends, and what was done at Stripe.
"""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from aiokafka.partitioner import DefaultPartitioner

from deploy.local.kafka_jars import fetch
from tests.support.broker import Broker
from tests.support.checker import read_topic
from tests.support.cluster import Cluster, cluster
from tests.support.money import deliver, effects
from tests.support.tools import jar_version, java_program, node, npm_project

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
JAVA = EXAMPLES / "java" / "StripelineExample.java"
SHOWN = (EXAMPLES.parent / "for-other-teams.md").read_text(encoding="utf-8")
KEY = b"crm-user-4711"
EVENTS = 3
Command = Sequence[str | Path]


def _python() -> Command:
    return (sys.executable, EXAMPLES / "python" / "stripeline_example.py")


def _java() -> Command:
    return java_program(JAVA)


def _javascript() -> Command:
    return (node(), npm_project(EXAMPLES / "javascript") / "stripeline-example.js")


PROGRAMS: Mapping[str, Callable[[], Command]] = {"python": _python, "java": _java, "javascript": _javascript}


@pytest.fixture(scope="session", params=PROGRAMS)
def program(request: pytest.FixtureRequest) -> tuple[str, Command]:
    return request.param, PROGRAMS[request.param]()


@asynccontextmanager
async def delivered(broker: Broker, prefix: str, folder: Path, *roles: str) -> AsyncIterator[Cluster]:
    """Three payments on their topic, the first of them twice."""
    async with cluster(broker.bootstrap_servers, prefix, folder) as found:
        for role in roles:
            found.add(role, role)
        await found.ready()
        for number in (1, 1, 2, 3):
            await deliver(found, "payment_intent.succeeded", {"id": "pi_1"}, f"evt_{number}")
        yield found


async def run(found: Cluster, command: Command, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "KAFKA_BOOTSTRAP_SERVERS": found.settings.kafka_bootstrap_servers,
        "TOPIC_PREFIX": found.settings.topics.prefix,
        "EVENTS": str(EVENTS),
        **settings,
    }
    how = partial(subprocess.run, env=environment, capture_output=True, text=True, check=False, timeout=90)
    return await asyncio.to_thread(how, [*map(str, command)])


async def test_it_handles_each_event_once_and_has_its_command_done(
    broker: Broker, prefix: str, tmp_path: Path, program: tuple[str, Command], note: Callable[[str], None]
):
    name, command = program
    async with delivered(broker, prefix, tmp_path, "executor") as found:
        done = await run(found, command)
        note(f"{name}:\n{done.stdout}{done.stderr}")
        assert (done.returncode, done.stderr) == (0, "")
        *events, sent, result = [line.split() for line in done.stdout.splitlines()]
        assert events == [
            ["event", "evt_1", "payment_intent.succeeded", "pi_1"],
            ["again", "evt_1"],
            ["event", "evt_2", "payment_intent.succeeded", "pi_1"],
            ["event", "evt_3", "payment_intent.succeeded", "pi_1"],
        ]
        assert re.fullmatch(r"crm-[0-9a-f-]{36}", sent[1])
        (effect,) = (await effects(found))[sent[1]]
        assert sent == ["command", sent[1], "stripe/create-customer"]
        assert result == ["result", sent[1], "succeeded", effect["id"]]
        assert f"```\n{_without_ids(done.stdout)}```" in _without_ids(SHOWN)
        await _under_its_key(found)
        # What was handled is committed: the group goes on behind it, and nothing more comes.
        again = await run(found, command, TIMEOUT_S="6", EVENTS="1")
        assert (again.returncode, again.stdout) == (1, "")
        assert again.stderr.startswith("failed: waited 6 s for 1 ")


def _without_ids(text: str) -> str:
    """What is the same in each run."""
    return re.sub(r"\b(crm|cus)[-_][0-9a-f-]{24,36}\b", r"\1", text)


async def _under_its_key(found: Cluster) -> None:
    """The command stands where every client that hashes by murmur2 puts its key, and its result beside it."""
    partitions = list(range(found.settings.partitions))
    wanted = DefaultPartitioner()(KEY, partitions, partitions)
    for topic in (found.settings.topics.command, found.settings.topics.result):
        (record,) = await read_topic(found.settings.kafka_bootstrap_servers, topic, len(partitions))
        assert (record.key, record.partition) == (KEY, wanted)


async def test_it_tells_a_failure_from_an_outcome_that_did_not_come(
    broker: Broker, prefix: str, tmp_path: Path, program: tuple[str, Command]
):
    _, command = program
    async with delivered(broker, prefix, tmp_path) as found:
        waited = await run(found, command, TIMEOUT_S="6")
        assert (waited.returncode, len(waited.stdout.splitlines())) == (1, EVENTS + 2)
        assert re.match(r"failed: waited 6 s for a result of crm-", waited.stderr)
        found.add("executor", "executor")
        await found.ready()
        await deliver(found, "payment_intent.succeeded", {"id": "pi_1"}, "evt_4")
        failed = await run(found, command, CONNECTION="nobody", EVENTS="1")
        assert (failed.returncode, failed.stderr) == (1, "")
        assert re.search(r"^result +crm-\S+ failed VALIDATION_ERROR .*nobody", failed.stdout, re.MULTILINE)


def test_the_java_program_names_the_versions_that_it_is_judged_with():
    kafka = fetch()
    named = dict(re.findall(r"^//DEPS [\w.]+:([\w-]+):([\d.]+)$", JAVA.read_text(encoding="utf-8"), re.MULTILINE))
    assert named == {name: jar_version(kafka, name) for name in ("kafka-clients", "jackson-databind")}
