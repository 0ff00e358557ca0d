"""A TCP proxy in front of a server, to be pulled out like a cable: it refuses, is silent or mute, or works again."""

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import Self

CHUNK = 64 * 1024


@dataclass
class Proxy:
    """`async with Proxy(port) as proxy: proxy.target = …`; a connection made while it is silent waits like the others.

    Silent is what a lost network looks like: nothing is refused, nothing is lost, and nothing moves until it is back.
    Forgetful is a balancer or a firewall that has dropped the connections it had, without a word to either side.
    """

    port: int
    target: int = 0
    host: str = "127.0.0.1"
    _moves: asyncio.Event = field(default_factory=asyncio.Event)
    _answers: asyncio.Event = field(default_factory=asyncio.Event)
    _generation: int = 0
    _server: asyncio.Server | None = None
    _open: set[asyncio.StreamWriter] = field(default_factory=set)
    _serving: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    async def __aenter__(self) -> Self:
        await self.works()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.refuses()
        self._moves.set()
        self._answers.set()
        if self._serving:  # or the loop ends them, and asyncio's server tells of each
            await asyncio.wait(self._serving)

    async def refuses(self) -> None:
        """Nobody listens, and what was open is cut."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in self._open:
            writer.transport.abort()

    def silent(self) -> None:
        self._moves.clear()

    def mute(self) -> None:
        """Everything gets there, and no answer comes back."""
        self._answers.clear()

    def forget(self) -> None:
        """Drop whatever comes on the connections that are open now; new ones work."""
        self._generation += 1

    async def works(self) -> None:
        self._moves.set()
        self._answers.set()
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, self.host, self.port)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        self._open.add(writer)
        try:
            await self._moves.wait()
            await self._connect(reader, writer)
        finally:
            writer.transport.abort()
            self._open.discard(writer)
            self._serving.discard(task)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            there, back = await asyncio.open_connection("127.0.0.1", self.target)
            self._open.add(back)
            await asyncio.gather(self._pump(reader, back), self._pump(there, writer, self._answers))
            self._open.discard(back)

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, gate: asyncio.Event | None = None
    ) -> None:
        generation = self._generation
        with contextlib.suppress(OSError):
            while data := await source.read(CHUNK):
                if generation != self._generation:
                    continue
                await self._moves.wait()
                if gate is not None:
                    await gate.wait()
                sink.write(data)
                await sink.drain()
        sink.close()
