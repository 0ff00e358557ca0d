"""The admin port: health, readiness and metrics, apart from the public port. Answers with names and words, no secrets.

`/healthz` says that the process serves, `/readyz` that it can do its work now, `/metrics` is Prometheus text.
"""

from collections.abc import Callable, Mapping
from typing import Final

import orjson
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

Checks = Mapping[str, Callable[[], str | None]]
"""What must be there before the process can work: None when it is, else what is missing, in words."""

# Kubernetes asks every few seconds; an open connection must not hold up the end of the process.
_SHUTDOWN_S: Final = 1.0


def admin_app(checks: Checks, registry: CollectorRegistry) -> web.Application:
    """The three pages."""

    async def healthz(_: web.Request) -> web.Response:
        return _json(200, {"status": "ok"})

    async def readyz(_: web.Request) -> web.Response:
        missing = what_is_missing(checks)
        return _json(503, {"status": "not ready", "missing": missing}) if missing else _json(200, {"status": "ready"})

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metrics)])
    return app


async def serve_admin(host: str, port: int, checks: Checks, registry: CollectorRegistry) -> web.AppRunner:
    """Serve the admin port; the caller ends it with `await runner.cleanup()`. Raises OSError for a port in use."""
    runner = web.AppRunner(admin_app(checks, registry), access_log=None, shutdown_timeout=_SHUTDOWN_S)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError:
        await runner.cleanup()
        raise
    return runner


def what_is_missing(checks: Checks) -> dict[str, str]:
    """The checks that fail, with what is missing."""
    answers = {name: check() for name, check in checks.items()}
    return {name: words for name, words in answers.items() if words is not None}


def _json(status: int, body: Mapping[str, object]) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(body), content_type="application/json")
