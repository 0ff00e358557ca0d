"""A real Prometheus scrapes the running product: each panel shows a line, and each rule finds what it asks for.

What only a fault shows comes from a page of samples, `tests/support/fault_samples.txt`; all else from real processes.
"""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
from aiohttp import web
from pydantic import SecretStr

from stripeline.deploy.local.example_events import example_event
from stripeline.deploy.local.kafka import free_port
from stripeline.deploy.local.webhook_sender import deliver
from stripeline.deploy.telemetry.alerts_page import rules
from tests.support.broker import Broker
from tests.support.cluster import SECRET, Cluster, cluster
from tests.support.console_stack import BEHIND_PROXY, ConsoleStack
from tests.support.product_sources import ROOT
from tests.support.prometheus import FILES
from tests.support.prometheus_server import Prometheus, prometheus
from tests.support.promql import Selector, asked, mistakes

SAMPLES = (ROOT / "tests" / "support" / "fault_samples.txt").read_text(encoding="utf-8")
CONFIG = (ROOT / "tests" / "support" / "telemetry.yaml").read_text(encoding="utf-8")
LIMITED = CONFIG.replace("endpoint: 250}", "endpoint: 250}, limits: {effects_per_hour: 50000}")
WITHIN_S = 60.0
CHOSEN = {"$namespace": ".*", "$job": ".*", "$connection": ".*", "$__rate_interval": "30s"}


def panel_queries() -> Iterator[str]:
    for file in sorted((ROOT / "deploy" / "grafana" / "dashboards").glob("*.json")):
        for panel in json.loads(file.read_text(encoding="utf-8"))["panels"]:
            for target in panel.get("targets", ()):
                yield re.sub(r"\$\w+", lambda found: CHOSEN[found[0]], target["expr"])


def rule_queries() -> Iterator[str]:
    """The selectors of each rule: its whole expression has a value only while it fires."""
    for _, rule in rules((FILES / "alerts.yaml").read_text(encoding="utf-8")):
        yield from map(_text, asked(rule["expr"]).selectors)


def _text(one: Selector) -> str:
    return one.name + "{" + ",".join(f'{label}{how}"{text}"' for label, how, text in one.matchers) + "}"


def paid(number: int, amount: int = 6_000) -> bytes:
    intent = {"id": f"pi_{number}", "amount": amount, "receipt_email": "ada@example.com"}
    return example_event("payment_intent.succeeded", intent, event_id=f"evt_{number:04}")


async def traffic(found: Cluster, console: str) -> None:
    """Until it is cancelled: what succeeds, what is declined, what is refused, and somebody who looks at a page."""
    number = 0
    async with aiohttp.ClientSession() as session:
        while True:
            number += 3
            other = example_event("charge.succeeded", {"id": "ch_1"})
            await send(found, paid(number), paid(number + 1, amount=4002), other)
            await send(found, paid(number), secret="whsec_of_another_trigger")
            await send(found, paid(number), skew_s=-600)
            for headers in (ConsoleStack.proxy_headers(), {}):
                with suppress(aiohttp.ClientError):
                    (await session.get(f"{console}/runs", headers=headers)).release()
            await asyncio.sleep(0.5)


async def send(found: Cluster, *bodies: bytes, secret: str = SECRET, skew_s: int = 0) -> None:
    answers = deliver(found.url, SecretStr(secret), list(bodies), lambda: int(time.time()) + skew_s)
    assert [answer.status async for answer in answers]


async def shown(_: web.Request) -> web.Response:
    return web.Response(text=SAMPLES)


@asynccontextmanager
async def faults() -> AsyncIterator[int]:
    """The port that the samples are served at."""
    app, port = web.Application(), free_port()
    app.router.add_get("/metrics", shown)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield port
    finally:
        await runner.cleanup()


async def without_series(server: Prometheus, queries: Sequence[str]) -> list[str]:
    return [query for query in queries if not await server.series(query)]


async def test_each_panel_and_rule_finds_its_series(broker: Broker, prefix: str, tmp_path: Path):
    queries = list(dict.fromkeys((*panel_queries(), *rule_queries())))
    port = free_port()
    async with cluster(broker.bootstrap_servers, prefix, tmp_path, config=LIMITED, retry_tiers="200ms,1m") as found:
        found.add("worker", "worker")
        found.add("receivers", "ingest", "--processes", "2", STRIPELINE_INGEST_PORT=str(free_port()))
        found.add("console", "console", STRIPELINE_CONSOLE_PORT=str(port), **BEHIND_PROXY)
        await found.ready()
        ports = {name: one.admin_port or 0 for name, one in found.processes.items() if name != "sandbox"}
        sending = asyncio.create_task(traffic(found, f"http://127.0.0.1:{port}"))
        async with faults() as at, prometheus(tmp_path, {**ports, "faults": at}, FILES / "alerts.yaml") as server:
            missing = queries
            with suppress(TimeoutError):
                async with asyncio.timeout(WITHIN_S):
                    while missing:
                        await asyncio.sleep(0.5)
                        missing = await without_series(server, missing)
            loaded = [rule for group in (await server.get("rules"))["groups"] for rule in group["rules"]]
        sending.cancel()
    assert missing == []
    assert [rule["name"] for rule in loaded if rule["health"] == "err"] == []
    assert len(loaded) == len(list(rules((FILES / "alerts.yaml").read_text(encoding="utf-8"))))


def test_the_samples_are_of_metrics_that_exist():
    for line in SAMPLES.splitlines():
        if not line.startswith("#"):
            assert mistakes(line.rpartition(" ")[0]) == []
