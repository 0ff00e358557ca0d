"""The tenants job: ten thousand tenants on the control topic, of each a connection, three triggers and a workflow.

Each role is started on it: the time until it is ready, its memory, what its admin pages cost, and how long after a new
tenant's records are on the topic they are in effect. Then the commands of a person.
"""

import asyncio
import os
import resource
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.structs import TopicPartition

from stripeline.deploy.local.kafka import free_port
from stripeline.ingest.routing import Publication, route
from stripeline.workers.kafka.control_table import publish
from stripeline.workers.secrets.vault import Vault
from tests.bench.harness import Column, Lab, Sample, Table, medians
from tests.bench.processes import cpu_s, rss_mb
from tests.bench.stripe_load import event_bodies, signature
from tests.bench.workers import Setup, setup
from tests.support import tenants
from tests.support.cluster import Process
from tests.support.webhook_paths import own_path

COUNT = 10_000
_READY_S = 120.0
_LIVE_S = 60.0
_PROBE_S = 0.02
_PROXY = {
    "STRIPELINE_CONSOLE_AUTH": "proxy",
    "STRIPELINE_CONSOLE_TRUSTED_PROXIES": "127.0.0.1",
    "STRIPELINE_CONSOLE_PROXY_SECRET": "a-secret-of-the-proxy-0123",
    "STRIPELINE_CONSOLE_ROLES": "operator=*",
}
_SIGNED = {"X-Stripeline-Proxy-Secret": "a-secret-of-the-proxy-0123", "X-Forwarded-User": "ada"}
_PAGES = {"now_ms": "/", "connections_ms": "/connections", "workflows_ms": "/workflows"}
Live = Callable[["Tenants", int], Awaitable[float]]


class Tenants:
    """The control topic of one prefix, full of tenants; the number of the next new one."""

    def __init__(self, of: Setup) -> None:
        self.of, self.next = of, COUNT
        self.vault = Vault.from_ring(of.cluster.settings.master_keys)

    async def fill(self) -> None:
        topic = self.of.cluster.settings.topics.control
        await tenants.write(self.of.lab.bootstrap_servers, topic, tenants.all_records(COUNT, self.vault))

    async def add(self, number: int) -> float:
        """Write one more tenant's records; when the broker has them, by the clock of this host."""
        await publish(self.of.cluster.settings.topics.control, self.of.cluster.client, self.records(number))
        return time.time()

    def records(self, number: int) -> Mapping[str, bytes]:
        return dict(tenants.records_of(number, self.vault))


async def role(every: Tenants, name: str, live: Live | None) -> Sample:
    """One process of a role, from its start to the moment at which a new tenant is in effect in it."""
    began_s = time.monotonic()
    made = every.of.cluster.add(name, name, STRIPELINE_CONSOLE_PORT=str(free_port()), **_PROXY)
    try:
        await made.ready(_READY_S)
        ready_s = time.monotonic() - began_s
        assert made.child is not None
        pid = made.child.pid
        sample = {"ready_s": ready_s, "ready_cpu_s": cpu_s(pid), "rss_mb": rss_mb(pid)}
        sample["readyz_ms"] = await _cost_ms(made, pid, "/readyz")
        sample["metrics_ms"] = await _cost_ms(made, pid, "/metrics")
        sample["idle_cpu"] = 100 * await _share(pid, every.of.lab.seconds)
        if live is not None:
            try:
                sample["live_s"] = await live(every, every.next)
            except TimeoutError:
                every.of.lab.note(f"{name}: a new tenant was not in effect within {_LIVE_S:g} s")
            every.next += 1
        if name == "console":
            sample |= await _pages(int(made.environment["STRIPELINE_CONSOLE_PORT"]))
        await made.end()  # and leaves its group, which the next one would wait for
        return sample
    finally:
        made.kill()


async def _cost_ms(made: Process, pid: int, path: str, times: int = 5) -> float:
    """CPU of the process for one answer of its admin port."""
    before_s = cpu_s(pid)
    for _ in range(times):
        await made.page(path)
    return (cpu_s(pid) - before_s) / times * 1000


async def _share(pid: int, seconds: float) -> float:
    """Of a core, while nothing comes."""
    before_s = cpu_s(pid)
    await asyncio.sleep(seconds)
    return (cpu_s(pid) - before_s) / seconds


