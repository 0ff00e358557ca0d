"""One connection to a server: a request, and its one answer. It opens none, and knows no call.

A protocol of our own on aiohttp's parser, on a transport that aiohttp's connector opened and counts: an answer costs
one future and one timer (docs/decisions/0011). An answer is whole, or it is an error; errors name kinds, never values.
What a server says unasked would pass for the next request's answer: the connection is closed instead.
"""

import asyncio
import zlib
from collections.abc import Mapping
from typing import Final

from aiohttp import ClientPayloadError, StreamReader
from aiohttp.connector import Connection
from aiohttp.http import HttpProcessingError
from aiohttp.http_parser import HttpResponseParser, RawResponseMessage

from stripeline.contracts.frozen import frozen

_MAX_LINE_BYTES: Final = 8_190
_READ_LIMIT: Final = 1024 * 1024
"""More than one read of the event loop brings: each is taken out of the parser's buffer at once, so it never fills."""
_INFORMATIONAL_TAKEN: Final = 16
_SWITCHING_PROTOCOLS, _OK = 101, 200
_GZIP_OR_ZLIB: Final = zlib.MAX_WBITS | 32


class LostError(Exception):
    """No whole answer came, and the server may have had the request."""


class DroppedError(LostError):
    """The connection ended without the head of an answer, as a kept one does that the server had given up."""


class TooLargeError(Exception):
    """The answer's body is larger than is read."""


@frozen
class Reply:
    """headers: by name in any case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Line(asyncio.Protocol):
    """A connection for one request at a time. `connection`: aiohttp's, on which nothing was said yet."""

    def __init__(
        self, connection: Connection, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, max_body: int
    ) -> None:
        self.kept_s = 0.0  # since when it waits for its next request
        self._connection, self._transport, self._loop, self._max_body = connection, transport, loop, max_body
        self._handler = connection.protocol  # aiohttp's own, which the connector waits for when it closes
        self._answer: asyncio.Future[Reply] | None = None
        self._parser: HttpResponseParser | None = None
        self._message: RawResponseMessage | None = None
        self._payload: StreamReader | None = None
        self._body = b""
        self._informed = 0
        self._ends = False
        transport.set_protocol(self)

    @property
    def stays(self) -> bool:
        """Whether it may take another request: the answer was whole, and nothing is left to send or to read."""
        return not self._ends and not self._transport.is_closing() and not self._transport.get_write_buffer_size()

    async def ask(self, request: bytes, until_s: float) -> Reply:
        """The answer, by this time of the loop. Raises LostError or TooLargeError; then the line is of no more use."""
        # What is said before the next request meets no parser, and ends the line.
        self._parser = HttpResponseParser(
            self, self._loop, _READ_LIMIT,  # type: ignore[arg-type]  # it asks for pause_reading and resume_reading
            max_line_size=_MAX_LINE_BYTES, max_field_size=_MAX_LINE_BYTES, payload_exception=ClientPayloadError,
            read_until_eof=True, auto_decompress=False,
        )  # fmt: skip
        self._message = self._payload = None
        self._body, self._informed = b"", 0
        answer: asyncio.Future[Reply] = self._loop.create_future()
        self._answer = answer
        # Into the transport's buffer, whatever its size: the body is in memory anyway, an answer may come early.
        self._transport.write(request)
        timer = self._loop.call_at(until_s, self._late)
        try:
            return await answer
        except BaseException:  # also a cancellation: what comes yet is nobody's
            self._ends = True
            raise
        finally:
            timer.cancel()
            self._parser = self._answer = None

    def close(self) -> None:
        self._ends = True
        if self._transport.get_write_buffer_size():
            self._transport.abort()  # to close would wait until the server reads on, perhaps for ever
        self._connection.close()

    def data_received(self, data: bytes) -> None:
        if self._parser is None or self._answer is None or self._answer.done():
            self.close()  # unasked
            return
        try:
            messages, upgraded, _ = self._parser.feed_data(data)
        except HttpProcessingError as error:
            self._fail(LostError(type(error).__name__))
            return
        self._ends = self._ends or upgraded
        for message, payload in messages:
            self._head(message, payload)
        self._take()

    def connection_lost(self, exc: Exception | None) -> None:
        """The end of the connection is the end of a body that no length ends."""
        self._ends = True
        if self._handler is not None:
            self._handler.connection_lost(exc)
        if self._parser is None or self._answer is None or self._answer.done():
            return
        if self._message is None:
            self._fail(DroppedError(type(exc or EOFError()).__name__))
            return
        try:
            self._parser.feed_eof()
        except Exception as error:  # noqa: BLE001  (aiohttp's, of several kinds: the body is not whole)
            self._fail(LostError(type(error).__name__))
        self._take()

    def pause_reading(self) -> None:
        """Asked by the parser, whose buffer never fills: see _READ_LIMIT."""

    def resume_reading(self, resume_parser: bool = True) -> None:
        """Asked by the parser."""

    def _head(self, message: RawResponseMessage, payload: StreamReader) -> None:
        """https://www.rfc-editor.org/rfc/rfc9110.html#name-informational-1xx: the answer comes after those."""
        if self._message is not None:
            self._ends = True  # a second answer
        elif message.code >= _OK:
            self._message, self._payload = message, payload
            self._ends = self._ends or message.should_close
        else:
            self._informed += 1
            if message.code == _SWITCHING_PROTOCOLS or self._informed > _INFORMATIONAL_TAKEN:
                self._fail(LostError("SwitchingProtocols" if message.code == _SWITCHING_PROTOCOLS else "Informational"))

    def _take(self) -> None:
        """Take what has come of the body; with its end the request is answered."""
        message, payload, answer = self._message, self._payload, self._answer
        if message is None or payload is None or answer is None or answer.done():
            return
        try:
            come = payload.read_nowait(-1)
        except Exception as error:  # noqa: BLE001  (aiohttp's, of several kinds: the body is none)
            self._fail(LostError(type(error).__name__))
            return
        self._body = self._body + come if self._body else come
        if len(self._body) > self._max_body:
            self._fail(TooLargeError(f"more than {self._max_body} bytes"))
        elif payload.is_eof():
            self._reply(message, answer)

    def _reply(self, message: RawResponseMessage, answer: "asyncio.Future[Reply]") -> None:
        body = self._body if message.compression is None else self._decoded()
        if isinstance(body, bytes):
            answer.set_result(Reply(status=message.code, headers=message.headers, body=body))
        else:
            self._fail(body)

    def _decoded(self) -> bytes | LostError | TooLargeError:
        """The body of an answer that is encoded though nobody asked for it."""
        decoder = zlib.decompressobj(_GZIP_OR_ZLIB)
        try:
            body = decoder.decompress(self._body, self._max_body + 1)
        except zlib.error:
            return LostError("ContentEncoding")
        if len(body) > self._max_body:
            return TooLargeError(f"more than {self._max_body} bytes")
        return body if decoder.eof else LostError("ContentEncoding")

    def _late(self) -> None:
        self._fail(LostError("Timeout"))

    def _fail(self, error: Exception) -> None:
        self._ends = True
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
