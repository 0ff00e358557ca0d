"""The admin port: healthy while it serves, ready only when all that it needs is there."""

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, Counter

from stripeline.deploy.runtime.process.admin_server import Health, serve_admin

HOST = "127.0.0.1"
WELL = Health(checks={}, warnings={}, broken={})


async def test_the_three_pages() -> None:
    registry = CollectorRegistry()
    Counter("deliveries", "Deliveries.", registry=registry).inc()
    missing: dict[str, str | None] = {"kafka": "Kafka does not answer", "control": None}
    checks = {name: lambda name=name: missing[name] for name in missing}
    wrong: list[str] = []
    stuck: list[str] = []
    broken = {"executor": lambda: "".join(stuck) or None}
    health = Health(checks=checks, warnings={"topics": lambda: "".join(wrong) or None}, broken=broken)
    runner = await serve_admin(HOST, 0, health, registry)
    base = f"http://{HOST}:{runner.addresses[0][1]}"
    try:
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{base}/healthz") as answer:
                assert answer.status == 200
            async with session.get(f"{base}/readyz") as answer:
                assert answer.status == 503
                body = await answer.json()
                assert body == {"status": "not ready", "missing": {"kafka": "Kafka does not answer"}}
            missing["kafka"] = None
            async with session.get(f"{base}/readyz") as answer:
                assert (answer.status, await answer.json()) == (200, {"status": "ready"})
            wrong.append("records on 4 are not read")
            async with session.get(f"{base}/readyz") as answer:
                warned = {"status": "ready", "warnings": {"topics": "records on 4 are not read"}}
                assert (answer.status, await answer.json()) == (200, warned)
            stuck.append("the executor is stuck")
            async with session.get(f"{base}/healthz") as answer:
                body = {"status": "broken", "reasons": {"executor": "the executor is stuck"}}
                assert (answer.status, await answer.json()) == (503, body)
            async with session.get(f"{base}/metrics") as answer:
                assert "deliveries_total 1.0" in await answer.text()
    finally:
        await runner.cleanup()


async def test_a_port_in_use_is_an_error() -> None:
    runner = await serve_admin(HOST, 0, WELL, CollectorRegistry())
    try:
        with pytest.raises(OSError, match="address already in use"):
            await serve_admin(HOST, runner.addresses[0][1], WELL, CollectorRegistry())
    finally:
        await runner.cleanup()