async def _pages(port: int) -> Sample:
    found = {}
    async with aiohttp.ClientSession(headers=_SIGNED) as session:
        for name, path in _PAGES.items():
            began_s = time.monotonic()
            async with session.get(f"http://127.0.0.1:{port}{path}") as answer:
                await answer.read()
                assert answer.status == 200, f"{path}: {answer.status}"
            found[name] = (time.monotonic() - began_s) * 1000
    return found


async def in_ingest(every: Tenants, number: int) -> float:
    """Until a webhook of the new tenant is accepted."""
    url = f"http://127.0.0.1:{every.of.cluster.ingest_port}/webhooks/{tenants.name_of(number)}-payments"
    (body,) = event_bodies(1)
    async with aiohttp.ClientSession() as session:

        async def accepted() -> bool:
            signed = signature(body, int(time.time())).decode()
            headers = {"Content-Type": "application/json", "Stripe-Signature": signed}
            async with session.post(url, data=body, headers=headers) as answer:
                return answer.status == 200

        assert not await accepted()
        written_s = await every.add(number)
        async with asyncio.timeout(_LIVE_S):
            while not await accepted():  # noqa: ASYNC110  (nobody says when)
                await asyncio.sleep(_PROBE_S)
    return time.time() - written_s


async def in_router(every: Tenants, number: int) -> float:
    """Until an event of the new tenant's trigger starts a run: by the append of its first command."""
    topics = every.of.cluster.settings.topics
    path = own_path(
        name=f"{tenants.name_of(number)}-payments", family_kind="stripe/payment-event",
        connection=tenants.name_of(number), livemode=False, secrets=(tenants.SECRET.encode(),),
    )  # fmt: skip
    given = []
    for body in event_bodies(2_000):
        made = route(body, path=path, received_at_ms=int(time.time() * 1000), traceparent=None)
        assert isinstance(made, Publication)
        given.append((made.key, made.value, list(made.headers)))
    return await _until_output(every, number, topics.event("payment-event"), topics.command, given)


async def in_executor(every: Tenants, number: int) -> float:
    """Until a command of the new tenant's connection succeeds: by the append of its result."""
    topics = every.of.cluster.settings.topics
    given = [
        (
            b"k-%d" % count,
            orjson.dumps(
                {
                    "command_id": f"live-{number}-{count}", "action": "stripe/create-payment-intent",
                    "connection": tenants.name_of(number), "input": {"amount": 6_200, "currency": "eur"},
                }
            ),
            (),
        )
        for count in range(2_000)
    ]  # fmt: skip
    return await _until_output(every, number, topics.command, topics.result, given)


async def _until_output(
    every: Tenants, number: int, source: str, target: str,
    given: Sequence[tuple[bytes | None, bytes | None, Sequence[tuple[str, bytes]]]],
) -> float:  # fmt: skip
    """Records every few milliseconds, and when the first output came that the new records make possible."""
    servers, tp = every.of.lab.bootstrap_servers, TopicPartition(target, 0)
    consumer = AIOKafkaConsumer(bootstrap_servers=servers, isolation_level="read_committed", auto_offset_reset="latest")
    async with consumer, AIOKafkaProducer(bootstrap_servers=servers) as producer:
        consumer.assign([tp])
        await consumer.seek_to_end(tp)
        records = iter(given)

        async def produced() -> None:
            while True:
                key, value, headers = next(records)
                await producer.send_and_wait(source, value, key, partition=0, headers=list(headers))
                await asyncio.sleep(_PROBE_S)

        producing = asyncio.create_task(produced())
        try:
            await asyncio.sleep(0.5)
            written_s = await every.add(number)
            async with asyncio.timeout(_LIVE_S):
                async for record in consumer:
                    if b'"status":"failed"' not in (record.value or b""):
                        return record.timestamp / 1000 - written_s
        finally:
            producing.cancel()
    raise AssertionError("no output came")


ROLES: Mapping[str, Live | None] = {
    "ingest": in_ingest, "router": in_router, "executor": in_executor, "worker": in_executor, "console": None,
}  # fmt: skip


