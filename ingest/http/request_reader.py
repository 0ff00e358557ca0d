"""Reads requests: the head as the plain value that the decisions need, and the body within its limits."""

import asyncio
from collections.abc import Sequence
from typing import Final

from aiohttp import hdrs, web
from multidict import istr

from stripeline.ingest import refusals
from stripeline.ingest.http.connection import ClientConnection
from stripeline.ingest.http.deadlines import Limits
from stripeline.ingest.refusals import Refusal
from stripeline.ingest.webhook import RequestHead

_SIGNATURE: Final = istr("Stripe-Signature")
_TRACEPARENT: Final = istr("traceparent")
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


def head_of(request: web.BaseRequest) -> RequestHead:
    headers = request.headers
    length = headers.get(hdrs.CONTENT_LENGTH)
    return RequestHead(
        request.method,
        request.path,
        headers.get(hdrs.CONTENT_TYPE, ""),
        None if length is None else int(length),  # the parser accepts digits alone
        hdrs.CONTENT_ENCODING in headers and _encoded(headers.getall(hdrs.CONTENT_ENCODING)),
        # aiohttp decodes headers so that every byte comes back, valid UTF-8 or not.
        [value.encode("utf-8", "surrogateescape") for value in headers.getall(_SIGNATURE, ())],
        headers.get(_TRACEPARENT),
    )


def _encoded(values: Sequence[str]) -> bool:
    """Whether a `Content-Encoding` says more than `identity`, which some proxies add and which changes nothing."""
    return any(item.strip().lower() not in {"", "identity"} for value in values for item in value.split(","))


class Bodies:
    """The bodies of one server. Only those that arrive in parts are waited for, and counted together."""

    def __init__(self, *, max_body: int, limits: Limits) -> None:
        self._max_body = max_body
        self._limits = limits
        self._held = 0

    def whole(self, request: web.BaseRequest) -> bytes | Refusal:
        """A body that was complete with its head."""
        body = request.content.read_nowait()
        return body if len(body) <= self._max_body else refusals.TOO_LARGE

    async def arriving(self, connection: ClientConnection, request: web.BaseRequest) -> bytes | Refusal:
        """A body that was not complete with its head."""
        # https://www.rfc-editor.org/rfc/rfc9110#name-expect
        if request.headers.get(hdrs.EXPECT, "").lower() == "100-continue" and connection.wire is not None:
            connection.wire.write(_CONTINUE)
        parts = bytearray()
        try:
            async with asyncio.timeout(self._limits.body_deadline_s) as connection.body_timeout:
                return await self._whole(connection, request, parts)
        except TimeoutError:
            return refusals.CUT_OFF if connection.half_closed else refusals.TOO_SLOW
        except (OSError, web.RequestPayloadError):  # the client has gone, or its chunks are no chunks
            return refusals.CUT_OFF
        finally:
            connection.body_timeout = None
            self._held -= len(parts)

    async def _whole(self, connection: ClientConnection, request: web.BaseRequest, parts: bytearray) -> bytes | Refusal:
        content = request.content
        while not content.at_eof():
            if connection.wire is None:
                return refusals.CUT_OFF
            part = await content.readany()
            parts += part
            self._held += len(part)
            connection.took_part()
            if len(parts) > self._max_body:
                return refusals.TOO_LARGE
            if self._held > self._limits.max_held_bytes:
                return refusals.BUSY
        return bytes(parts)
