"""Listens on an address, and stops without losing a connection that the system has accepted.

The system completes handshakes by itself and queues the connections. A listener that is closed resets those in its
queue, although their clients count as connected. So the end is in three steps: no new handshake is begun, what is in
the queue is taken, and then the listener is closed.
"""

import asyncio
import ctypes
import select
import socket
import sys
from collections.abc import Callable, Sequence
from typing import Final, Self

BACKLOG: Final = 1024
HANDSHAKE_S: Final = 0.3
"""A handshake that has begun is over by then, from anywhere in the world."""
_TAKEN_S: Final = 2.0
_LOOK_EVERY_S: Final = 0.01
_SO_ATTACH_FILTER: Final = 26

ProtocolFactory = Callable[[], asyncio.Protocol]


def bound(host: str, port: int) -> Sequence[socket.socket]:
    """A socket for each address of the host; none listens yet. Raises OSError where somebody else does."""
    made: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, address in dict.fromkeys(found):
            one = socket.socket(family, kind, protocol)
            made.append(one)
            one.setblocking(False)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # closing connections hold no listener up
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            one.bind(address)
    except OSError:
        for one in made:
            one.close()
        raise
    return made


async def stop_arrivals(listeners: Sequence[socket.socket], handshake_s: float = HANDSHAKE_S) -> None:
    """Refuse new connections, and wait until somebody has taken those that the system has accepted."""
    if not listeners:
        return
    filtered = [_drop_handshakes(one) for one in listeners]
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    # Without the filter connections may come for ever: then only what is there now is waited for.
    at_least_s, at_most_s = (handshake_s, _TAKEN_S) if all(filtered) else (0.0, handshake_s)
    waits = True
    while waits:
        await asyncio.sleep(_LOOK_EVERY_S)  # also after the last one was taken: its protocol has begun then
        waited_s = loop.time() - began_s
        waits = waited_s < at_most_s and (waited_s < at_least_s or _queued(listeners))


class OpenPort:
    """A port of this process. `number` is the one that was bound, also when 0 was asked for."""

    def __init__(
        self, listeners: Sequence[socket.socket], servers: Sequence[asyncio.Server], handshake_s: float
    ) -> None:
        self.number: int = listeners[0].getsockname()[1]
        self._listeners, self._servers, self._handshake_s = listeners, servers, handshake_s

    @classmethod
    async def of(cls, host: str, port: int, factory: ProtocolFactory, *, handshake_s: float = HANDSHAKE_S) -> Self:
        """Raises OSError."""
        loop, listeners = asyncio.get_running_loop(), bound(host, port)
        try:
            servers = [await loop.create_server(factory, sock=one, backlog=BACKLOG) for one in listeners]
        except OSError:
            for one in listeners:
                one.close()
            raise
        return cls(listeners, servers, handshake_s)

    async def end(self) -> None:
        """Accept no more. It may be called again."""
        listeners, self._listeners = self._listeners, ()
        await stop_arrivals(listeners, self._handshake_s)
        for server in self._servers:
            server.close()


class _Instruction(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint16), ("jt", ctypes.c_uint8), ("jf", ctypes.c_uint8), ("k", ctypes.c_uint32))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("first", ctypes.POINTER(_Instruction)))


# https://www.kernel.org/doc/html/latest/networking/filter.html: load the byte with TCP's flags; with SYN set drop the
# packet, else take it. What completes a handshake has no SYN, nor has any packet of an open connection.
_NO_SYN: Final = ((0x30, 0, 0, 13), (0x45, 0, 1, 0x02), (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFFFFFF))


def _drop_handshakes(listener: socket.socket) -> bool:
    """Have the system drop the first packet of each further connection; False where it can't (not Linux)."""
    if sys.platform != "linux":
        return False
    instructions = (_Instruction * len(_NO_SYN))(*(_Instruction(*one) for one in _NO_SYN))
    program = bytes(_Program(len(_NO_SYN), instructions))
    try:
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
    except OSError:
        return False
    return True


def _queued(listeners: Sequence[socket.socket]) -> bool:
    """Whether a connection waits to be taken."""
    look = select.poll()
    for one in listeners:
        look.register(one, select.POLLIN)
    return bool(look.poll(0))