async def command(every: Tenants, *arguments: str, expected: tuple[int, ...] = (0,)) -> Sample:
    """A `stripeline …` of a person: its time, CPU and memory."""
    environment = {**os.environ, **every.of.cluster.environment, "KEY": tenants.key_of(7), "WHSEC": tenants.SECRET}
    began_s, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "stripeline.deploy", *arguments, env=environment, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    _, said = await child.communicate()
    assert child.returncode in expected, f"{arguments}: {child.returncode}: {said.decode()[-2000:]}"
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"took_s": time.monotonic() - began_s, "cpu_s": used_s}


async def commands(every: Tenants) -> dict[str, Sample]:
    folder = every.of.lab.folder
    unchanged, changed = folder / "tenant.yaml", folder / "changed.yaml"
    unchanged.write_text(tenants.file_of(7))
    changed.write_text(tenants.file_of(7, at_least=int(time.time())))
    owner = ("--owner", tenants.name_of(7))
    # The bench's stand-in for Stripe says nothing of accounts: an unchanged key asks nothing.
    return {
        "apply FILE --owner, nothing changed": await command(every, "apply", str(unchanged), *owner),
        "apply FILE --owner, a workflow changed": await command(every, "apply", str(changed), *owner),
        "status": await command(every, "status", expected=(0, 1)),
        "get connections --json": await command(every, "get", "connections", "--json"),
        "get workflows --json": await command(every, "get", "workflows", "--json"),
        "keys status": await command(every, "keys", "status", expected=(0, 1)),
        "--version": await command(every, "--version"),
    }


@asynccontextmanager
async def filled(lab: Lab) -> AsyncIterator[Tenants]:
    async with setup(lab, partitions=1, config="{}") as of:
        every = Tenants(of)
        began_s = time.monotonic()
        await every.fill()
        lab.note(f"{COUNT:,} tenants are written in {time.monotonic() - began_s:.1f} s")
        await command(every, "apply", str(_first(lab.folder)), "--owner", tenants.name_of(7))
        yield every


def _first(folder: Path) -> Path:
    """Sealed texts differ each time, so that the records of this tenant become those that its file makes."""
    file = folder / "first.yaml"
    file.write_text(tenants.file_of(7))
    return file


async def job(lab: Lab) -> Sequence[Table]:
    roles: dict[str, list[Sample]] = {}
    acts: dict[str, list[Sample]] = {}
    async with filled(lab) as every:
        for number in range(lab.rounds):
            for name, live in ROLES.items():
                roles.setdefault(name, []).append(await role(every, name, live))
                lab.note(f"round {number + 1} of {lab.rounds}, {name}: {roles[name][-1]}")
            for name, sample in (await commands(every)).items():
                acts.setdefault(name, []).append(sample)
                lab.note(f"round {number + 1} of {lab.rounds}, {name}: {sample}")
    about = (
        f"{COUNT:,} connections with their accounts, {3 * COUNT:,} triggers and {COUNT:,} workflows on the control"
        " topic, all secrets sealed. From the start of a process to /readyz; until a tenant that is added is in"
        f" effect. Medians of {lab.rounds} rounds."
    )
    return [
        Table(
            title="Ten thousand tenants", about=about, columns=ROLE_COLUMNS,
            rows={name: medians(samples) for name, samples in roles.items()},
        ),
        Table(
            title="Commands beside ten thousand tenants", about="A process of its own each, its start included.",
            columns=COMMAND_COLUMNS, rows={name: medians(samples) for name, samples in acts.items()},
        ),
    ]  # fmt: skip


ROLE_COLUMNS = (
    Column("ready_s", "start to ready, s", 2),
    Column("ready_cpu_s", "CPU until then, s", 2),
    Column("rss_mb", "memory, MB"),
    Column("live_s", "a new tenant in effect after, s", 2),
    Column("readyz_ms", "CPU of /readyz, ms", 1),
    Column("metrics_ms", "CPU of /metrics, ms", 1),
    Column("idle_cpu", "CPU when idle, % of a core", 1),
    Column("now_ms", "page Now, ms"),
    Column("connections_ms", "page Connections, ms"),
    Column("workflows_ms", "page Workflows, ms"),
)
COMMAND_COLUMNS = (Column("took_s", "time, s", 2), Column("cpu_s", "CPU, s", 2))
