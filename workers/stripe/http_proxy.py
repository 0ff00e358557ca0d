"""The way through a proxy: what asks it for a tunnel, and what its answer means. Sends no request of a call.

https://www.rfc-editor.org/rfc/rfc9110.html#name-connect

Invariants:

- No byte of a call is written before the proxy has opened the tunnel.
- The password is in the CONNECT request only: neither an error nor a repr shows it.
"""

import asyncio
import base64
import re
from typing import Final, cast
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

_MAX_HEAD_BYTES: Final = 16_384
_STATUS: Final = re.compile(rb"HTTP/1\.[01] ([0-9]{3})[ \r]")
_OPENED: Final = range(200, 300)
_PORTS: Final = {"http": 80, "https": 443}


class Proxy:
    """A proxy's address, and what it is logged in to with. Raises ValueError, which shows no value."""

    def __init__(self, url: SecretStr) -> None:
        try:
            parts = urlsplit(url.get_secret_value())
            port = parts.port or _PORTS.get(parts.scheme)
        except ValueError:
            raise ValueError("it is no URL: write http://user:password@host:port") from None
        if parts.scheme not in {"http", "https"} or not parts.hostname or not port:
            raise ValueError(
                "it must be http://host:port or https://host:port, with user:password@ before it if needed"
            )
        if parts.path not in {"", "/"} or parts.query or parts.fragment:
            raise ValueError("it must end after the port: http://user:password@host:port")
        self.host, self.port, self.encrypted = parts.hostname, port, parts.scheme == "https"
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        self._login = SecretStr(f"{user}:{password}") if user or password else None

    def connect_request(self, authority: str) -> bytes:
        """What asks for a tunnel to `host:port`."""
        lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}"]
        if self._login is not None:
            basic = base64.b64encode(self._login.get_secret_value().encode()).decode()
            lines.append(f"Proxy-Authorization: Basic {basic}")
        return "\r\n".join([*lines, "", ""]).encode("ascii")


class TunnelRefusedError(Exception):
    """The proxy opened no tunnel: its answer, in words that show nothing of it but the status."""


class Tunnel(asyncio.Protocol):
    """A connection to a proxy, from CONNECT until the tunnel is open."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.transport: asyncio.Transport | None = None
        self._opened: asyncio.Future[None] = loop.create_future()
        self._head = b""

    async def open(self, request: bytes) -> None:
        """Ask for the tunnel. Raises TunnelRefusedError."""
        if self.transport is None:
            raise TunnelRefusedError("the connection ended")
        self.transport.write(request)
        await self._opened

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._head += data
        if self._opened.done():
            return
        head, end, rest = self._head.partition(b"\r\n\r\n")
        if end or len(self._head) > _MAX_HEAD_BYTES:
            self._answered(head, whole=bool(end), rest=rest)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._opened.done():
            self._refuse(f"it ended the connection ({type(exc or EOFError()).__name__})")

    def _answered(self, head: bytes, *, whole: bool, rest: bytes) -> None:
        status = _STATUS.match(head)
        if status is None or not whole:
            self._refuse("it answered CONNECT with something that is not HTTP")
        elif int(status[1]) not in _OPENED:
            self._refuse(_refusal(int(status[1])))
        elif rest:
            self._refuse("it sent more than its answer to CONNECT")
        else:
            self._opened.set_result(None)

    def _refuse(self, why: str) -> None:
        self._opened.set_exception(TunnelRefusedError(why))


def _refusal(status: int) -> str:
    if status == 407:  # noqa: PLR2004
        return "it answered 407: it wants a user and password, or others; correct them in STRIPELINE_STRIPE_PROXY"
    return f"it answered {status} to CONNECT: it must allow a tunnel to Stripe's host and port"
