"""The product as real processes on a real Kafka: started, killed, stopped and started again, as a test says."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from stripeline.deploy.definitions.diff import diff, publication
from stripeline.deploy.definitions.load import load
from stripeline.deploy.local.kafka import free_port
from stripeline.deploy.operations.topics import apply as apply_topics
from stripeline.deploy.settings.kafka_options import kafka_client_options
from stripeline.deploy.settings.settings import Settings, load_settings
from stripeline.workers.kafka.control_table import publish, read_all
from stripeline.workers.secrets.vault import Vault, new_master_key
from tests.support.records import INSTALLATION

READY_S = 60.0
SECRET = "whsec_test"
KEY = "sk_test_e2e"
TWO_STEPS = """
triggers:
  payments: {kind: stripe/payment-event, connection: acme, signing_secrets: ["${env:ACME_WHSEC}"]}
workflows:
  two-steps:
    trigger: payments
    types: [payment_intent.succeeded]
    where: "data.amount >= 50"
    steps:
      - {id: customer, action: stripe/create-customer, input: {email: "=data.receipt_email"}}
      - id: deposit
        action: stripe/create-payment-intent
        input: {amount: "=data.amount", currency: eur, customer: "=steps.customer.id"}
"""
CONFIG = (
    """
connections:
  acme: {secret_key: "${env:ACME_KEY}"}
"""
    + TWO_STEPS
)


@dataclass
class Process:
    """One `stripeline …` process."""

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    admin_port: int | None = None
    child: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    def start(self) -> None:
        command = [sys.executable, "-m", "stripeline.deploy", *self.arguments]
        with self.log.open("ab") as log:
            self.child = subprocess.Popen(
                command, env={**os.environ, **self.environment}, stdout=log, stderr=log, start_new_session=True
            )

    def signal(self, number: int) -> None:
        assert self.child is not None
        self.child.send_signal(number)

    def kill(self) -> None:
        if self.child is not None and self.child.poll() is None:
            self.child.kill()
            self.child.wait()

    async def end(self, within_s: float = 30) -> int:
        """SIGTERM, and the exit code. Raises TimeoutError."""
        assert self.child is not None
        self.child.send_signal(signal.SIGTERM)
        return await asyncio.to_thread(self.child.wait, within_s)

    async def ready(self, within_s: float = READY_S) -> None:
        """Wait until /readyz says so. Fails with the log when the process has ended."""
        assert self.child is not None
        said: Any = None
        try:
            async with asyncio.timeout(within_s), aiohttp.ClientSession() as session:
                while True:
                    if self.child.poll() is not None:
                        raise AssertionError(f"{self.name} ended with {self.child.returncode}:\n{self.tail()}")
                    try:
                        async with session.get(f"http://127.0.0.1:{self.admin_port}/readyz") as answer:
                            said = await answer.text()
                            if answer.status == 200:
                                return
                    except aiohttp.ClientError as error:
                        said = repr(error)
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"{self.name} is not ready after {within_s} s: {said}\n{self.tail()}") from None

    async def page(self, path: str) -> str:
        """What its admin port answers, such as for `/metrics`."""
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{self.admin_port}{path}") as answer,
        ):
            return await answer.text()

    def tail(self, lines: int = 30) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


@dataclass
class Cluster:
    """Topics, configuration, a sandbox, and processes of every kind."""

    settings: Settings
    environment: Mapping[str, str]
    folder: Path
    sandbox_url: str
    ingest_port: int
    processes: dict[str, Process] = field(default_factory=dict)

    @property
    def client(self) -> Mapping[str, Any]:
        return kafka_client_options(self.settings)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ingest_port}/webhooks/payments"

    def add(self, name: str, *arguments: str, **environment: str) -> Process:
        admin = free_port()
        mine = {**self.environment, **environment, "STRIPELINE_ADMIN_PORT": str(admin)}
        process = Process(name, arguments, mine, self.folder, admin)
        self.processes[name] = process
        process.start()
        return process

    async def ready(self) -> None:
        await asyncio.gather(*(process.ready() for process in self.processes.values() if process.name != "sandbox"))

    async def sandbox(self, path: str, body: Any = None, *, method: str | None = None) -> Any:
        async with aiohttp.ClientSession() as session:
            how = method or ("GET" if body is None else "POST")
            async with session.request(how, f"{self.sandbox_url}/_sandbox{path}", json=body) as answer:
                assert answer.status < 300, await answer.text()
                return await answer.json()

    def kill_all(self) -> None:
        for process in self.processes.values():
            process.kill()


@asynccontextmanager
async def cluster(
    bootstrap: str,
    prefix: str,
    folder: Path,
    *,
    config: str = CONFIG,
    secrets: Mapping[str, str] | None = None,
    **settings: str,
):
    """Topics and configuration made, sandbox and ingest running; the test adds the workers."""
    ingest_port, sandbox_port = free_port(), free_port()
    environment = {
        "KAFKA_BOOTSTRAP_SERVERS": bootstrap,
        "STRIPELINE_TOPIC_PREFIX": prefix,
        "STRIPELINE_PARTITIONS": "4",
        "STRIPELINE_SESSION_TIMEOUT": "6s",  # a killed worker costs a test less
        "STRIPELINE_MASTER_KEY": new_master_key(),
        "STRIPELINE_STRIPE_API_BASE": f"http://127.0.0.1:{sandbox_port}",
        "STRIPELINE_INGEST_HOST": "127.0.0.1",
        "STRIPELINE_INGEST_PORT": str(ingest_port),
        **{f"STRIPELINE_{name.upper()}": value for name, value in settings.items()},
    }
    fields = {name.removeprefix("STRIPELINE_").lower(): value for name, value in environment.items()}
    values = load_settings({_field(name): value for name, value in fields.items()})
    found = Cluster(values, environment, folder, f"http://127.0.0.1:{sandbox_port}", ingest_port)
    async with AsyncExitStack() as stack:
        stack.callback(found.kill_all)
        await apply_topics(values.topics, values.partitions, found.client, wanted=INSTALLATION)
        await configure(found, config, secrets)
        found.add("sandbox", "sandbox", "run", "--port", str(sandbox_port))
        found.add("ingest", "ingest")
        yield found


def _field(name: str) -> str:
    """A settings field: the unit is in the field's name and not in the variable's."""
    return next((given for given in Settings.model_fields if given in {name, f"{name}_ms", f"{name}_bytes"}), name)


async def configure(found: Cluster, config: str, secrets: Mapping[str, str] | None = None) -> None:
    """What `stripeline apply` does; `secrets` beside, or instead of, the usual two."""
    file = found.folder / "stripeline.yaml"
    file.write_text(config)
    topic = found.settings.topics.control
    stored = await read_all(topic, found.client)
    named = {"ACME_KEY": KEY, "ACME_WHSEC": SECRET, **(secrets or {})}
    wanted = load(file, Vault.from_ring(found.settings.master_keys), stored, named.get)
    await publish(topic, found.client, publication(diff(stored.by_key(), wanted), wanted))
