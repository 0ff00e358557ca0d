"""A TCP proxy in front of a Kafka broker that counts the requests of each process by their kind.

The broker must advertise the proxy's port, or clients go past it. Of a request it reads the header alone:
https://kafka.apache.org/43/design/protocol/#request-headers
"""

import asyncio
import contextlib
import struct
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

CHUNK: Final = 64 * 1024
_HEADER: Final = struct.Struct(">ihh")  # size of what follows, the kind, its version
KINDS: Final = {
    0: "Produce", 1: "Fetch", 2: "ListOffsets", 3: "Metadata", 8: "OffsetCommit", 9: "OffsetFetch",
    10: "FindCoordinator", 11: "JoinGroup", 12: "Heartbeat", 13: "LeaveGroup", 14: "SyncGroup", 17: "SaslHandshake",
    18: "ApiVersions", 22: "InitProducerId", 24: "AddPartitionsToTxn", 25: "AddOffsetsToTxn", 26: "EndTxn",
    28: "TxnOffsetCommit", 32: "DescribeConfigs", 60: "DescribeCluster", 61: "DescribeProducers",
}  # fmt: skip


class Requests:
    """The requests of one direction of a connection, found in its bytes however they arrive."""

    def __init__(self, counts: Counter[str]) -> None:
        self._counts, self._left, self._head = counts, 0, b""

    def fed(self, data: bytes) -> None:
        while data:
            skipped = min(self._left, len(data))
            data, self._left = data[skipped:], self._left - skipped
            if not data:
                return
            wanted = _HEADER.size - len(self._head)
            self._head, data = self._head + data[:wanted], data[wanted:]
            if len(self._head) == _HEADER.size:
                size, kind, _ = _HEADER.unpack(self._head)
                self._counts[KINDS.get(kind, str(kind))] += 1
                self._left, self._head = size - (_HEADER.size - 4), b""


@dataclass
class RequestCounter:
    """`async with RequestCounter(port, target) as counter`. counts: of each process that was named, by its id."""

    port: int
    target: int
    counts: dict[int, Counter[str]] = field(default_factory=dict)
    _server: asyncio.Server | None = None
    _serving: set[asyncio.Task[None]] = field(default_factory=set)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in tuple(self._serving):
            task.cancel()
        if self._serving:
            await asyncio.wait(self._serving)

    def count(self, pid: int) -> None:
        """Count the requests of this process, on the connections that it opens from now on."""
        self.counts[pid] = Counter()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        port = writer.get_extra_info("peername")[1]
        counts = next((self.counts[pid] for pid in self.counts if port in ports_of(pid)), Counter())
        try:
            with contextlib.suppress(OSError):
                there, back = await asyncio.open_connection("127.0.0.1", self.target)
                requests = asyncio.create_task(_copy(reader, back, Requests(counts)))
                answers = asyncio.create_task(_copy(there, writer, None))
                try:
                    await asyncio.wait((requests, answers), return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for one in (requests, answers):
                        one.cancel()
                    back.close()
        finally:
            writer.close()
            self._serving.discard(task)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, counted: Requests | None) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(CHUNK):
            if counted is not None:
                counted.fed(data)
            writer.write(data)
            await writer.drain()


def ports_of(pid: int) -> set[int]:
    """The local ports of a process's TCP connections. Linux only, by /proc."""
    sockets: set[str] = set()
    with contextlib.suppress(OSError):  # it has ended
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                sockets.add(str(link.readlink()))
    if not sockets:
        return set()
    lines = Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]
    fields = [line.split() for line in lines]
    return {int(one[1].rpartition(":")[2], 16) for one in fields if f"socket:[{one[9]}]" in sockets}
