"""Serves the console's application on its port, with bounds on what one client may hold.

An open stream never holds up the end of the process: it is cut after `_SHUTDOWN_S`.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web

_KEEP_ALIVE_S: Final = 30.0
_SHUTDOWN_S: Final = 2.0
_LINE_BYTES: Final = 16_384  # an address with every filter set, each value percent-encoded
_FIELD_BYTES: Final = 8_190
_HEADERS: Final = 100
_BACKLOG: Final = 128


@asynccontextmanager
async def served(app: web.Application, host: str, port: int) -> AsyncIterator[int]:
    """Serve it beside a block, and yield the port. Raises OSError for a port in use."""
    runner = web.AppRunner(
        app, access_log=None, shutdown_timeout=_SHUTDOWN_S, keepalive_timeout=_KEEP_ALIVE_S,
        max_line_size=_LINE_BYTES, max_field_size=_FIELD_BYTES, max_headers=_HEADERS,
        lingering_time=_SHUTDOWN_S,
    )  # fmt: skip
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, backlog=_BACKLOG).start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()
