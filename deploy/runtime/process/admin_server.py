"""The admin port: health, readiness and metrics, apart from the public port. Answers with names and words, no secrets.

- `/healthz` fails when only a restart would help.
- `/readyz` says whether the process can do its work now, and what is missing. A warning says that a part of the work
  can't be done, such as one partition: the answer stays 200, since another replica would not help.
- `/metrics` is Prometheus text.
"""

import asyncio
import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import orjson
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Metric, generate_latest
from prometheus_client.registry import Collector

Checks = Mapping[str, Callable[[], str | None]]
"""By name: None when all is well, else what is missing or what is wrong, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What the pages say of the process.

    checks: what it needs before it can work.
    warnings: what only a part of its work needs.
    broken: what only a restart corrects. Never that Kafka, Stripe or a key is away: a restart would change nothing, and
    cost what the process knows.
    ages_s: how old what the process works with is, such as the definitions.
    """

    checks: Checks
    warnings: Checks
    broken: Checks
    ages_s: Mapping[str, Callable[[], float]] = field(default_factory=dict)


# Kubernetes asks every few seconds; an open connection must not hold up the end of the process.
_SHUTDOWN_S: Final = 1.0
_SLICE: Final = 500
_OK: Final = {"status": "ok"}


def admin_app(health: Health, registry: CollectorRegistry) -> web.Application:
    """The three pages."""

    async def healthz(_: web.Request) -> web.Response:
        broken = failing(health.broken)
        return json_answer(503, {"status": "broken", "reasons": broken}) if broken else json_answer(200, _OK)

    async def readyz(_: web.Request) -> web.Response:
        missing, warned = failing(health.checks), failing(health.warnings)
        body: dict[str, object] = {"status": "not ready", "missing": missing} if missing else {"status": "ready"}
        if health.ages_s:
            body["age_s"] = {name: round(age_s(), 1) for name, age_s in health.ages_s.items()}
        return json_answer(503 if missing else 200, {**body, **({"warnings": warned} if warned else {})})

    async def metrics(_: web.Request) -> web.Response:
        return await metrics_page(registry)

    app = web.Application()
    app.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metrics)])
    return app


class Families(Collector):
    """Metrics that were collected already."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


async def rendered(registry: Collector) -> bytes:
    """All metrics as text, in slices between which other work has its turn.

    With thirty thousand triggers there are a hundred thousand samples, and a second of work.
    """
    texts: list[bytes] = []
    for metric in registry.collect():
        for first in range(0, max(1, len(metric.samples)), _SLICE):
            piece = Metric(metric.name, metric.documentation, metric.type, metric.unit)
            piece.samples = metric.samples[first : first + _SLICE]
            text = generate_latest(Families((piece,)))
            texts.append(text if first == 0 else _without_comments(text))
            await asyncio.sleep(0)
    return b"".join(texts)


async def metrics_page(metrics: Collector) -> web.Response:
    return web.Response(body=await rendered(metrics), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _without_comments(text: bytes) -> bytes:
    return b"".join(line for line in text.splitlines(keepends=True) if not line.startswith(b"# "))


async def serve_admin(host: str, port: int, health: Health, registry: CollectorRegistry) -> web.AppRunner:
    """Serve a process's own pages: `serve_app`."""
    return await serve_app(admin_app(health, registry), (host, port))


async def serve_app(app: web.Application, where: tuple[str, int] | socket.socket) -> web.AppRunner:
    """Serve at host and port, or at a socket that listens; the caller ends it with `await runner.cleanup()`.

    Raises OSError for a port in use.
    """
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_S)
    await runner.setup()
    site = web.SockSite(runner, where) if isinstance(where, socket.socket) else web.TCPSite(runner, *where)
    try:
        await site.start()
    except OSError:
        await runner.cleanup()
        raise
    return runner


def failing(checks: Checks) -> dict[str, str]:
    """The checks that fail, with their words."""
    answers = {name: check() for name, check in checks.items()}
    return {name: words for name, words in answers.items() if words is not None}


def json_answer(status: int, body: Mapping[str, object]) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(body), content_type="application/json")
