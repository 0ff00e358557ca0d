"""HTTP: one request to one server, and its one answer. Judges no answer, retries no POST, follows no redirect.

Connections come from aiohttp's connector (DNS, TLS, happy eyeballs); what is said on one is in `http_line.py`. Both
leave out aiohttp's session, whose objects cost more than the rest of a call together: docs/decisions/0011. What is used
and not quite public was read in aiohttp 3.14.5; `tests/integration/test_http_client.py` fails when it changes.

A connection is kept only after a whole answer and with nothing left to send or read; after anything else it is closed.
Errors name kinds, never values: a request carries a secret key, an answer a client_secret.
"""

import asyncio
import re
import ssl
import time
from collections import deque
from collections.abc import Mapping
from typing import Self

import aiohttp
from yarl import URL

from stripeline.workers.stripe.http_connection import DroppedError, Line, Reply

_CONNECT = aiohttp.ClientTimeout(total=None, sock_connect=5.0)
_KEPT_S = 15.0
_TARGET = re.compile(r'/[!-"$-~]*').fullmatch  # percent-encoded, without a fragment
_VALUE = re.compile(r"[ -~]*").fullmatch


class UnsendableError(ValueError):
    """The request can't be written as HTTP; nothing of it was sent. Says which part it is."""


class NotSentError(Exception):
    """There is no connection to send it on; no byte of the request was written."""


class HttpClient:
    """Requests to one server. `headers` go with each; `tls`: what to verify it by, True for the system's authorities.

    limit: requests at a time; more wait for one to end.
    deadline_s: of a request, waiting, connecting and a second sending included.
    Whoever cancels a request has its connection closed.
    """

    def __init__(
        self,
        base: str,
        *,
        headers: Mapping[str, str],
        limit: int,
        max_body_bytes: int,
        deadline_s: float,
        tls: ssl.SSLContext | bool = True,
    ) -> None:
        self._base, self._headers, self._max_body_bytes, self._deadline_s = base, headers, max_body_bytes, deadline_s
        self._room, self._kept = asyncio.Semaphore(limit), deque[Line]()
        self._tls, self._prefix, self._standing = tls, "", ""
        self._connector: aiohttp.TCPConnector | None = None

    async def __aenter__(self) -> Self:
        url = URL(self._base)
        # What the connector knows the server by; it is never sent.
        self._origin = aiohttp.ClientRequest("GET", url.origin(), loop=asyncio.get_running_loop())
        standing = {"Host": self._origin.headers["Host"], **self._headers, "Accept-Encoding": "identity"}
        self._prefix, self._standing = url.raw_path.rstrip("/"), "".join(_line(*header) for header in standing.items())
        self._connector = aiohttp.TCPConnector(limit=0, ttl_dns_cache=60, ssl=self._tls)
        return self

    async def __aexit__(self, *_: object) -> None:
        connector, self._connector = self._connector, None
        while self._kept:
            self._kept.pop().close()
        if connector is not None:
            await connector.close()

    async def ask(self, method: str, target: str, headers: Mapping[str, str], body: bytes | None = None) -> Reply:
        """The answer to one request. Raises UnsendableError, NotSentError, LostError or TooLargeError.

        https://www.rfc-editor.org/rfc/rfc9110.html#name-idempotent-methods: a GET is sent once more where the
        connection ended without an answer. A POST is not: whoever asked decides what it may have done.
        """
        request = self._written(method, target, headers, body)
        until_s = asyncio.get_running_loop().time() + self._deadline_s
        await self._enter(until_s)
        try:
            return await self._exchange(request, until_s)
        except DroppedError:
            if method != "GET":
                raise
            return await self._exchange(request, until_s)
        finally:
            self._room.release()

    async def _enter(self, until_s: float) -> None:
        if not self._room.locked():
            await self._room.acquire()  # waits for nothing
            return
        try:
            async with asyncio.timeout_at(until_s):
                await self._room.acquire()
        except TimeoutError as error:
            raise NotSentError("Timeout") from error

    def _written(self, method: str, target: str, headers: Mapping[str, str], body: bytes | None) -> bytes:
        if not _TARGET(target):
            raise UnsendableError("the path is not percent-encoded; nothing was sent; quote what is put into it")
        lines = [f"{method} {self._prefix}{target} HTTP/1.1\r\n", self._standing]
        lines += [_line(name, value) for name, value in headers.items()]
        if body is None:
            return f"{''.join(lines)}\r\n".encode("ascii")
        return f"{''.join(lines)}Content-Length: {len(body)}\r\n\r\n".encode("ascii") + body

    async def _exchange(self, request: bytes, until_s: float) -> Reply:
        line = self._kept_line() or await self._new_line(until_s)
        try:
            return await line.ask(request, until_s)
        finally:
            if line.stays and self._connector is not None:
                self._keep(line)
            else:
                line.close()

    def _keep(self, line: Line) -> None:
        line.kept_s = time.monotonic()
        self._kept.append(line)
        while self._kept[0].kept_s < line.kept_s - _KEPT_S:
            self._kept.popleft().close()

    def _kept_line(self) -> Line | None:
        """The one that was used last, so that those that are too many grow old."""
        while self._kept:
            line = self._kept.pop()
            if line.stays and line.kept_s >= time.monotonic() - _KEPT_S:
                return line
            line.close()
        return None

    async def _new_line(self, until_s: float) -> Line:
        """A connection on which nothing was said that was not asked for: it would pass for the answer."""
        if self._connector is None:
            raise RuntimeError("HttpClient is used outside `async with`")
        try:
            async with asyncio.timeout_at(until_s):
                connection = await self._connector.connect(self._origin, [], _CONNECT)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise NotSentError(type(error).__name__) from error
        protocol, transport = connection.protocol, connection.transport
        if protocol is None or transport is None or not protocol.is_connected() or protocol.should_close:
            connection.close()
            raise NotSentError("SpokeUnasked")
        return Line(connection, transport, asyncio.get_running_loop(), self._max_body_bytes)


def _line(name: str, value: str) -> str:
    if not _VALUE(value):
        raise UnsendableError(
            f"the value of {name} has characters that a header can't carry; nothing was sent; correct the value"
        )
    return f"{name}: {value}\r\n"
