"""Stands where Stripe would, and costs as little as it can: one answer to every call, at once or after a delay.

It keeps nothing and judges nothing: the sandbox does that, and would be what is measured.
"""

import asyncio
import sys

import uvloop

_BODY = (
    b'{"id":"pi_3QmX","object":"payment_intent","amount":6200,"currency":"eur","status":"requires_payment_method",'
    b'"client_secret":"pi_3QmX_secret_1","customer":null,"email":null,"name":null,"created":1790000000}'
)
_CUSTOMER = _BODY.replace(b"payment_intent", b"customer").replace(b"pi_3QmX", b"cus_3QmX")
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nRequest-Id: req_1\r\nContent-Length: %d\r\n\r\n"


class Connection(asyncio.Protocol):
    """Answers whole requests, in their order."""

    def __init__(self, delay_s: float) -> None:
        self._delay_s, self._got = delay_s, b""
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._got += data
        while (size := whole(self._got)) is not None:
            answer = _ANSWERS[b"/v1/customers" in self._got[:60]]
            self._got = self._got[size:]
            if self._delay_s:
                self._loop.call_later(self._delay_s, self._answer, answer)
            else:
                self._transport.write(answer)

    def _answer(self, answer: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(answer)


_ANSWERS = {False: _HEAD % len(_BODY) + _BODY, True: _HEAD % len(_CUSTOMER) + _CUSTOMER}


def whole(got: bytes) -> int | None:
    """The bytes of the first request, None while some of it is missing."""
    end = got.find(b"\r\n\r\n")
    if end < 0:
        return None
    _, _, length = got[:end].lower().partition(b"content-length:")
    size = end + 4 + (int(length.partition(b"\r\n")[0]) if length else 0)
    return size if len(got) >= size else None


async def main(port: int, delay_s: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(delay_s), "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), float(sys.argv[2]) / 1000))
