"""Endpoints with real processes: destinations made at the sandbox, secrets rolled, commands killed."""

import asyncio
import itertools
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import orjson
import pytest

from stripeline.workers.kafka.control_table import read_all
from tests.support.broker import Broker
from tests.support.cluster import KEY, Cluster, cluster
from tests.support.end_state import event_records
from tests.support.product_sources import ROOT

pytestmark = pytest.mark.timeout(600)
FILE = """
connections:
  acme: {secret_key: "${env:ACME_KEY}"}
triggers:
  people: {kind: stripe/customer-event, connection: acme}
  cards: {kind: stripe/charge-event, connection: acme}
endpoints:
  shop: {connection: acme, triggers: [people, cards], url: "http://127.0.0.1:PORT"}
"""
VERSIONS = ("2026-10-28.endive", "2025-09-30.clover")
POINTS = "api.manage:,kafka.send_and_wait:"
"""Each request that changes Stripe, and each record of the audit and control topics."""


class Shop:
    """A cluster whose endpoint's destinations are made by the command."""

    def __init__(self, found: Cluster) -> None:
        self.cluster, self.customers = found, 0

    def write(self, **changes: str) -> None:
        more = "".join(f", {name}: {value}" for name, value in changes.items())
        text = FILE.replace("PORT", str(self.cluster.ingest_port))
        (self.cluster.folder / "shop.yaml").write_text(f"{text.rstrip().removesuffix('}')}{more}}}\n")

    def popen(self, module: str, *arguments: str) -> "subprocess.Popen[str]":
        environment = {**os.environ, **self.cluster.environment, "ACME_KEY": KEY, "PYTHONPATH": str(ROOT)}
        return subprocess.Popen(
            [sys.executable, "-m", module, *arguments], cwd=self.cluster.folder, text=True, env=environment,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    async def command(self, *arguments: str) -> tuple[int, str]:
        child = self.popen("stripeline.deploy", *arguments)
        said, _ = await asyncio.to_thread(child.communicate, timeout=120)
        assert KEY not in said
        assert "whsec_" not in said
        return child.returncode, said

    async def done(self, *arguments: str) -> str:
        code, said = await self.command(*arguments)
        assert code == 0, said
        return said

    async def killed_at(self, point: int, *arguments: str) -> str | None:
        """Run a command that ends with SIGKILL at this point. Which it was, None where the command was done before."""
        child = self.popen("tests.support.dying_process", str(point), POINTS, *arguments)
        said, _ = await asyncio.to_thread(child.communicate, timeout=120)
        if child.returncode == 0:
            return None
        assert child.returncode == -signal.SIGKILL, said
        return said.splitlines()[-1]

    async def comes(self) -> None:
        """A customer is made at Stripe, and its event comes."""
        self.customers += 1
        headers = {"Authorization": f"Bearer {KEY}"}
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"{self.cluster.sandbox_url}/v1/customers", data={}, headers=headers) as answer,
        ):
            assert answer.status == 200, await answer.text()
        async with asyncio.timeout(40):
            while len(await self.events()) < self.customers:  # noqa: ASYNC110
                await asyncio.sleep(0.2)

    async def events(self) -> set[str]:
        return {orjson.loads(record.value)["id"] for record in await event_records(self.cluster, "customer-event")}

    async def made(self) -> list[str]:
        """Ids at the sandbox, which are those whose secrets are stored."""
        stored = (await read_all(self.cluster.settings.topics.control, self.cluster.client)).destinations
        known = sorted(one.id for held in stored.values() for one in held.destinations)
        there = (await self.cluster.sandbox("/destinations"))["destinations"]
        assert sorted(one["id"] for one in there) == known
        return known


@asynccontextmanager
async def shop(broker: Broker, prefix: str, folder: Path) -> AsyncIterator[Shop]:
    async with cluster(broker.bootstrap_servers, prefix, folder) as found:
        await found.ready()
        one = Shop(found)
        one.write()
        await one.done("apply", "shop.yaml")
        yield one


@pytest.mark.long
async def test_an_endpoint_is_made_rolled_checked_and_removed(broker: Broker, prefix: str, tmp_path: Path):
    async with shop(broker, prefix, tmp_path) as at:
        code, said = await at.command("endpoints", "check")
        assert (code, "Stripe has no destination that sends snapshot events" in said) == (1, True), said
        plan = orjson.loads(await at.done("endpoints", "plan", "--json"))
        assert [one["step"] for one in plan["steps"]] == ["create"]
        code, said = await at.command("endpoints", "apply")
        assert (code, "--yes" in said) == (1, True)
        await at.done("endpoints", "apply", "--yes", "--why", "a new shop")
        (first,) = await at.made()
        await at.comes()
        said = await at.done("endpoints", "roll", "shop", "--yes")
        assert "a delivery was verified with its secret" in said
        (second,) = await at.made()
        assert second != first
        await at.comes()
        assert "1 endpoints are as they should be" in await at.done("endpoints", "check")
        await at.cluster.sandbox("/destinations", {"id": second, "disabled_for": "user"})
        code, said = await at.command("endpoints", "check", "--json")
        assert (code, [one["kind"] for one in orjson.loads(said)["troubles"]]) == (1, ["disabled"])
        assert "enable it, which is disabled (user)" in await at.done("endpoints", "apply", "--yes")
        await at.comes()
        assert second in await at.done("get", "endpoints")
        assert "shop" in await at.done("keys", "status")
        await at.done("delete", "endpoint", "shop", "--yes")
        await at.done("endpoints", "apply", "--yes")
        assert await at.made() == []


EFFECTS = ("audit", "POST /v2/core/event_destinations", "control", "DELETE", "control")
"""What both commands do outside, in this order; `roll` also pings what it made."""


@pytest.mark.long
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("doing", [("apply",), ("roll", "shop")], ids=["apply", "roll"])
async def test_a_command_killed_anywhere_leaves_a_working_endpoint(
    broker: Broker, prefix: str, tmp_path: Path, doing: tuple[str, ...]
):
    killed: list[str] = []
    async with shop(broker, prefix, tmp_path) as at:
        await at.done("endpoints", "apply", "--yes")
        await at.comes()
        for point in itertools.count():
            at.write(**({"api_version": VERSIONS[point % 2]} if doing == ("apply",) else {}))
            await at.done("apply", "shop.yaml", "--yes")
            where = await at.killed_at(point, "endpoints", *doing, "--yes")
            await at.comes()
            if where is None:
                break
            killed.append(where)
            await at.done("endpoints", "apply", "--yes")
            assert len(await at.made()) == 1, where
            await at.comes()
            assert "as they should be" in await at.done("endpoints", "check")
        assert len(await at.made()) == 1
    left = iter(killed)
    for effect in EFFECTS:
        for when in ("before", "after"):
            assert any(when in one and effect in one for one in left), (effect, killed)
    pings = [one for one in killed if one.endswith("/ping")]
    assert (len(pings) >= len(("before", "after"))) == (doing[0] == "roll"), killed
