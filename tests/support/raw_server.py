"""An HTTP server of bytes: each answer is what the test says, on connections that stay open."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

CLOSE = b"<close>"
"""In a script: end the connection."""


@dataclass
class RawServer:
    """script: what each request is answered with, in turn; its last entry for ever. None: nothing."""

    script: list[bytes | None]
    url: str = ""
    port: int = 0
    requests: list[bytes] = field(default_factory=list)
    connections: list[asyncio.StreamWriter] = field(default_factory=list)
    greeting: bytes = b""
    reads: bool = True
    """False: nothing after its first bytes."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.append(writer)
        writer.write(self.greeting)
        if not self.reads:
            await reader.read(1)
            writer.write(self.script[0] or b"")
            return
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while not writer.is_closing():
                await self._one(reader, writer)

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        _, found, rest = head.lower().partition(b"content-length:")
        body = await reader.readexactly(int(rest.split(b"\r\n")[0])) if found else b""
        self.requests.append(head + body)
        answer = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        sent, close, _ = (answer or b"").partition(CLOSE)
        writer.write(sent)
        await writer.drain()
        if close:
            writer.close()


@contextlib.asynccontextmanager
async def raw_server(
    *script: bytes | None,
    tls: ssl.SSLContext | None = None,
    greeting: bytes = b"",
    reads: bool = True,
    host: str = "127.0.0.1",
) -> AsyncIterator[RawServer]:
    found = RawServer(list(script), greeting=greeting, reads=reads)
    served: set[asyncio.Task] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        served.add(task)
        await found.serve(reader, writer)

    async with await asyncio.start_server(serve, host, 0, ssl=tls, limit=1 << 24) as server:
        scheme, port = "http" if tls is None else "https", server.sockets[0].getsockname()[1]
        found.url, found.port = f"{scheme}://127.0.0.1:{port}", port
        yield found
        for writer in found.connections:
            writer.transport.abort()
        ended = (writer.wait_closed() for writer in found.connections)
        await asyncio.gather(*served, *ended, return_exceptions=True)
