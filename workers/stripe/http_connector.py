"""Opens connections to one server, at once or through a proxy: addresses, happy eyeballs and TLS. Sends no request.

Public interfaces only: the loop's `getaddrinfo` and `create_connection`, aiohappyeyeballs for RFC 8305, since uvloop's
`create_connection` has no `happy_eyeballs_delay`. https://www.rfc-editor.org/rfc/rfc8305
"""

import asyncio
import socket
import ssl
from pathlib import Path
from typing import Any, Final

from aiohappyeyeballs import AddrInfoType, start_connection
from yarl import URL

from stripeline.workers.stripe.http_connection import HttpConnection
from stripeline.workers.stripe.http_proxy import Proxy, Tunnel, TunnelRefusedError

_ADDRESSES_S: Final = 60.0
_CONNECT_S: Final = 5.0
_NEXT_ADDRESS_S: Final = 0.25
_TLS_SHUTDOWN_S: Final = 1.0


class NotSentError(Exception):
    """There is no connection to send the request on; no byte of it was written."""


class ProxyError(NotSentError):
    """The proxy opened no way to the server. The message says what it answered."""


class HttpConnector:
    """tls: what to verify the server and an https proxy by; None for the system's authorities."""

    def __init__(self, url: URL, tls: ssl.SSLContext | None, max_body_bytes: int, proxy: Proxy | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._server, self._max_body_bytes, self._proxy = url.raw_host or "", max_body_bytes, proxy
        self._host, self._port = (proxy.host, proxy.port) if proxy else (self._server, url.port or 0)
        self._authority = f"{url.host_subcomponent}:{url.port}"
        encrypted = url.scheme == "https"
        authorities = (tls or authorities_of()) if encrypted or (proxy and proxy.encrypted) else None
        self._tls = authorities if encrypted else None
        self._proxy_tls = authorities if proxy and proxy.encrypted else None
        self._look_up: asyncio.Task[list[AddrInfoType]] | None = None
        self._looked_up_s = 0.0
        self._open: set[HttpConnection] = set()

    async def connect(self, until_s: float) -> HttpConnection:
        """A connection on which nothing was said yet. Raises NotSentError."""
        try:
            async with asyncio.timeout_at(until_s):
                addresses = await self._addresses()
                async with asyncio.timeout(_CONNECT_S):
                    connection = await self._connected(addresses)
        except TunnelRefusedError as error:
            raise ProxyError(str(error)) from error
        except (OSError, RuntimeError, UnicodeError) as error:  # the last two: uvloop's, and of a malformed host name
            raise NotSentError(_kind(error)) from error
        if not connection.usable:
            connection.close()
            raise NotSentError("Unsolicited")
        return connection

    async def close(self) -> None:
        """Close every connection, also those in use, and wait for their end."""
        if self._look_up is not None:
            self._look_up.cancel()
        closed = [connection.closed for connection in self._open]
        for connection in self._open:
            connection.abort()
        await asyncio.gather(*closed)

    async def _connected(self, addresses: list[AddrInfoType]) -> HttpConnection:
        sock = await start_connection(addresses, happy_eyeballs_delay=_NEXT_ADDRESS_S)
        connection = HttpConnection(self._loop, self._max_body_bytes)
        try:
            if self._proxy is None:
                await self._loop.create_connection(lambda: connection, sock=sock, **_secured(self._tls, self._server))
            else:
                await self._through(self._proxy, sock, connection)
        except BaseException:
            sock.close()
            raise
        self._open.add(connection)
        connection.closed.add_done_callback(lambda _: self._open.discard(connection))
        return connection

    async def _through(self, proxy: Proxy, sock: socket.socket, connection: HttpConnection) -> None:
        """The connection, at the end of a tunnel."""
        tunnel = Tunnel(self._loop)
        secured = _secured(self._proxy_tls, self._host)
        transport, _ = await self._loop.create_connection(lambda: tunnel, sock=sock, **secured)
        try:
            await tunnel.open(proxy.connect_request(self._authority))
            inner = await self._encrypted(transport, connection)
        except BaseException:
            transport.abort()
            raise
        connection.connection_made(inner)

    async def _encrypted(self, transport: asyncio.Transport, connection: HttpConnection) -> asyncio.BaseTransport:
        """The transport of the connection, whose protocol this one becomes."""
        if self._tls is None:
            transport.set_protocol(connection)
            return transport
        inner = await self._loop.start_tls(
            transport, connection, self._tls, server_hostname=self._server, ssl_shutdown_timeout=_TLS_SHUTDOWN_S
        )
        if inner is None:
            raise ConnectionResetError
        return inner

    async def _addresses(self) -> list[AddrInfoType]:
        """The server's addresses, each asked for connections in its turn."""
        look_up, now_s = self._look_up, self._loop.time()
        if look_up is None or (look_up.done() and (_failed(look_up) or now_s > self._looked_up_s + _ADDRESSES_S)):
            look_up = self._look_up = asyncio.create_task(self._getaddrinfo())
            self._looked_up_s = now_s
        # Those who connect at once share one look-up; whoever gives up leaves it to the others.
        await asyncio.wait((look_up,))
        addresses = look_up.result()
        addresses.append(addresses.pop(0))
        return list(addresses)

    async def _getaddrinfo(self) -> list[AddrInfoType]:
        return list(await self._loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM))


def authorities_of(ca_file: Path | None = None) -> ssl.SSLContext:
    """The system's authorities, and those of a file. Raises OSError, ssl.SSLError included."""
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    context.set_alpn_protocols(["http/1.1"])
    return context


def _secured(tls: ssl.SSLContext | None, host: str) -> dict[str, Any]:
    if tls is None:
        return {}
    return {"ssl": tls, "server_hostname": host, "ssl_shutdown_timeout": _TLS_SHUTDOWN_S}


def _failed(task: "asyncio.Task[list[AddrInfoType]]") -> bool:
    return task.cancelled() or task.exception() is not None


def _kind(error: Exception) -> str:
    return "Certificate" if isinstance(error, ssl.SSLCertVerificationError) else type(error).__name__
