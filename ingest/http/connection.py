"""One connection: bytes in, answers out, one request at a time and in order. It knows no route and no event.

A protocol of our own on aiohttp's parser (docs/decisions/0012): no task, no future and no timer for a request. What it
waits for, and since when, is one phase and one time, which the server's sweep holds against the limits.
"""

import asyncio
from collections import deque
from enum import Enum, auto
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from aiohttp import HttpVersion11, StreamReader, hdrs
from aiohttp.http import HttpRequestParser, RawRequestMessage
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web import RequestPayloadError

from stripeline.contracts.vocabulary import ClosedReason
from stripeline.ingest import refusals
from stripeline.ingest.http.body import Body
from stripeline.ingest.publish_result import NotTaken, Published
from stripeline.ingest.refusals import Refusal
from stripeline.ingest.webhook import ACCEPTED, Accepted, Admitted, Delivery

if TYPE_CHECKING:
    from stripeline.ingest.http.server import Server

MAX_LINE: Final = 8190
PIPELINED: Final = 8
"""Requests that may stand behind the one that is being answered; more are left in the kernel's buffer."""
_READ_LIMIT: Final = 1024 * 1024
"""More than one read of the event loop brings: each is taken out of the parser's buffer at once, so it never fills."""


class Phase(Enum):
    """What a connection waits for."""

    HEAD = auto()  # the rest of a head; the first one of a new connection, too
    BODY = auto()  # the rest of a body
    ANSWER = auto()  # Kafka's word
    IDLE = auto()  # the first byte of the next request
    CLOSING = auto()  # the client's own end: it may still be sending what we do not read


_BETWEEN: Final = (Phase.HEAD, Phase.IDLE)


