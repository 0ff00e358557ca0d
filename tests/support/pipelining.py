"""Clients that pipeline requests without end over a blocking socket, each in a thread of its own."""

import contextlib
import select
import socket
import threading
import time
from types import TracebackType
from typing import Self

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
BUFFER_BYTES = 65_536
UNREAD_BYTES = 4_096


class Pipeliner:
    """Sends as fast as it is taken; `reads` the answers, or never does. `closed_after_s`: when the server closed."""

    def __init__(self, port: int, request: bytes, *, reads: bool) -> None:
        self.received, self.closed_after_s = 0, 0.0
        self._wire = request * 1_000
        self._reads, self._stopped = reads, threading.Event()
        self._socket = socket.socket()
        if not reads:  # so that the buffers on the way are full soon
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, UNREAD_BYTES)
        self._socket.connect(("127.0.0.1", port))
        self._socket.setblocking(False)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join(5)
        self._socket.close()

    def _run(self) -> None:
        began, wire = time.monotonic(), self._wire
        with contextlib.suppress(OSError):
            while not self._stopped.is_set():
                readable, writable, _ = select.select([self._socket] if self._reads else [], [self._socket], [], 0.1)
                if writable:
                    # A part of a request may be sent: what follows is still a request for some, and noise for others.
                    sent = self._socket.send(wire)
                    wire = wire[sent:] + wire[:sent]
                if readable:
                    answers = self._socket.recv(BUFFER_BYTES)
                    self.received += len(answers)
                    if not answers:
                        break
        if not self._stopped.is_set():
            self.closed_after_s = time.monotonic() - began
