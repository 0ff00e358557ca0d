"""The previous release beside this one under traffic: rolled forward one process at a time, back, and forward again.

Two processes of each role. Every promise is checked when it is over, and in the middle each version reads what the
other wrote to the control topic, the reports, the runs and the commands.
"""

import asyncio
import json
import os
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from stripeline.deploy.running_version import running_version
from tests.cluster.conftest import UnderTraffic
from tests.faults.world import World
from tests.support.broker_cluster import Layout
from tests.support.cluster import Process
from tests.support.previous_release import Release, previous_release
from tests.support.scripted_workers import until

FORWARD = ("executor-0", "executor-1", "router-0", "router-1", "ingest", "ingest-1")
"""The order of docs/upgrade.md: those that read what the next ones write come first."""
BACK = FORWARD[::-1]
TAKEN = re.compile(r"^stripeline_(?:records|deliveries)_total\{.*\} ([0-9.e+]+)$", re.MULTILINE)
PRESENT = Release(running_version())


@pytest.mark.timeout(3_600)
async def test_two_versions_share_one_kafka(
    traffic: UnderTraffic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config
) -> None:
    former = await asyncio.to_thread(previous_release, tmp_path / "previous")
    assert former.version != PRESENT.version
    monkeypatch.setenv("PYTHONPATH", former.path)  # every process begins as the previous release
    until_s = time.monotonic() + 60 * float(pytestconfig.getoption("--minutes"))
    one_broker = Layout(brokers=1, replication=1, min_isr=1)
    async with traffic(f"{former.version} and {PRESENT.version} mixed", one_broker, receivers=2) as world:
        await has_worked(world.process("ingest"), former)
        middle = len(FORWARD) // 2
        await rolled(world, FORWARD[:middle], PRESENT)
        await understand_each_other(world, former, PRESENT)
        await rolled(world, FORWARD[middle:], PRESENT)
        await rolled(world, BACK, former)
        await rolled(world, FORWARD, PRESENT)
        while time.monotonic() < until_s:
            await rolled(world, BACK, former)
            await rolled(world, FORWARD, PRESENT)


async def rolled(world: World, names: Sequence[str], to: Release) -> None:
    """Each process replaced in turn."""
    for name in names:
        await replaced(world, world.process(name), to)


async def replaced(world: World, process: Process, release: Release) -> None:
    """SIGTERM, and the other version under the same name; it is not done before that has worked."""
    assert await world.restart(process, release.environment) == 0, process.tail()
    await process.ready()
    await has_worked(process, release)


async def has_worked(process: Process, release: Release) -> None:
    async def counted() -> bool:
        text = await process.page("/metrics")
        assert f'stripeline_build_info{{version="{release.version}"}} 1.0' in text, process.name
        return sum(map(float, TAKEN.findall(text))) > 0

    await until(counted, f"{process.name} works as {release.version}", within_s=60)


async def understand_each_other(world: World, one: Release, other: Release) -> None:
    """Each version writes to the control topic what the other goes by, and lists the reports and records of both."""
    for writer, reader in ((one, other), (other, one)):
        await command(world, writer, "pause", "connection", "beta", "--why", "versions are mixed")
        connections = {found["name"]: found for found in await listed(world, reader, "get", "connections")}
        assert "paused" in str(connections["beta"]), connections
        await command(world, reader, "resume", "connection", "beta", "--why", "versions are mixed")
        runs = await listed(world, reader, "runs", "list", "--limit", "20")
        assert {run["status"] for run in runs} <= {"running", "succeeded", "stopped"}, runs
    for release in (one, other):
        status = await command(world, release, "status", "--json", codes=(0, 1))
        versions = {row["version"] for row in json.loads(status)["processes"]}
        assert versions == {one.version, other.version}, status


async def listed(world: World, release: Release, *arguments: str) -> Any:
    return json.loads(await command(world, release, *arguments, "--json"))


async def command(world: World, release: Release, *arguments: str, codes: Sequence[int] = (0,)) -> str:
    """What `stripeline …` of a version printed."""
    environment = {**os.environ, **world.found.environment, **release.environment}
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "stripeline.deploy", *arguments, env=environment, cwd=world.found.folder,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await child.communicate()
    assert child.returncode in codes, f"{release.version}: {' '.join(arguments)}\n{err.decode()}{out.decode()}"
    return out.decode()
