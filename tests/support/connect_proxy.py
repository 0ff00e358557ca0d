"""A proxy that opens tunnels by CONNECT, or answers it with what the test says."""

import asyncio
import base64
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field


@dataclass
class ConnectProxy:
    """login: what it wants, `user:password`. answer: instead of a tunnel. asked: each CONNECT's target."""

    login: str | None = None
    answer: bytes | None = None
    port: int = 0
    asked: list[str] = field(default_factory=list)
    heads: list[bytes] = field(default_factory=list)
    after: bytes = b""
    """What it sends behind its answer."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            self.heads.append(head)
            target = head.split()[1].decode()
            self.asked.append(target)
            if self.answer is not None:
                writer.write(self.answer)
                await writer.drain()
            elif self.login is not None and base64.b64encode(self.login.encode()) not in head:
                writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 4\r\n\r\nlog ")
            else:
                await self._tunnel(target, reader, writer)
        writer.close()

    async def _tunnel(self, target: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, _, port = target.rpartition(":")
        there, back = await asyncio.open_connection(host.strip("[]"), int(port))
        writer.write(b"HTTP/1.1 200 Connection established\r\nVia: 1.1 test\r\n\r\n" + self.after)
        await asyncio.gather(_copy(reader, back), _copy(there, writer))


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await source.read(65_536):
            sink.write(data)
            await sink.drain()
    sink.close()


@contextlib.asynccontextmanager
async def connect_proxy(
    *, tls: ssl.SSLContext | None = None, login: str | None = None, answer: bytes | None = None, after: bytes = b""
) -> AsyncIterator[ConnectProxy]:
    found, served = ConnectProxy(login=login, answer=answer, after=after), set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        served.add(task)
        try:
            await found.serve(reader, writer)
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            served.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    found.port = server.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        server.close()
        for task in list(served):
            task.cancel()
        await asyncio.gather(*served, return_exceptions=True)
