"""The whole product on this machine: Kafka, the sandbox, and ingest, router, executor and console in one process.

For trying out, never for real money: the keys are made up, and the sandbox moves none.
"""

import asyncio
import getpass
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from stripeline.deploy.console.auth.one_time_link import OneTimeLinks
from stripeline.deploy.console.auth.sign_in_choice import sign_in_of
from stripeline.deploy.definitions.account_questions import account_records, learn
from stripeline.deploy.definitions.diff import diff, publication
from stripeline.deploy.definitions.load import load
from stripeline.deploy.failure import FailureError
from stripeline.deploy.local.kafka import KafkaSpec, LocalKafka
from stripeline.deploy.operations.topics import apply as apply_topics
from stripeline.deploy.runtime.admin_port import admin_port
from stripeline.deploy.runtime.console_process import console_part
from stripeline.deploy.runtime.executor_process import executor_part
from stripeline.deploy.runtime.ingest_process import ingest_part
from stripeline.deploy.runtime.process.admin_server import failing
from stripeline.deploy.runtime.reporting.process_report import reporter_of
from stripeline.deploy.runtime.reporting.reporter import reporting
from stripeline.deploy.runtime.router_process import router_part
from stripeline.deploy.runtime.shared import Shared, open_shared
from stripeline.deploy.sandbox.http_server import SandboxServer
from stripeline.deploy.settings.kafka_options import kafka_client_options
from stripeline.deploy.settings.settings import Settings, load_settings
from stripeline.workers.kafka.control_table import publish, read_all
from stripeline.workers.secrets.vault import Vault, new_master_key

EXAMPLE = Path(__file__).with_name("example.yaml")
SECRETS: Mapping[str, str] = {
    "ACME_STRIPE_KEY": "sk_test_sandboxacme",
    "ACME_PAYMENTS_WHSEC": "whsec_sandboxpayments",
    "ACME_CHARGES_WHSEC": "whsec_sandboxcharges",
    "ACME_CUSTOMERS_WHSEC": "whsec_sandboxcustomers",
}
"""Made up, and known to everybody who reads this: they open the sandbox and nothing else."""

READY_S = 120.0
"""After a kill, Kafka keeps the new members of a group waiting for the former ones: up to 45 s were seen."""
Progress = Callable[[str], None]
Part = Callable[[Shared, asyncio.Event], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A stack that is ready. links: what lets its user into the console."""

    settings: Settings
    client: Mapping[str, Any]
    sandbox: SandboxServer
    ports: "Ports"
    ingest_url: str
    links: OneTimeLinks = field(default_factory=OneTimeLinks)

    @property
    def console_url(self) -> str:
        return f"http://127.0.0.1:{self.ports.console}"

    def console_link(self) -> str:
        """A link that lets one person into the console, once, within ten minutes."""
        return self.links.new(self.console_url, user=_user(), now_s=time.monotonic())


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Where things listen. console: None for no console."""

    kafka: int
    sandbox: int
    ingest: int
    admin: int
    console: int | None = None


@asynccontextmanager
async def local_stack(
    progress: Progress, ports: Ports, *, data_dir: Path | None = None, overrides: Mapping[str, Any]
) -> AsyncIterator[Stack]:
    """Start everything, apply the example configuration, and yield when all is ready. Ends all of it afterwards."""
    async with AsyncExitStack() as stack:
        folder = data_dir or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stripeline-")))
        kafka = LocalKafka(KafkaSpec(port=ports.kafka, data_dir=folder / "kafka"))
        stack.push_async_callback(kafka.stop)
        await kafka.start(progress)
        progress("Starting the sandbox Stripe")
        sandbox = await stack.enter_async_context(SandboxServer(port=ports.sandbox))
        settings = load_settings(
            {
                "master_key": new_master_key(),
                "partitions": 4,
                "kafka_bootstrap_servers": kafka.bootstrap_servers,
                "stripe_api_base": sandbox.url,
                "ingest_host": "127.0.0.1",
                "ingest_port": ports.ingest,
                "admin_host": "127.0.0.1",
                "admin_port": ports.admin,
                "console_host": "127.0.0.1",
                "console_port": ports.console or 0,
                "console_store": str(folder / "console.db"),
                **overrides,
            }
        )
        client = kafka_client_options(settings)
        progress("Creating the topics and applying the example configuration")
        await apply_topics(settings.topics, settings.partitions, client)
        await _configure(settings, client)
        found = Stack(
            settings=settings, client=client, sandbox=sandbox, ports=ports,
            ingest_url=f"http://127.0.0.1:{ports.ingest}/webhooks",
        )  # fmt: skip
        people = partial(sign_in_of, settings, links=found.links)
        console = () if ports.console is None else (partial(console_part, sign_in=people),)
        progress(f"Starting ingest, router{', executor and console' if console else ' and executor'}")
        await stack.enter_async_context(_processes(settings, ingest_part, router_part, executor_part, *console))
        yield found


def _user() -> str:
    """Who acts in the console: as the command line says it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "local"


async def _configure(settings: Settings, client: Mapping[str, Any]) -> None:
    stored = await read_all(settings.topics.control, client)
    vault = Vault.from_ring(settings.master_keys)
    wanted = load(EXAMPLE, vault, stored, SECRETS.get)
    learned = await learn(settings, vault, stored, wanted)
    changes = {**account_records(learned), **publication(diff(stored.by_key(), wanted), wanted)}
    if changes:
        await publish(settings.topics.control, client, changes)


@asynccontextmanager
async def _processes(settings: Settings, *parts_of: Part) -> AsyncIterator[None]:
    """These parts in this process, with one admin port, from ready until the end."""
    stop = asyncio.Event()
    async with open_shared(settings) as shared, admin_port(shared):
        shared.checks.pop("topics")  # just created
        async with reporting(reporter_of(shared, "up")):
            parts = asyncio.gather(*(part(shared, stop) for part in parts_of))
            try:
                await _ready(shared.checks, parts)
                yield
            finally:
                stop.set()
                await parts


async def _ready(checks: Mapping[str, Callable[[], str | None]], parts: "asyncio.Future[Any]") -> None:
    deadline = asyncio.get_running_loop().time() + READY_S
    while len(checks) < 5 or failing(checks):  # noqa: PLR2004  (control, publisher, keys, router, executor)
        if parts.done():
            await parts
        if asyncio.get_running_loop().time() > deadline:
            missing = "; ".join(failing(checks).values())
            raise FailureError(
                f"The stack is not ready after {READY_S:g} s: {missing}. Try again; then look at the log."
            )
        await asyncio.sleep(0.02)
