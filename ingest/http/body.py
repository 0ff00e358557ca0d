"""Gathers one request's body: at most so many bytes, and not too many bodies at a time.

aiohttp checks a declared length only once the bytes have come, and bounds no sum.
"""

from typing import Final

from aiohttp import StreamReader
from aiohttp.web import RequestPayloadError

from stripeline.ingest.refusals import BUSY, CUT_OFF, TOO_LARGE, Refusal

MAX_BODY: Final = 900 * 1024
MAX_HELD: Final = 256 * 1024 * 1024


class Bodies:
    """The bodies of one server. `max_held` bounds the bytes of all that are still arriving."""

    def __init__(self, *, max_body: int, deadline_s: float, max_held: int) -> None:
        self.max_body = max_body
        self.deadline_s = deadline_s
        self.max_held = max_held
        self.held = 0

    def whole(self, payload: StreamReader) -> bytes | Refusal:
        """A body that came with its head."""
        body = payload.read_nowait(-1)
        return body if len(body) <= self.max_body else TOO_LARGE


class Body:
    """One that is arriving."""

    __slots__ = ("_bodies", "_got", "_payload")

    def __init__(self, bodies: Bodies, payload: StreamReader) -> None:
        self._bodies = bodies
        self._payload = payload
        self._got = bytearray()

    def taken(self) -> bytes | Refusal | None:
        """The whole of it, or why it is not taken; None while there is more to come."""
        bodies = self._bodies
        try:
            come = self._payload.read_nowait(-1)
        except RequestPayloadError:  # its chunks are no chunks
            return CUT_OFF
        self._got += come
        bodies.held += len(come)
        if len(self._got) > bodies.max_body:
            return TOO_LARGE
        if bodies.held > bodies.max_held:
            return BUSY
        return bytes(self._got) if self._payload.is_eof() else None

    def dropped(self) -> None:
        """Its bytes are not held any more."""
        self._bodies.held -= len(self._got)
        self._got.clear()
