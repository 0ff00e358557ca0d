"""A balancer forgets every open connection without a word: all processes are back within 15 s."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import pytest
from pydantic import SecretStr

from stripeline.deploy.local.example_events import example_event
from stripeline.deploy.local.webhook_sender import deliver
from stripeline.deploy.operations.send_command import NewCommand, produce_and_wait
from tests.support.broker_cluster import Layout, broker_cluster
from tests.support.cluster import CONFIG, SECRET, Cluster, cluster, configure
from tests.support.end_state import effects

BACK_S = 20.0
"""And 5 s for a busy machine."""
ADDED = '  later: {kind: stripe/payment-event, connection: acme, signing_secrets: ["${env:ACME_WHSEC}"]}\nworkflows:'


async def send(url: str, number: int) -> int:
    intent = {"id": f"pi_{number}", "amount": 6_000}
    body = example_event("payment_intent.succeeded", intent, event_id=f"evt_{number:04}")
    async for answer in deliver(url, SecretStr(SECRET), [body], lambda: int(time.time())):
        return answer.status
    raise AssertionError


async def answered(found: Cluster, name: str) -> None:
    """Produce a command as another team does, and wait for its result."""
    order = NewCommand(
        command_id=name, action="stripe/create-customer", connection="acme", input={"email": f"{name}@example.com"},
        key=name, at_ms=int(time.time() * 1000),
    )  # fmt: skip
    await produce_and_wait(found.settings.topics, found.settings.partitions, found.client, order, timeout_s=90)


async def run_succeeded(found: Cluster, event: str) -> bool:
    """Whether Stripe has an effect of both steps of the event's run: the second follows the first one's result."""
    return sum(effect["command"].startswith(event) for effect in await effects(found)) == 2


async def took(check: Callable[[], Awaitable[bool]]) -> float:
    began = time.monotonic()
    async with asyncio.timeout(120):
        while not await check():  # noqa: ASYNC110  another process
            await asyncio.sleep(0.1)
    return time.monotonic() - began


async def works(found: Cluster, number: int) -> Mapping[str, float]:
    """How long each role takes until it works, from now on, side by side."""
    began = time.monotonic()

    async def accepted() -> bool:
        return await send(found.url, number) == 200

    async def learned() -> bool:
        return await send(found.url.replace("payments", "later"), 1_000 + number) == 200

    async def by_ingest() -> dict[str, float]:
        ingest = await took(accepted)
        await took(lambda: run_succeeded(found, f"evt_{number:04}"))
        return {"ingest": ingest, "router and executor": time.monotonic() - began}

    async def by_executor() -> dict[str, float]:
        await answered(found, f"other-{number}")
        return {"executor": time.monotonic() - began}

    async def by_table() -> dict[str, float]:
        return {"control table": await took(learned)}

    parts = await asyncio.gather(by_ingest(), by_executor(), *([by_table()] if number > 1 else []))
    return {name: seconds for part in parts for name, seconds in part.items()}


@pytest.mark.long
async def test_forgotten_connections_cost_15_s(prefix: str, tmp_path: Path, note: Callable[[str], None]) -> None:
    one = Layout(brokers=1, replication=1, min_isr=1, proxied=True, linked=True)  # it meets itself directly
    async with (
        broker_cluster(tmp_path / "kafka", note, one) as kafka,
        cluster(kafka.bootstrap_servers, prefix, tmp_path) as found,
    ):
        for role in ("router", "executor"):
            found.add(role, role)
        await found.ready()
        await works(found, 1)
        kafka.proxies[1].forget()
        await configure(found, CONFIG.replace("workflows:", ADDED))
        seconds = await works(found, 2)
        note("back after " + ", ".join(f"{name} {one:.1f} s" for name, one in seconds.items()))
        assert max(seconds.values()) < BACK_S, seconds
