"""One connection to a server, for one request at a time. Opens none, and knows no call.

Invariants:

- Bytes that come while no request waits for its answer close the connection: they would pass for the next answer.
- After any failure, a cancellation included, the connection takes no further request.
"""

import asyncio
from typing import cast

from stripeline.workers.stripe.http_answer import AnswerReader, LostError, Reply, TooLargeError


class HttpConnection(asyncio.Protocol):
    """`ask` only while `usable`. idle_since_s: when it was kept, by the loop's clock."""

    def __init__(self, loop: asyncio.AbstractEventLoop, max_body_bytes: int) -> None:
        self.idle_since_s = 0.0
        self.closed: asyncio.Future[None] = loop.create_future()
        self._loop, self._reader = loop, AnswerReader(max_body_bytes)
        self._answer: asyncio.Future[Reply] | None = None
        self._ends = False

    @property
    def usable(self) -> bool:
        """Whether it may take a request: what was answered was whole, and nothing was said since."""
        return not self._ends and not self._transport.is_closing()

    @property
    def reusable(self) -> bool:
        """Whether it is usable with nothing of the last request left to send."""
        return self.usable and not self._transport.get_write_buffer_size()

    async def ask(self, request: bytes, until_s: float) -> Reply:
        """The answer, by this time of the loop. Raises LostError or TooLargeError."""
        self._reader.start()
        answer: asyncio.Future[Reply] = self._loop.create_future()
        self._answer = answer
        # Into the transport's buffer, whatever its size: the body is in memory anyway, an answer may come early.
        self._transport.write(request)
        timer = self._loop.call_at(until_s, self._fail, LostError("Timeout"))
        try:
            return await answer
        except BaseException:  # also a cancellation: the rest of its answer may still come
            self._ends = True
            raise
        finally:
            timer.cancel()
            self._answer = None

    def close(self) -> None:
        self._ends = True
        if self._transport.get_write_buffer_size():
            self._transport.abort()  # close() would wait until the server reads on, perhaps for ever
        else:
            self._transport.close()

    def abort(self) -> None:
        self._ends = True
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        answer = self._answer
        if answer is None or answer.done():
            self.close()
            return
        try:
            reply = self._reader.feed(data)
        except (LostError, TooLargeError) as error:
            self._fail(error)
            return
        if reply is not None:
            self._ends = self._ends or self._reader.connection_ends
            answer.set_result(reply)

    def connection_lost(self, exc: Exception | None) -> None:
        self._ends = True
        if not self.closed.done():
            self.closed.set_result(None)
        if self._answer is None or self._answer.done():
            return
        try:
            self._answer.set_result(self._reader.end(exc))
        except (LostError, TooLargeError) as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        self._ends = True
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
