"""The port of an ingest group: the parent accepts, and gives each connection to one of its processes.

With one listener each (SO_REUSEPORT), the connections in the queue of a process that ends are reset, and a restarted
process is left with few. With one listener for all, whichever process wakes first takes most: `docs/decisions/0058`.

It listens once a process serves: until then connections are refused at once, and Stripe delivers again. While all are
being restarted they wait in the queue.
"""

import asyncio
import contextlib
import socket
from collections.abc import Sequence
from typing import Final

from stripeline.deploy.runtime.process_group.connection_spread import ConnectionSpread
from stripeline.ingest.http.handed_connections import CLOSED, ENDS, SERVES
from stripeline.ingest.http.listening import BACKLOG, stop_arrivals

_AT_ONCE: Final = 64
_SAID_BYTES: Final = 4_096
_WITHOUT_DESCRIPTORS_S: Final = 1.0
_FULL_S: Final = 0.01


class SharedPort:
    """The listeners of one port, and a channel to each process."""

    def __init__(self, listeners: Sequence[socket.socket]) -> None:
        self._listeners, self._loop = listeners, asyncio.get_running_loop()
        self._channels: dict[int, socket.socket] = {}
        self._spread = ConnectionSpread()
        self._listens = self._accepts = self._over = False
        self._waiting: socket.socket | None = None  # accepted while every channel is full
        self._failed: asyncio.Future[None] = self._loop.create_future()

    def channel(self, number: int) -> socket.socket:
        """The other end of a new channel, for a process that is about to start."""
        self._forget(number)
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        self._channels[number] = ours
        self._loop.add_reader(ours, self._heard, number, ours)
        return theirs

    async def serve(self, stop: asyncio.Event) -> None:
        """Until stopped; then every connection that the system has accepted is given away. Raises OSError."""
        stopped = asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait((stopped, self._failed), return_when=asyncio.FIRST_COMPLETED)
            if self._failed.done():
                self._failed.result()
            if self._listens:
                await stop_arrivals(self._listeners)
        finally:
            stopped.cancel()
            self._failed.cancel()
            self._over = True
            self._accept(on=False)
            for one in (*self._listeners, *([self._waiting] if self._waiting else [])):
                one.close()

    def close(self) -> None:
        """The processes have ended."""
        for number in tuple(self._channels):
            self._forget(number)

    def _heard(self, number: int, channel: socket.socket) -> None:
        try:
            said = channel.recv(_SAID_BYTES)
        except BlockingIOError:
            return
        except OSError:
            said = b""
        if not said:
            self._forget(number)
        if closed := said.count(CLOSED):
            self._spread.closed(number, closed)
        if SERVES in said:
            self._spread.serves(number)
        if ENDS in said:
            self._spread.ends(number)
            channel.shutdown(socket.SHUT_WR)  # it has all that was sent before
        self._accept(on=bool(self._spread.order()))

    def _forget(self, number: int) -> None:
        self._spread.ends(number)
        if (former := self._channels.pop(number, None)) is not None:
            self._loop.remove_reader(former)
            former.close()

    def _accept(self, *, on: bool) -> None:
        """Take connections from the queue, or leave them there."""
        on = on and not self._over and self._waiting is None
        if on == self._accepts:
            return
        self._accepts = on
        for listener in self._listeners:
            if on:
                self._loop.add_reader(listener, self._arrived, listener)
            else:
                self._loop.remove_reader(listener)
        if on and not self._listens:
            self._listen()

    def _listen(self) -> None:
        self._listens = True
        try:
            for listener in self._listeners:
                listener.listen(BACKLOG)
        except OSError as error:
            self._over = True
            self._accept(on=False)
            self._failed.set_exception(error)

    def _arrived(self, listener: socket.socket) -> None:
        for _ in range(_AT_ONCE):
            try:
                connection, _ = listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError:  # no descriptor is left: a connection may be closed soon
                self._accept(on=False)
                self._loop.call_later(_WITHOUT_DESCRIPTORS_S, self._accept_again)
                return
            self._waiting = connection
            if not self._gave():
                self._accept(on=False)
                self._loop.call_later(_FULL_S, self._accept_again)
                return

    def _accept_again(self) -> None:
        if self._over or self._gave():
            self._accept(on=bool(self._spread.order()))
        else:
            self._loop.call_later(_FULL_S, self._accept_again)

    def _gave(self) -> bool:
        """Whether no connection waits. A process that is frozen has a full channel: the next one gets it."""
        connection = self._waiting
        if connection is None:
            return True
        for number in self._spread.order():
            with contextlib.suppress(OSError):
                socket.send_fds(self._channels[number], [b"+"], [connection.fileno()])
                self._spread.given(number)
                connection.close()  # its process has a copy
                self._waiting = None
                return True
        return False
