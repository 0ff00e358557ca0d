"""A real Prometheus on loopback, which scrapes what a test names, every second."""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from stripeline.deploy.local.kafka import free_port
from tests.support.prometheus import PROGRAMS

READY_S = 30.0


@dataclass(frozen=True, slots=True)
class Prometheus:
    url: str
    session: aiohttp.ClientSession

    async def get(self, path: str, **query: str) -> Any:
        async with self.session.get(f"{self.url}/api/v1/{path}", params=query) as answer:
            body = await answer.json()
            assert body["status"] == "success", body
            return body["data"]

    async def series(self, expression: str) -> Sequence[Any]:
        """What an expression returns now."""
        found: Sequence[Any] = (await self.get("query", query=expression))["result"]
        return found


@asynccontextmanager
async def prometheus(folder: Path, ports: Mapping[str, int], rules: Path) -> AsyncIterator[Prometheus]:
    """ports: what to scrape on this machine, by the name of its job."""
    jobs = [{"job_name": job, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]} for job, port in ports.items()]
    every = {"scrape_interval": "1s", "evaluation_interval": "5s"}
    config = folder / "prometheus.yml"
    config.write_text(json.dumps({"global": every, "rule_files": [str(rules)], "scrape_configs": jobs}))
    port = free_port()
    command = [
        PROGRAMS / "prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]  # fmt: skip
    with (folder / "prometheus.log").open("wb") as log:
        child = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)  # noqa: ASYNC220  it only starts
    try:
        async with aiohttp.ClientSession() as session:
            await _ready(session, f"http://127.0.0.1:{port}/-/ready")
            yield Prometheus(f"http://127.0.0.1:{port}", session)
    finally:
        child.terminate()
        child.wait(10)


async def _ready(session: aiohttp.ClientSession, url: str) -> None:
    async with asyncio.timeout(READY_S):
        while True:
            try:
                async with session.get(url) as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.1)
