"""HTTP: one request to one server, and its one answer. Judges no answer, retries no POST, follows no redirect.

It uses aiohttp's connector (pool, DNS, TLS, keep-alive), its protocol and its parser, without its session, whose
request and answer objects cost more than the rest of a call together: docs/decisions/0011. What is used here and is
not quite public was read in aiohttp 3.14.5; `tests/integration/test_http_client.py` fails when it changes.

A connection goes back to the pool only after a whole answer and with nothing left to send or read; after anything else
it is closed. Errors name kinds, never values: a request carries a secret key, an answer a client_secret.
"""

import asyncio
import re
import ssl
from collections.abc import Mapping
from typing import Self

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http import HttpProcessingError
from aiohttp.http_parser import RawResponseMessage
from yarl import URL

from contracts.frozen import frozen

_CONNECT = aiohttp.ClientTimeout(total=None, sock_connect=5.0)  # the whole request's time is the caller's
_MAX_LINE_BYTES = 8_190
_CONNECTIONS_TRIED = 8
_INFORMATIONAL_TAKEN = 16
_SWITCHING_PROTOCOLS, _OK = 101, 200
_TARGET = re.compile(r'/[!-"$-~]*').fullmatch  # percent-encoded, without a fragment
_VALUE = re.compile(r"[ -~]*").fullmatch
_NO_ANSWER = (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError)
_NO_GOOD = (aiohttp.ClientError, HttpProcessingError, aiohttp.EofStream, OSError)


class UnsendableError(ValueError):
    """The request can't be written as HTTP; nothing of it was sent. Says which part it is."""


class NotSentError(Exception):
    """There is no connection to send it on; no byte of the request was written."""


class LostError(Exception):
    """No whole answer came, and the server may have had the request."""


class DroppedError(LostError):
    """The connection ended without the head of an answer, as a kept one does that the server had given up."""


class TooLargeError(Exception):
    """The answer's body is larger than is read."""


@frozen(kw_only=False)
class Reply:
    """headers: by name in any case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpClient:
    """Requests to one server. `headers` go with each; `tls`: what to verify it by, True for the system's authorities.

    Whoever cancels a request, as a timeout does, has its connection closed.
    """

    def __init__(
        self,
        base: str,
        *,
        headers: Mapping[str, str],
        limit: int,
        max_body_bytes: int,
        tls: ssl.SSLContext | bool = True,
    ) -> None:
        self._base, self._headers, self._limit, self._max_body_bytes = base, headers, limit, max_body_bytes
        self._tls, self._prefix, self._standing = tls, "", ""
        self._connector: aiohttp.TCPConnector | None = None

    async def __aenter__(self) -> Self:
        url = URL(self._base)
        # What the connector knows the server by; it is never sent.
        self._origin = aiohttp.ClientRequest("GET", url.origin(), loop=asyncio.get_running_loop())
        standing = {"Host": self._origin.headers["Host"], **self._headers, "Accept-Encoding": "identity"}
        self._prefix, self._standing = url.raw_path.rstrip("/"), "".join(_line(*header) for header in standing.items())
        self._connector = aiohttp.TCPConnector(limit=self._limit, ttl_dns_cache=60, ssl=self._tls)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._connector is not None:
            await self._connector.close()

    async def ask(self, method: str, target: str, headers: Mapping[str, str], body: bytes | None = None) -> Reply:
        """The answer to one request. Raises UnsendableError, NotSentError, LostError or TooLargeError.

        https://www.rfc-editor.org/rfc/rfc9110.html#name-idempotent-methods: a GET is sent once more where the
        connection ended without an answer. A POST is not: whoever asked decides what it may have done.
        """
        request = self._written(method, target, headers, body)
        try:
            return await self._exchange(request)
        except DroppedError:
            if method != "GET":
                raise
        return await self._exchange(request)

    def _written(self, method: str, target: str, headers: Mapping[str, str], body: bytes | None) -> bytes:
        if not _TARGET(target):
            raise UnsendableError("the path is not percent-encoded; nothing was sent; quote what is put into it")
        lines = [f"{method} {self._prefix}{target} HTTP/1.1\r\n", self._standing]
        lines += [_line(name, value) for name, value in headers.items()]
        if body is None:
            return f"{''.join(lines)}\r\n".encode("ascii")
        return f"{''.join(lines)}Content-Length: {len(body)}\r\n\r\n".encode("ascii") + body

    async def _exchange(self, request: bytes) -> Reply:
        connection, protocol, transport = await self._connected()
        try:
            # Into the transport's buffer, whatever its size: the body is in memory anyway, an answer may come early.
            transport.write(request)
            reply = await self._reply(protocol)
            if not transport.get_write_buffer_size():
                _give_back(connection, protocol)
        except _NO_ANSWER as error:
            raise DroppedError(type(error).__name__) from error
        except _NO_GOOD as error:
            raise LostError(type(error).__name__) from error
        finally:
            _cut(connection, transport)
        return reply

    async def _connected(self) -> tuple[Connection, ResponseHandler, asyncio.Transport]:
        """A connection on which nothing was said that was not asked for: it would pass for the answer."""
        if self._connector is None:
            raise RuntimeError("HttpClient is used outside `async with`")
        for _ in range(_CONNECTIONS_TRIED):
            try:
                connection = await self._connector.connect(self._origin, [], _CONNECT)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                raise NotSentError(type(error).__name__) from error
            protocol, transport = connection.protocol, connection.transport
            if protocol is not None and transport is not None and protocol.is_connected() and not protocol.should_close:
                protocol.set_response_params(
                    read_until_eof=True, max_line_size=_MAX_LINE_BYTES, max_field_size=_MAX_LINE_BYTES
                )
                return connection, protocol, transport
            connection.close()
        raise NotSentError("SpokeUnasked")

    async def _reply(self, protocol: ResponseHandler) -> Reply:
        message, payload = await _final(protocol)
        body = b""
        while not payload.at_eof():
            body += await payload.readany()
            if len(body) > self._max_body_bytes:
                raise TooLargeError(f"more than {self._max_body_bytes} bytes")
        return Reply(message.code, message.headers, body)


async def _final(protocol: ResponseHandler) -> tuple[RawResponseMessage, aiohttp.StreamReader]:
    """The head of the answer, after those that only inform.

    https://www.rfc-editor.org/rfc/rfc9110.html#name-informational-1xx
    """
    for _ in range(_INFORMATIONAL_TAKEN):
        message, payload = await protocol.read()
        if message.code >= _OK:
            return message, payload
        if message.code == _SWITCHING_PROTOCOLS:
            raise LostError("SwitchingProtocols")
    raise LostError("TooManyInformational")


def _give_back(connection: Connection, protocol: ResponseHandler) -> None:
    # Without a parser, what is said before the next request is kept as it is, and gives the connection away.
    protocol._parser = None  # noqa: SLF001
    connection.release()


def _cut(connection: Connection, transport: asyncio.Transport) -> None:
    """Close a connection that was not given back."""
    if connection.protocol is None:
        return
    if transport.get_write_buffer_size():
        transport.abort()  # to close would wait until the server reads on, perhaps for ever
    connection.close()


def _line(name: str, value: str) -> str:
    if not _VALUE(value):
        raise UnsendableError(
            f"the value of {name} has characters that a header can't carry; nothing was sent; correct the value"
        )
    return f"{name}: {value}\r\n"
