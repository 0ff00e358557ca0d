"""One connection by hand: opened, asked one request after another, and closed. It decides nothing."""

import asyncio
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from stripeline.deploy.operations import kafka_frames as frames

_ADDRESSES_TRIED: Final = 4
_CLOSE_S: Final = 0.5


class NotKafkaError(Exception):
    """The first bytes of the answer are not Kafka's."""

    def __init__(self, first: bytes) -> None:
        self.first = first


def tls_of(client: Mapping[str, Any]) -> ssl.SSLContext | None:
    """With what the clients of these options speak TLS; None where they do not."""
    speaks_tls = str(client.get("security_protocol", "")).endswith("SSL")
    context: ssl.SSLContext | None = client["ssl_context"] if speaks_tls else None
    return context


@dataclass(frozen=True, slots=True)
class RawConnection:
    """An open connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    async def open(cls, host: str, port: int, tls: ssl.SSLContext | None) -> Self:
        """To the first address of the name that takes a connection: asyncio merges the errors of several into one."""
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = [str(row[4][0]) for row in found[:_ADDRESSES_TRIED]]
        for address in addresses[:-1]:
            try:
                return await cls._open(address, port, host, tls)
            except ssl.SSLError:
                raise  # something listens here: its word counts
            except OSError:
                continue
        return await cls._open(addresses[-1], port, host, tls)

    @classmethod
    async def _open(cls, address: str, port: int, host: str, tls: ssl.SSLContext | None) -> Self:
        reader, writer = await asyncio.open_connection(address, port, ssl=tls, server_hostname=host if tls else None)
        return cls(reader, writer)

    async def ask(self, request: bytes) -> bytes:
        self.writer.write(request)
        first = await self.reader.readexactly(frames.SIZE_BYTES)
        size = frames.answer_size(first)
        if size is None:
            raise NotKafkaError(first)
        return await self.reader.readexactly(size)

    async def close(self) -> None:
        """Close in bounded time: a peer that does not answer the end of TLS is not waited for."""
        self.writer.close()
        closed = asyncio.gather(self.writer.wait_closed(), return_exceptions=True)
        if not (await asyncio.wait((closed,), timeout=_CLOSE_S))[0]:
            self.writer.transport.abort()
            await asyncio.wait((closed,), timeout=_CLOSE_S)
