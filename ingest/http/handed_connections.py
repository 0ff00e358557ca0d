"""Takes connections that a parent has accepted: it has the port, and gives each connection to one of its processes.

The parent sends a connection as a file descriptor over a socket of the two. This process answers with single bytes: it
serves, one of its connections is closed, it ends. After `ENDS` the parent sends what it has begun to send and closes
its side, so no connection is left on the way.
"""

import asyncio
import contextlib
import socket
from typing import Final

from stripeline.ingest.http.listening import ProtocolFactory

SERVES: Final = b"s"
CLOSED: Final = b"c"
ENDS: Final = b"e"
_LAST_S: Final = 2.0


class HandedConnections:
    """The connections of this process. `number`: the parent's port."""

    def __init__(self, channel: socket.socket, number: int, factory: ProtocolFactory) -> None:
        self.number = number
        self._loop, self._channel, self._factory = asyncio.get_running_loop(), channel, factory
        self._taking: set[asyncio.Task[None]] = set()
        self._over = asyncio.Event()
        channel.setblocking(False)
        self._loop.add_reader(channel, self._arrived)
        self._say(SERVES)

    def closed(self) -> None:
        """One of its connections is."""
        self._say(CLOSED)

    async def end(self) -> None:
        """Take what the parent has sent, and no more. It may be called again."""
        if self._channel.fileno() < 0:
            return
        self._say(ENDS)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._over.wait(), _LAST_S)
        self._loop.remove_reader(self._channel)
        if self._taking:
            await asyncio.wait(self._taking)
        self._channel.close()

    def _arrived(self) -> None:
        try:
            said, descriptors, _, _ = socket.recv_fds(self._channel, 1, 1)
        except BlockingIOError:
            return
        except OSError:
            said, descriptors = b"", []
        for descriptor in descriptors:
            task = self._loop.create_task(self._take(socket.socket(fileno=descriptor)))
            self._taking.add(task)
            task.add_done_callback(self._taking.discard)
        if not said:  # the parent has closed its side, or is gone
            self._loop.remove_reader(self._channel)
            self._over.set()

    async def _take(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        try:
            await self._loop.connect_accepted_socket(self._factory, connection)
        except OSError:  # its client has left
            connection.close()
            self.closed()

    def _say(self, what: bytes) -> None:
        with contextlib.suppress(OSError):  # a parent that does not listen counts us as busier than we are
            self._channel.send(what)
