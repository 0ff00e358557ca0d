"""Serves the receiver: connections, their limits, and a bounded end. It knows no route and reads no body.

What aiohttp leaves open, and its users must close themselves: a connection may stall in its head for as long as it is
kept alive, connections are not counted, and every malformed request is logged with a traceback.
https://docs.aiohttp.org/en/stable/web_lowlevel.html
"""

import asyncio
import contextlib
import logging
import sys
import traceback
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Final, Self

import orjson
from aiohttp import web

from ingest.app import App
from ingest.observer import Observer
from ingest.quiet import Quiet, bound

log = logging.getLogger(__name__)

MAX_LINE: Final = 8190
LIBRARIES: Final = (
    "aiohttp.server",
    "aiokafka.client",
    "aiokafka.cluster",
    "aiokafka.conn",
    "aiokafka.producer.sender",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a connection may cost.

    head_deadline_s: from a request's first byte, or from the connection's start, to the end of its head.
    keepalive_s: how long an idle connection is kept: longer than the proxy in front keeps it, or that one meets
        a closed connection.
    max_connections: those above it are closed at once. Each needs a file descriptor.
    """

    head_deadline_s: float = 10.0
    keepalive_s: float = 75.0
    max_connections: int = 4096
    lingering_s: float = 1.0


class _InPlace:
    """The event loop as a connection of aiohttp sees it, except that a request is handled in the connection's own task.

    aiohttp starts one for each request, to keep apart context variables that nobody sets here, and waits for it: a task
    and two turns of the loop, a fifth of a request's cost.
    """

    __slots__ = ("call_at", "create_future", "time")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.call_at = loop.call_at
        self.create_future = loop.create_future
        self.time = loop.time

    @staticmethod
    def create_task(handling: Coroutine[Any, Any, Any]) -> Coroutine[Any, Any, Any]:
        return handling


class Connection(web.RequestHandler):
    """aiohttp's connection, with the time since which it owes us a head."""

    __slots__ = ("_head_since", "_owner")

    def __init__(self, manager: "Server", *, loop: asyncio.AbstractEventLoop, **kwargs: Any) -> None:
        super().__init__(manager, loop=loop, **kwargs)
        self._owner = manager
        self._head_since: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._head_since = self._loop.time()
        super().connection_made(transport)
        if sys.version_info < (3, 12):  # from there on aiohttp's task starts at once, and costs little
            self._loop = _InPlace(self._loop)  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._request_count == 0:  # its first head still; aiohttp's task, which waits for it, may not have begun
            return
        # Idle though bytes have come: a head has begun. Its clock runs from its first byte, not from its last one.
        if self._waiter is None or self._waiter.done():
            self._head_since = None
        elif self._head_since is None:
            self._head_since = self._loop.time()

    def owes_head_since(self, moment: float) -> bool:
        return self._head_since is not None and self._head_since < moment

    def handle_error(
        self,
        request: web.BaseRequest,  # noqa: ARG002
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002  aiohttp's words quote the request
    ) -> web.StreamResponse:
        """What aiohttp answers itself: no HTTP is the client's fault and not worth a line, the rest is ours."""
        if status < 500:  # noqa: PLR2004
            self._owner.observe.connection_closed("not_http")
        elif exc is not None:
            self._owner.report(exc)
        text = "the request is not HTTP" if status < 500 else "the receiver failed, send it again"  # noqa: PLR2004
        response = web.Response(status=status, body=orjson.dumps({"error": text}), content_type="application/json")
        response.force_close()
        return response


class Server(web.Server):
    """The connections of one listening port."""

    def __init__(self, app: App, limits: Limits) -> None:
        super().__init__(app.handle)
        self.observe: Observer = app.observe
        self._limits = limits
        self._open = 0
        self._quiet = Quiet(log, every_s=10)
        self._options = {
            "keepalive_timeout": limits.keepalive_s,
            "lingering_time": limits.lingering_s,
            "max_line_size": MAX_LINE,
            "max_field_size": MAX_LINE,
            "auto_decompress": False,  # the signature is over the bytes as they were sent
            "access_log": None,
        }

    def __call__(self) -> Connection:
        return Connection(self, loop=self._loop, **self._options)

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        self._open += 1
        if self._open > self._limits.max_connections:
            self.observe.connection_closed("too_many")
            # Not at once: aiohttp's task of the connection has not begun, and would find it without its server.
            self._loop.call_soon(transport.abort)

    def connection_lost(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        super().connection_lost(handler, exc)
        self._open -= 1

    def report(self, exc: BaseException) -> None:
        """An error of our own: where it was raised, and never its message, which may quote a payload."""
        where = "".join(traceback.format_tb(exc.__traceback__, -3))
        self._quiet.error(type(exc).__name__, "a request failed with %s:\n%s", type(exc).__name__, where)

    async def sweep(self) -> None:
        """Close the connections that owe a head for too long. One timer for all of them."""
        every_s = min(1.0, self._limits.head_deadline_s / 4)
        while True:
            await asyncio.sleep(every_s)
            due = self._loop.time() - self._limits.head_deadline_s
            for connection in self.connections:
                if isinstance(connection, Connection) and connection.owes_head_since(due):
                    self.observe.connection_closed("stalled")
                    connection.force_close()


class Running:
    """A receiver that serves. `port` is the one that was bound, also when 0 was asked for."""

    def __init__(self, runner: web.ServerRunner, port: int, sweeper: "asyncio.Task[None]", grace_s: float) -> None:
        self.port = port
        self._runner = runner
        self._sweeper = sweeper
        self._grace_s = grace_s

    @property
    def connections(self) -> int:
        server = self._runner.server
        return len(server.connections) if server else 0

    async def stop(self) -> None:
        """Accept no more, let what is in flight end within the grace, then close what is left, unanswered."""
        self._sweeper.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._grace_s + 1):
                await self._runner.cleanup()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()


async def serve(
    app: App,
    *,
    host: str,
    port: int,
    reuse_port: bool = False,
    limits: Limits | None = None,
    grace_s: float = 20.0,
) -> Running:
    """Serve `app` until `stop`. With `reuse_port` several processes share one port."""
    bound(*LIBRARIES)
    server = Server(app, limits or Limits())
    # aiohttp waits this long twice: for the handler, and for its connection's task.
    runner = web.ServerRunner(server, shutdown_timeout=grace_s / 2)
    await runner.setup()
    site = web.TCPSite(runner, host, port, backlog=1024, reuse_port=reuse_port or None)
    await site.start()
    return Running(runner, site.port, asyncio.create_task(server.sweep(), name="ingest-sweep"), grace_s)
