"""For tests of what becomes of money: commands as another team sends them, what came of them, and the command line."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson
from aiokafka import AIOKafkaProducer

from stripeline.contracts.ids import idempotency_key
from stripeline.deploy.local.example_events import example_event, sign
from tests.support.cluster import KEY, SECRET, Cluster
from tests.support.end_state import read_topic
from tests.support.records import INSTALLATION

CUSTOMER, PAYMENT = "stripe/create-customer", "stripe/create-payment-intent"


@dataclass(frozen=True, kw_only=True)
class Order:
    """One command; `fields` are those that it rarely has, like `not_after`."""

    id: str
    action: str = CUSTOMER
    connection: str = "acme"
    input: Mapping[str, Any] = field(default_factory=dict)
    key: bytes | None = None
    partition: int | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)

    @property
    def value(self) -> bytes:
        value = {"command_id": self.id, "action": self.action, "connection": self.connection, "input": self.input}
        return orjson.dumps({**value, **self.fields})


async def order(found: Cluster, orders: Iterable[Order | tuple[bytes | None, bytes]]) -> None:
    """Produce commands, or any bytes with their key, in this order."""
    async with AIOKafkaProducer(bootstrap_servers=found.settings.kafka_bootstrap_servers) as producer:
        for one in orders:
            key, value = (one.key, one.value) if isinstance(one, Order) else one
            partition = one.partition if isinstance(one, Order) else None
            await producer.send(found.settings.topics.command, value, key=key, partition=partition)


async def deliver(
    found: Cluster, event_type: str, about: Mapping[str, Any], event_id: str, *, created: int | None = None
) -> None:
    """A signed delivery, as Stripe sends it."""
    body = example_event(event_type, about, event_id=event_id, created=created)
    headers = {"Content-Type": "application/json", "Stripe-Signature": sign(body, SECRET, int(time.time()))}
    async with aiohttp.ClientSession() as session, session.post(found.url, data=body, headers=headers) as answer:
        assert answer.status == 200, await answer.text()


async def stripe_object(found: Cluster, path: str, key: str = KEY) -> dict[str, Any]:
    """An object as Stripe has it."""
    headers = {"Authorization": f"Bearer {key}"}
    async with aiohttp.ClientSession() as session, session.get(f"{found.sandbox_url}{path}", headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        body: dict[str, Any] = await answer.json()
        return body


async def until(what: str, holds: Callable[[], Awaitable[Any]], found: Cluster, within_s: float = 30) -> Any:
    """Wait until a condition gives something true, and return that. Fails with what it gave last, and the logs."""
    start, last = time.monotonic(), None
    while time.monotonic() - start < within_s:
        last = await holds()
        if last:
            return last
        await asyncio.sleep(0.1)
    logs = "\n".join(f"--- {process.name}\n{process.tail(15)}" for process in found.processes.values())
    raise AssertionError(f"not within {within_s} s: {what}; last {last!r}\n{logs}")


async def results(found: Cluster) -> dict[str, list[dict[str, Any]]]:
    """The results of each command, in the order in which they came."""
    by_command = defaultdict(list)
    topics = found.settings.topics
    for record in await read_topic(found.settings.kafka_bootstrap_servers, topics.result, found.settings.partitions):
        value = orjson.loads(record.value)
        by_command[value["command_id"]].append(value)
    return dict(by_command)


async def ended(found: Cluster, ids: Sequence[str], within_s: float = 30) -> dict[str, list[dict[str, Any]]]:
    """Wait until each of these commands has a result; all results."""

    async def all_there() -> dict[str, list[dict[str, Any]]] | None:
        seen = await results(found)
        return seen if set(ids) <= set(seen) else None

    done: dict[str, list[dict[str, Any]]] = await until(f"results of {len(ids)} commands", all_there, found, within_s)
    return done


async def revised(found: Cluster, command_id: str, revision: int, within_s: float = 30) -> list[dict[str, Any]]:
    """Wait for this revision of a command's result; its results up to then."""

    async def there() -> list[dict[str, Any]] | None:
        seen = (await results(found)).get(command_id, [])
        return seen if seen and seen[-1]["revision"] >= revision else None

    rows: list[dict[str, Any]] = await until(f"revision {revision} of {command_id}", there, found, within_s)
    return rows


async def effects(found: Cluster) -> dict[str, list[dict[str, Any]]]:
    """What was done at Stripe, by command."""
    by_command = defaultdict(list)
    for effect in (await found.sandbox("/ledger"))["effects"]:
        by_command[effect["command"]].append(effect)
    return dict(by_command)


async def done_by_runs(found: Cluster, ids: Iterable[str], step: str, within_s: float = 60) -> Counter[str]:
    """Wait until a step of each event's run was done at Stripe; how often it was, of all events."""
    wanted = set(ids)

    async def done() -> Counter[str] | None:
        made = await effects(found)
        counted = Counter({name.split(":")[0]: len(one) for name, one in made.items() if name.endswith(f":{step}")})
        return counted if wanted <= counted.keys() else None

    counted: Counter[str] = await until(f"{step} of each run", done, found, within_s=within_s)
    return counted


async def posts(found: Cluster, command_id: str) -> list[dict[str, Any]]:
    """The POSTs that carried a command's Idempotency-Key, oldest first."""
    rows = (await found.sandbox("/requests?limit=10000"))["requests"]
    return [row for row in reversed(rows) if row["idempotency_key"] == idempotency_key(INSTALLATION, command_id)]


async def run_of(found: Cluster, run_id: str) -> dict[str, Any] | None:
    topics = found.settings.topics
    records = await read_topic(found.settings.kafka_bootstrap_servers, topics.run, found.settings.partitions)
    values = [orjson.loads(record.value) for record in records if record.key == run_id.encode() and record.value]
    return values[-1] if values else None


async def run_is(found: Cluster, run_id: str, status: str, within_s: float = 30) -> dict[str, Any]:
    """Wait until a run has this status."""

    async def there() -> dict[str, Any] | None:
        run = await run_of(found, run_id)
        return run if run is not None and run["status"] == status else None

    run: dict[str, Any] = await until(f"run {run_id} {status}", there, found, within_s)
    return run


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Standard output as `--json` promises it: one array and nothing else."""
        assert self.code == 0, self.err
        found = json.loads(self.out)
        assert isinstance(found, list)
        return found


async def stripeline(found: Cluster, *arguments: str) -> Said:
    """The command as a process of its own, as an operator runs it."""

    def run() -> Said:
        done = subprocess.run(
            [sys.executable, "-m", "stripeline.deploy", *arguments],
            env={**os.environ, **found.environment, "COLUMNS": "200"},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert "Traceback" not in done.stderr, done.stderr
        return Said(code=done.returncode, out=done.stdout, err=done.stderr)

    return await asyncio.to_thread(run)
