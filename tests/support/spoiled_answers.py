"""What a receiver answers to a numbered list of spoiled requests, as one line of text each.

The list is made from its numbers: the same number is the same request, but for the time that it is signed at.
"""

import asyncio
import contextlib
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.support.spoiled_requests import WAYS, delivery, spoil

SECRET = "whsec_spoiled"
TRIGGER = "payments"
CONCURRENT = 150
MAX_WIRE_BYTES = 1_500_000  # a million chunks of a byte take the parser seconds
_HEAD = re.compile(rb"HTTP/1\.[01] (\d{3}) [^\r\n]*\r\n((?:[^\r\n]+\r\n)*)\r\n")
_LENGTH = re.compile(rb"Content-Length: (\d+)\r\n")


@dataclass(frozen=True, slots=True)
class Spoiled:
    """One request: how it is spoiled, its bytes, and whether the client closes its side behind them."""

    ways: str
    wire: bytes
    half_closes: bool


def spoiled(number: int) -> Spoiled:
    choice = random.Random(number)
    while True:
        ways = choice.sample(sorted(WAYS), choice.choice((1, 1, 1, 2, 3)))
        wire = spoil(delivery(f"evt_{number:06}", SECRET), ways, choice).wire
        if len(wire) <= MAX_WIRE_BYTES:
            return Spoiled("+".join(ways), wire, half_closes=choice.random() < 0.5)


class _Client(asyncio.Protocol):
    """Sends one request, and keeps what comes back until the receiver closes the connection."""

    def __init__(self, request: Spoiled) -> None:
        self.answer, self.closed = bytearray(), asyncio.get_running_loop().create_future()
        self._request = request

    def connection_made(self, transport: Any) -> None:
        transport.write(self._request.wire)
        if self._request.half_closes:
            with contextlib.suppress(OSError):  # the receiver may have closed already
                transport.write_eof()

    def data_received(self, data: bytes) -> None:
        self.answer += data

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(None)


async def answers(port: int, numbers: Sequence[int]) -> list[str]:
    """A line for each number: the ways, whether the client closes its side, and the answers."""
    turns = asyncio.Semaphore(CONCURRENT)

    async def line(number: int, request: Spoiled) -> str:
        async with turns:
            _, client = await asyncio.get_running_loop().create_connection(lambda: _Client(request), "127.0.0.1", port)
            async with asyncio.timeout(20):
                await client.closed
        end = "half-closes" if request.half_closes else "waits"
        return f"{number} {request.ways} {end}: {_readable(bytes(client.answer))}"

    # All of them first: making one takes longer than a deadline of the receiver leaves.
    return await asyncio.gather(*[line(number, spoiled(number)) for number in numbers])


def _readable(answer: bytes) -> str:
    """Each answer as its status and its error."""
    found, at = [], 0
    while head := _HEAD.match(answer, at):
        length = _LENGTH.search(head[2])
        at = min(len(answer), head.end() + (int(length[1]) if length else 0))  # a HEAD's has no body
        error = answer[head.end() : at].decode().removeprefix('{"error":"').removesuffix('"}')
        found.append(f"{head[1].decode()} {error}".strip())
    if at != len(answer):
        found.append("bytes that are no answer")
    return "; ".join(found) or "nothing"
