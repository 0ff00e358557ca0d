"""Serves the receiver: its connections, their limits, and a bounded end. It reads no request."""

import asyncio
import contextlib
import traceback
from dataclasses import dataclass
from typing import Self

import structlog

from stripeline.contracts.vocabulary import ClosedReason, LogEvent
from stripeline.ingest.http.connection import Connection, Phase
from stripeline.ingest.limited_log import LimitedLog
from stripeline.ingest.refusals import Dates
from stripeline.ingest.webhook import App

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a connection may cost.

    head_deadline_s: from a request's first byte, or from the connection's start, to the end of its head.
    keepalive_s: how long an idle connection is kept: longer than the proxy in front keeps it, or that one meets
        a closed connection.
    max_connections: those above it are closed at once. Each needs a file descriptor.
    lingering_s: how long a client that was refused may go on sending what is not read.
    """

    head_deadline_s: float = 10.0
    keepalive_s: float = 75.0
    max_connections: int = 4096
    lingering_s: float = 1.0


class Server:
    """The connections of one listening port."""

    def __init__(self, app: App, limits: Limits) -> None:
        self.app = app
        self.loop = asyncio.get_running_loop()
        self.dates = Dates()
        self.connections: set[Connection] = set()
        self.ending = False
        self._max_connections = limits.max_connections
        self._longest_s = {
            Phase.HEAD: limits.head_deadline_s,
            Phase.BODY: app.bodies.deadline_s,
            Phase.IDLE: limits.keepalive_s,
            Phase.CLOSING: limits.lingering_s,
        }
        self._log = LimitedLog(log)
        self._empty = asyncio.Event()

    def __call__(self) -> Connection:
        return Connection(self)

    def opened(self, connection: Connection) -> bool:
        """Whether there is room for it."""
        self.connections.add(connection)
        fits = len(self.connections) <= self._max_connections
        if not fits:
            self.app.observe.connection_closed(ClosedReason.TOO_MANY)
        return fits

    def lost(self, connection: Connection) -> None:
        self.connections.discard(connection)
        if not self.connections:
            self._empty.set()

    def report(self, exc: BaseException) -> None:
        """An error of our own: where it was raised, and never its message, which may quote a payload."""
        where = "".join(traceback.format_tb(exc.__traceback__, -3))
        name = type(exc).__name__
        self._log.error(LogEvent.REQUEST_FAILED, name, error=name, where=where)

    async def sweep(self) -> None:
        """End what lasts too long. One timer for all connections."""
        every_s = min(1.0, *(longest_s / 4 for longest_s in self._longest_s.values()))
        while True:
            await asyncio.sleep(every_s)
            now = self.loop.time()
            for connection in tuple(self.connections):
                longest_s = self._longest_s.get(connection.phase)
                if longest_s is not None and connection.since < now - longest_s:
                    connection.too_late()

    async def end(self, grace_s: float) -> None:
        """Let requests that have begun be answered within the grace, then close what is left, unanswered."""
        self.ending = True
        for connection in tuple(self.connections):
            connection.end()
        await self._emptied(grace_s)
        for connection in tuple(self.connections):
            connection.abort()
        await self._emptied(1.0)

    async def _emptied(self, within_s: float) -> None:
        self._empty.clear()
        if self.connections:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), within_s)


class Running:
    """A receiver that serves. `port` is the one that was bound, also when 0 was asked for."""

    def __init__(self, server: Server, listener: asyncio.Server, grace_s: float) -> None:
        self.port: int = listener.sockets[0].getsockname()[1]
        self._server = server
        self._listener = listener
        self._sweeper = asyncio.create_task(server.sweep(), name="ingest-sweep")
        self._grace_s = grace_s

    @property
    def connections(self) -> int:
        return len(self._server.connections)

    async def stop(self) -> None:
        """Accept no more, and end."""
        self._listener.close()
        await self._server.end(self._grace_s)
        self._sweeper.cancel()

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
    server = Server(app, limits or Limits())
    listener = await server.loop.create_server(server, host, port, backlog=1024, reuse_port=reuse_port or None)
    return Running(server, listener, grace_s)
