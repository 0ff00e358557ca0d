"""What the connections of a port may cost: how long each may wait for its client, how many there may be, how they end.

Every wait for a client ends: for a head, a next request, the reading of an answer, the client's close. The wait for a
body is bounded by `stripeline.ingest.http.request_reader`, the wait for Kafka by the publisher. One timer serves all.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from stripeline.contracts.deliveries.delivery_vocabulary import ClosedReason
from stripeline.ingest.delivery_counters import Counters
from stripeline.ingest.http.connection import ClientConnection, Phase
from stripeline.ingest.http.listening import HANDSHAKE_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What connections may cost.

    head_deadline_s: from a request's first byte, or from the connection's start, to the end of its head.
    body_deadline_s: from the head to the last byte of the body.
    write_deadline_s: how long a client may leave answers unread once the buffers for them are full.
    keepalive_s: how long an idle connection is kept: longer than the proxy in front keeps it, or the proxy meets a
        closed connection.
    lingering_s: how long a refused client may go on sending a body that is dropped, so that it reads its answer.
    max_connections: those above it are closed at once. Each needs a file descriptor.
    max_held_bytes: the bytes of all bodies that are still arriving.
    handshake_s: how long a handshake that has begun may take once the receiver ends.
    last_head_s: how long the head of a connection's last request may take once the receiver ends.
    """

    head_deadline_s: float = 10.0
    body_deadline_s: float = 10.0
    write_deadline_s: float = 10.0
    keepalive_s: float = 75.0
    lingering_s: float = 1.0
    max_connections: int = 4096
    max_held_bytes: int = 256 * 1024 * 1024
    handshake_s: float = HANDSHAKE_S
    last_head_s: float = 2.0


class Connections(set[ClientConnection]):
    """The connections of one port."""

    def __init__(
        self, limits: Limits, counters: Counters, note: Callable[[ClosedReason, ClientConnection], None]
    ) -> None:
        """note: is called for each connection that we close for what its client did, or did not do."""
        super().__init__()
        self._note = note
        self.limits = limits
        self.loop = asyncio.get_running_loop()
        self.ending = False
        self.on_lost: Callable[[], None] = lambda: None
        self._counters = counters
        self._empty = asyncio.Event()
        self._longest_s = {
            Phase.HEAD: limits.head_deadline_s,
            Phase.IDLE: limits.keepalive_s,
            Phase.CLOSING: 2 * limits.lingering_s,  # aiohttp's own lingering, and the last bytes of the answer
        }

    def opened(self, connection: ClientConnection) -> bool:
        """Whether there is room for it."""
        self.add(connection)
        if self.ending:  # it was taken from the queue at the last moment
            self.loop.call_later(self.limits.last_head_s, connection.leave_soon)
        fits = len(self) <= self.limits.max_connections
        if not fits:
            self._closed(ClosedReason.TOO_MANY, connection)
        return fits

    def lost(self, connection: ClientConnection) -> None:
        self.discard(connection)
        self.on_lost()
        if not self:
            self._empty.set()

    def count(self, reason: ClosedReason) -> None:
        self._counters.count("stripeline_connections_closed_total", reason)

    def _closed(self, reason: ClosedReason, connection: ClientConnection) -> None:
        self.count(reason)
        self._note(reason, connection)

    async def sweep(self) -> None:
        """Close what waits too long, for as long as the receiver serves."""
        every_s = min(1.0, self.limits.write_deadline_s / 4, *(longest_s / 4 for longest_s in self._longest_s.values()))
        while True:
            await asyncio.sleep(every_s)
            now = self.loop.time()
            for connection in tuple(self):
                self._close_late(connection, now)

    def _close_late(self, connection: ClientConnection, now: float) -> None:
        longest_s = self._longest_s.get(connection.phase)
        if connection.blocked_since is not None and connection.blocked_since < now - self.limits.write_deadline_s:
            self._closed(ClosedReason.UNREAD, connection)
            connection.abort()
        elif longest_s is not None and connection.since < now - longest_s:
            if connection.phase is Phase.HEAD:
                self._closed(ClosedReason.STALLED, connection)
            connection.abort()

    def end(self) -> None:
        """Close what answers no request; the answers to the others are their last."""
        self.ending = True
        for connection in tuple(self):
            if connection.phase is Phase.IDLE:
                connection.leave()
            else:  # a client that has just connected, or sent a part of a head, has its request answered
                self.loop.call_later(self.limits.last_head_s, connection.leave_soon)

    async def emptied(self, within_s: float) -> None:
        """Wait until all are gone, or the time is over."""
        self._empty.clear()
        if self:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), within_s)
