"""Reads one request's body: at most so many bytes, within a deadline of its own, and not too many bodies at a time.

aiohttp has no read timeout, and checks a declared length only once the bytes have come.
"""

import asyncio
from typing import Final

from aiohttp import StreamReader, web

from ingest.answers import BUSY, CUT_OFF, TOO_LARGE, TOO_SLOW, Refusal

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class BodyReader:
    """Bodies of one server. `max_held` bounds the bytes of all bodies that are still arriving."""

    def __init__(self, *, max_body: int, deadline_s: float, max_held: int) -> None:
        self._max_body = max_body
        self._deadline_s = deadline_s
        self._max_held = max_held
        self._held = 0

    def declared_too_large(self, request: web.BaseRequest) -> bool:
        return (request.content_length or 0) > self._max_body

    async def read(self, request: web.BaseRequest) -> bytes | Refusal:
        """The whole body, or why it was not read."""
        try:
            if request.content.is_eof():  # it came with its head: no timer, no waiting
                body = request.content.read_nowait(-1)
                return body if len(body) <= self._max_body else TOO_LARGE
            async with asyncio.timeout(self._deadline_s):
                await _invite(request)
                return await self._arriving(request.content)
        except TimeoutError:
            return TOO_SLOW
        # The client is gone, or its chunks are no chunks.
        except (ConnectionError, web.RequestPayloadError):
            return CUT_OFF

    async def _arriving(self, content: StreamReader) -> bytes | Refusal:
        body = bytearray()
        try:
            while chunk := await content.readany():
                body += chunk
                self._held += len(chunk)
                if len(body) > self._max_body:
                    return TOO_LARGE
                if self._held > self._max_held:
                    return BUSY
        finally:
            self._held -= len(body)
        return bytes(body)


async def _invite(request: web.BaseRequest) -> None:
    """Answer `Expect: 100-continue`, which a low-level aiohttp server leaves to its handler."""
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(_CONTINUE)
        request.writer.output_size = 0  # or aiohttp takes the answer for one that has begun
