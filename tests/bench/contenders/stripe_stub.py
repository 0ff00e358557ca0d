"""Stands where Stripe would, and costs as little as it can: one answer to every call, at once or after a delay.

PORT DELAY_MS [EVERY [SLOW_MS]]: of so many calls one is answered with 500; without it none. A call whose
Idempotency-Key has `:slow-` in it is answered after SLOW_MS.

It keeps nothing and judges nothing: the sandbox does that, and would be what is measured. `GET /in-flight` says how
many calls were in flight at most, and on average since the last such question, as this end sees it.
"""

import asyncio
import itertools
import sys
from collections.abc import Callable
from typing import cast

import uvloop

_BODY = (
    b'{"id":"pi_3QmX","object":"payment_intent","amount":6200,"currency":"eur","status":"requires_payment_method",'
    b'"client_secret":"pi_3QmX_secret_1","customer":null,"email":null,"name":null,"created":1790000000}'
)
_CUSTOMER = _BODY.replace(b"payment_intent", b"customer").replace(b"pi_3QmX", b"cus_3QmX")
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nRequest-Id: req_1\r\nContent-Length: %d\r\n\r\n"


class InFlight:
    """The calls of all connections that are not answered yet."""

    def __init__(self) -> None:
        self.calls = self.most = 0
        self.samples: list[int] = []

    async def sample(self) -> None:
        while True:
            await asyncio.sleep(0.01)
            self.samples.append(self.calls)

    def told(self) -> bytes:
        busy = [calls for calls in self.samples if calls]
        body = b'{"most":%d,"mean":%.1f}' % (self.most, sum(busy) / max(1, len(busy)))
        self.most, self.samples = self.calls, []
        return _HEAD % len(body) + body


class Connection(asyncio.Protocol):
    """Answers whole requests, in their order."""

    def __init__(self, delay_s: float, slow_s: float, in_flight: InFlight, fails: Callable[[], bool]) -> None:
        self._delay_s, self._slow_s, self._got = delay_s, slow_s, b""
        self._in_flight, self._fails = in_flight, fails
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)  # uvloop's is none by its class

    def data_received(self, data: bytes) -> None:
        self._got += data
        while (size := whole(self._got)) is not None:
            if self._got.startswith(b"GET /in-flight "):
                self._got = self._got[size:]
                self._transport.write(self._in_flight.told())
                continue
            self._in_flight.calls += 1
            self._in_flight.most = max(self._in_flight.most, self._in_flight.calls)
            answer = _FAILURE if self._fails() else _ANSWERS[b"/v1/customers" in self._got[:60]]
            delay_s = self._slow_s if self._slow_s and b":slow-" in self._got[:size] else self._delay_s
            self._got = self._got[size:]
            if delay_s:
                self._loop.call_later(delay_s, self._answer, answer)
            else:
                self._answer(answer)

    def _answer(self, answer: bytes) -> None:
        self._in_flight.calls -= 1
        if not self._transport.is_closing():
            self._transport.write(answer)


_ERROR = b'{"error":{"type":"api_error","message":"An error occurred"}}'
_FAILURE = _HEAD.replace(b"200 OK", b"500 Error") % len(_ERROR) + _ERROR
_ANSWERS = {False: _HEAD % len(_BODY) + _BODY, True: _HEAD % len(_CUSTOMER) + _CUSTOMER}


def whole(got: bytes) -> int | None:
    """The bytes of the first request, None while some of it is missing."""
    end = got.find(b"\r\n\r\n")
    if end < 0:
        return None
    _, _, length = got[:end].lower().partition(b"content-length:")
    size = end + 4 + (int(length.partition(b"\r\n")[0]) if length else 0)
    return size if len(got) >= size else None


async def main(port: int, delay_s: float, every: int = 0, slow_s: float = 0) -> None:
    loop, in_flight, calls = asyncio.get_running_loop(), InFlight(), itertools.count(1)

    def connection() -> Connection:
        return Connection(delay_s, slow_s, in_flight, lambda: every > 0 and next(calls) % every == 0)

    server = await loop.create_server(connection, "127.0.0.1", port, backlog=4096)
    async with asyncio.TaskGroup() as group:
        group.create_task(in_flight.sample())
        group.create_task(server.serve_forever())


if __name__ == "__main__":
    port, delay_ms, every, slow_ms = map(int, [*sys.argv[1:], "0", "0"][:4])
    uvloop.run(main(port, delay_ms / 1000, every, slow_ms / 1000))
