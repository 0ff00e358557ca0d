"""HTTP: one request to one server, and its one answer. Judges no answer, retries no POST, follows no redirect.

Invariants:

- A connection is kept only after a whole answer and with nothing left to send or read; otherwise it is closed.
- There are never more connections than `limit`, kept ones included: one is opened only when none is kept.
- Errors name kinds, never values: a request carries a secret key, an answer a client_secret.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Mapping
from typing import Final, Self

from yarl import URL

from stripeline.workers.stripe.http_answer import DroppedError, Reply
from stripeline.workers.stripe.http_connection import HttpConnection
from stripeline.workers.stripe.http_connector import HttpConnector, NotSentError, ProxyError
from stripeline.workers.stripe.http_proxy import Proxy
from stripeline.workers.stripe.http_request import UnsendableError, header_lines, request_bytes

__all__ = ["HttpClient", "NotSentError", "ProxyError", "UnsendableError"]

_MAX_IDLE_S: Final = 15.0


class HttpClient:
    """Requests to one server. `headers` go with each; `tls`: for https, the system's authorities unless given.

    proxy: what every connection goes through.
    limit: requests at a time; more wait for one to end.
    deadline_s: of a request, waiting, connecting and a second sending included.
    A cancelled request has its connection closed.
    """

    def __init__(
        self,
        base: str,
        *,
        headers: Mapping[str, str],
        limit: int,
        max_body_bytes: int,
        deadline_s: float,
        tls: ssl.SSLContext | None = None,
        proxy: Proxy | None = None,
    ) -> None:
        self._url, self._max_body_bytes, self._deadline_s = URL(base), max_body_bytes, deadline_s
        if self._url.scheme not in {"http", "https"}:
            raise ValueError("the base URL of Stripe's API begins with neither http:// nor https://; correct it")
        common = {"Host": self._url.host_port_subcomponent or "", **headers, "Accept-Encoding": "identity"}
        self._prefix, self._common_headers = self._url.raw_path.rstrip("/"), header_lines(common)
        self._slots, self._idle, self._tls = asyncio.Semaphore(limit), deque[HttpConnection](), tls
        self._proxy = proxy
        self._connector: HttpConnector | None = None

    async def __aenter__(self) -> Self:
        self._connector = HttpConnector(self._url, self._tls, self._max_body_bytes, self._proxy)
        return self

    async def __aexit__(self, *_: object) -> None:
        connector, self._connector = self._connector, None
        self._idle.clear()
        if connector is not None:
            await connector.close()

    async def ask(self, method: str, target: str, headers: Mapping[str, str], body: bytes | None = None) -> Reply:
        """The answer to one request. Raises UnsendableError, NotSentError, LostError or TooLargeError.

        https://www.rfc-editor.org/rfc/rfc9110.html#name-idempotent-methods: a GET is sent once more where the
        connection ended without an answer. A POST is not: the caller decides what it may have done.
        """
        request = request_bytes(method, target, headers, body, prefix=self._prefix, common_headers=self._common_headers)
        until_s = asyncio.get_running_loop().time() + self._deadline_s
        await self._enter(until_s)
        try:
            return await self._exchange(request, until_s)
        except DroppedError:
            if method != "GET":
                raise
            return await self._exchange(request, until_s)
        finally:
            self._slots.release()

    async def _enter(self, until_s: float) -> None:
        if not self._slots.locked():
            await self._slots.acquire()  # waits for nothing
            return
        try:
            async with asyncio.timeout_at(until_s):
                await self._slots.acquire()
        except TimeoutError as error:
            raise NotSentError("Timeout") from error

    async def _exchange(self, request: bytes, until_s: float) -> Reply:
        connection = self._idle_connection() or await self._new_connection(until_s)
        try:
            return await connection.ask(request, until_s)
        finally:
            if connection.reusable and self._connector is not None:
                self._keep(connection)
            else:
                connection.close()

    def _keep(self, connection: HttpConnection) -> None:
        connection.idle_since_s = asyncio.get_running_loop().time()
        self._idle.append(connection)
        while self._idle[0].idle_since_s < connection.idle_since_s - _MAX_IDLE_S:
            self._idle.popleft().close()

    def _idle_connection(self) -> HttpConnection | None:
        """The one that was used last, so that those beyond what the load needs grow old."""
        while self._idle:
            connection = self._idle.pop()
            if connection.reusable and connection.idle_since_s > asyncio.get_running_loop().time() - _MAX_IDLE_S:
                return connection
            connection.close()
        return None

    async def _new_connection(self, until_s: float) -> HttpConnection:
        if self._connector is None:
            raise RuntimeError("HttpClient is used outside `async with`")
        return await self._connector.connect(until_s)