class Connection(asyncio.Protocol):
    """aiohttp's parser between a transport and the receiver's decisions."""

    __slots__ = (
        "_admitted", "_app", "_blocked", "_body", "_deaf", "_delivery", "_message", "_parser", "_payload", "_queue",
        "_reading", "_server", "_transport", "phase", "since",
    )  # fmt: skip

    def __init__(self, server: "Server") -> None:
        self.phase, self.since = Phase.HEAD, server.loop.time()
        self._server, self._app = server, server.app
        self._parser = HttpRequestParser(
            self, server.loop, _READ_LIMIT,  # type: ignore[arg-type]  # it asks for pause_reading and resume_reading
            max_line_size=MAX_LINE, max_field_size=MAX_LINE,
            payload_exception=RequestPayloadError, max_msg_queue_size=PIPELINED,
            auto_decompress=False,  # the signature is over the bytes as they were sent
        )  # fmt: skip
        self._transport: Any = None
        self._queue: deque[tuple[RawRequestMessage, StreamReader]] = deque()
        self._message: RawRequestMessage | None = None
        self._payload: StreamReader | None = None
        self._body: Body | None = None  # one that arrives in pieces
        self._admitted: Admitted | None = None
        self._delivery: Delivery | None = None  # one that is at Kafka
        self._deaf = False  # nothing more is read as a request: it is none, or it comes after the last one
        self._blocked = False  # the client reads none of its answers
        self._reading = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        if not self._server.opened(self):
            self._deaf = True
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """The client is gone. What it sent whole goes its way all the same."""
        self._transport, self._deaf = None, True
        self._queue.clear()
        if self.phase is Phase.BODY:
            self._refuse(refusals.CUT_OFF)
        self._server.lost(self)

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        try:
            messages, self._deaf, _ = self._parser.feed_data(data)  # deaf behind what asks for another protocol
        except HttpProcessingError:
            self._no_http()
            return
        if self.phase is Phase.BODY:
            self._take_body()
        elif data and not messages and self.phase is Phase.IDLE:
            self._wait(Phase.HEAD)  # its clock runs from its first byte, not from its last one
        if messages:
            self._queue.extend(messages)
            if len(self._queue) >= PIPELINED - 1 and self._reading:  # the parser may have kept something back
                self._reading = False
                self._transport.pause_reading()
            self._advance()

    def eof_received(self) -> bool:
        """It sends no more, and may still read: the connection stays while an answer is due."""
        self._deaf = True
        if self.phase is Phase.BODY:
            self._refuse(refusals.CUT_OFF)
        return self.phase is Phase.ANSWER

    def pause_writing(self) -> None:
        self._blocked = True

    def resume_writing(self) -> None:
        self._blocked = False
        self._advance()

    def pause_reading(self) -> None:
        """Asked by the parser, whose buffer never fills: see _READ_LIMIT."""

    def resume_reading(self, resume_parser: bool = True) -> None:
        """Asked by the parser at the end of each body."""

    def end(self) -> None:
        """Let a request that has begun be answered, as the last one."""
        if self._message is None and self._transport is not None:
            self._leave(whole=True)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def too_late(self) -> None:
        """The phase has lasted too long."""
        if self.phase is Phase.BODY:
            self._refuse(refusals.TOO_SLOW)
            return
        if self.phase is Phase.HEAD:
            self._app.observe.connection_closed(ClosedReason.STALLED)
        self.abort()

    def _wait(self, phase: Phase) -> None:
        self.phase, self.since = phase, self._server.loop.time()

    def _advance(self) -> None:
        """Take requests up to the first that has to be waited for."""
        queue = self._queue
        while queue and not self._blocked and self.phase in _BETWEEN:
            self._begin(*queue.popleft())
        if not self._reading and not queue and not self._deaf:
            self._reading = True
            self._transport.resume_reading()
            self._server.loop.call_soon(self.data_received, b"")

    def _begin(self, message: RawRequestMessage, payload: StreamReader) -> None:
        """Take a request as far as it goes without waiting."""
        self._message, self._payload = message, payload
        try:
            admitted = self._app.head(message)
        except Exception as error:  # noqa: BLE001  a bug of ours is a 500, and the end of the connection
            self._failed(error)
            return
        if isinstance(admitted, Refusal):
            self._answer(admitted)
        elif payload.is_eof():  # its body came with its head
            self._admitted = admitted
            self._decide(admitted, self._app.bodies.whole(payload))
        else:
            self._admitted = admitted
            self._body = Body(self._app.bodies, payload)
            self._wait(Phase.BODY)
            # https://www.rfc-editor.org/rfc/rfc9110#name-expect
            if message.headers.get(hdrs.EXPECT, "").lower() == "100-continue":
                self._transport.write(refusals.CONTINUE)
            self._take_body()

    def _take_body(self) -> None:
        body = None if self._body is None else self._body.taken()
        if body is not None and self._admitted is not None:
            self._decide(self._admitted, body)

    def _decide(self, admitted: Admitted, body: bytes | Refusal) -> None:
        if isinstance(body, Refusal):
            self._refuse(body)
            return
        try:
            decided = self._app.body(admitted, body)
            if isinstance(decided, Delivery):
                self.phase, self._delivery = Phase.ANSWER, decided
                self._app.publisher.publish(decided.publication, partial(self._settled, decided))
            else:
                self._answer(decided)
        except Exception as error:  # noqa: BLE001
            self._failed(error)

    def _settled(self, delivery: Delivery, outcome: Published | NotTaken) -> None:
        """Kafka's word on it, which counts also when the client has left; and never answers another request."""
        try:
            answer = self._app.settled(delivery, outcome)
        except Exception as error:  # noqa: BLE001
            self._server.report(error)
            answer = refusals.FAILED
        if self._delivery is delivery:
            self._answer(answer)
        if self._queue or not self._reading:
            self._server.loop.call_soon(self._advance)

    def _refuse(self, refusal: Refusal) -> None:
        """Refuse a body."""
        if self._admitted is not None:
            self._answer(self._app.refused(self._admitted.trigger.name, refusal))

    def _failed(self, error: Exception) -> None:
        self._server.report(error)
        self._deaf = True
        self._queue.clear()
        self._answer(refusals.FAILED)

    def _no_http(self) -> None:
        self._deaf = True
        if self.phase is Phase.BODY:
            self._refuse(refusals.CUT_OFF)
            return
        self._app.observe.connection_closed(ClosedReason.NOT_HTTP)
        if self.phase is not Phase.ANSWER:  # else the connection ends with that answer
            self._answer(refusals.NOT_HTTP)

    def _answer(self, answer: Accepted | Refusal) -> None:
        """Write it, and wait for the next request, or end."""
        message, payload = self._message, self._payload
        self._message = self._payload = self._admitted = self._delivery = None
        if self._body is not None:
            self._body.dropped()
            self._body = None
        if self._transport is None:
            self.phase = Phase.CLOSING
            return
        whole = payload is not None and payload.is_eof()
        keeps = whole and message is not None and self._keeps(message)
        if keeps and answer is ACCEPTED:
            self._transport.write(self._server.dates.ok())
        else:
            bodiless = message is not None and message.method == "HEAD"
            self._transport.write(self._rendered(answer, close=not keeps, bodiless=bodiless))
        if keeps:
            self._parser.message_consumed()
            self._wait(Phase.IDLE)
        else:
            self._leave(whole=whole)

    def _keeps(self, message: RawRequestMessage) -> bool:
        """Whether another request may follow this one."""
        if self._server.ending or (self._deaf and not self._queue):
            return False
        return not message.should_close and message.version == HttpVersion11

    def _rendered(self, answer: Accepted | Refusal, *, close: bool, bodiless: bool) -> bytes:
        date = self._server.dates.date()
        if isinstance(answer, Accepted):
            return refusals.accepted(date, close=close)
        return refusals.refused(answer, date, close=close, bodiless=bodiless)

    def _leave(self, *, whole: bool) -> None:
        """End, behind the last answer. A close amid what is still being sent would take the answer with it."""
        self._deaf = True
        self._queue.clear()
        self._wait(Phase.CLOSING)
        if whole:
            self._transport.close()
        else:
            self._transport.write_eof()
