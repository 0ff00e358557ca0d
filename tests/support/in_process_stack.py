"""The whole product in the test's own process, on a real Kafka and the sandbox: for what only its inside shows."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.trace import Tracer
from prometheus_client import generate_latest

from stripeline.deploy.local.kafka import free_port
from stripeline.deploy.operations.topics import apply
from stripeline.deploy.runtime import shared as shared_base
from stripeline.deploy.runtime.executor_process import executor_part
from stripeline.deploy.runtime.ingest_process import ingest_part
from stripeline.deploy.runtime.process.admin_server import failing
from stripeline.deploy.runtime.router_process import router_part
from stripeline.deploy.runtime.shared import Shared, open_shared
from stripeline.deploy.sandbox.http_server import SandboxServer
from stripeline.deploy.settings.settings import load_settings
from stripeline.workers.secrets.vault import new_master_key
from tests.support.cluster import CONFIG, Cluster, configure
from tests.support.records import INSTALLATION


@dataclass(frozen=True, slots=True)
class InProcessStack:
    shared: Shared
    sandbox: SandboxServer
    cluster: Cluster

    @property
    def metrics(self) -> str:
        """What /metrics answers."""
        return generate_latest(self.shared.registry).decode()


@asynccontextmanager
async def in_process_stack(
    bootstrap: str, prefix: str, folder: Path, monkeypatch: pytest.MonkeyPatch, *, tracer: Tracer | None = None,
    config: str = CONFIG, **settings: Any,
) -> AsyncIterator[InProcessStack]:  # fmt: skip
    """Ingest, router and executor, from ready until the end of the block."""
    monkeypatch.setattr(shared_base, "installed_tracer", lambda: tracer)
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(SandboxServer(port=0))
        values = load_settings(
            {
                "kafka_bootstrap_servers": bootstrap, "topic_prefix": prefix, "partitions": 2,
                "master_key": new_master_key(), "stripe_api_base": sandbox.url, "ingest_host": "127.0.0.1",
                "ingest_port": free_port(), "retry_tiers": "200ms,400ms,30s", **settings,
            }
        )  # fmt: skip
        cluster = Cluster(values, {}, folder, sandbox.url, values.ingest_port)
        await apply(values.topics, values.partitions, cluster.client, wanted=INSTALLATION)
        await configure(cluster, config)
        shared = await stack.enter_async_context(open_shared(values))
        shared.checks.pop("topics")
        stop = asyncio.Event()
        parts = asyncio.gather(*(part(shared, stop) for part in (ingest_part, router_part, executor_part)))
        try:
            async with asyncio.timeout(60):
                while len(shared.checks) < 6 or failing(shared.checks):
                    if parts.done():
                        await parts
                    await asyncio.sleep(0.02)
            yield InProcessStack(shared, sandbox, cluster)
        finally:
            stop.set()
            await parts
