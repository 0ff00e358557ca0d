"""One connection: aiohttp's protocol, which parses requests and answers them in order, with what a deadline needs.

It adds to asyncio's callbacks, replaces `handle_error`, aiohttp's answer to what is not HTTP, and has usual deliveries
served without aiohttp (`usual_delivery`). Invariants:
- One request at a time is served, by aiohttp or without it.
- The phase says what the connection waits for, and `since` since when. It sets no timer.
- The parser gets one head at a time. It drops the requests of a read that ends in an error, so that garbage behind a
  delivery would refuse the delivery, and it queues an error, with the bytes, for each further read.
- What the parser has not shown to take is held here, at most one read of the transport, and reading stops.
"""

import asyncio
from collections.abc import Callable
from enum import Enum, auto
from typing import Any, Final, Protocol

from aiohttp import StreamReader, web

from stripeline.ingest.http.usual_delivery import HEAD_END, is_one_request

MAX_PASSED_BYTES: Final = 65_536
"""How much the parser gets before it shows a head, or a part of a body. A larger head meets its deadline."""
_NEVER_S: Final = 10.0 * 365 * 86_400
TURNS: Final = 4
"""Turns of the event loop after which a request that was read has begun: aiohttp needs two."""

OnError = Callable[[web.BaseRequest, int, BaseException | None], web.StreamResponse]
Serve = Callable[["ClientConnection", bytes], bool]
"""Serves a whole request that came in one read, and calls `reply` once; False for what aiohttp is to serve."""


class Phase(Enum):
    """What a connection waits for."""

    HEAD = auto()  # the rest of a head; also the first byte of a new connection
    REQUEST = auto()  # the answer to a request whose head is complete
    IDLE = auto()  # the first byte of the next request
    CLOSING = auto()  # the client's close


class Keeper(Protocol):
    """Who bounds the connections of a port."""

    loop: asyncio.AbstractEventLoop

    def opened(self, connection: "ClientConnection") -> bool:
        """Whether there is room for one more."""
        ...

    def lost(self, connection: "ClientConnection") -> None: ...


class ClientConnection(web.RequestHandler):
    """aiohttp's protocol, fed in pieces, with the phase of the connection."""

    __slots__ = (
        "_allowed", "_at", "_body_left", "_content", "_held", "_holds", "_keeper", "_loop_", "_on_error",
        "_parser_waits", "_resumed", "_serve",
        "blocked_since", "body_timeout", "half_closed", "peer", "phase", "since", "wire",
    )  # fmt: skip

    def __init__(self, server: web.Server, keeper: Keeper, lingering_s: float, serve: Serve, on_error: OnError) -> None:
        options: dict[str, Any] = {
            "access_log": None,
            "auto_decompress": False,  # the signature is over the bytes as they were sent
            "lingering_time": lingering_s,
            # The sweep of deadlines ends idle connections. aiohttp does not know of the requests served without it.
            "keepalive_timeout": _NEVER_S,
        }
        super().__init__(server, loop=keeper.loop, **options)
        self.phase, self.since = Phase.HEAD, keeper.loop.time()
        self.wire: asyncio.Transport | None = None
        self.peer = ""  # the address of the other side, kept when it has gone
        self.half_closed = False
        self.blocked_since: float | None = None
        self.body_timeout: asyncio.Timeout | None = None  # of a body that arrives in parts
        self._keeper = keeper
        self._loop_ = keeper.loop
        self._serve, self._on_error = serve, on_error
        self._resumed: asyncio.Future[None] | None = None
        self._content: StreamReader | None = None  # the body of the request that is being answered
        self._held, self._at = b"", 0  # what was read, and how much of it was passed on
        self._allowed = MAX_PASSED_BYTES
        self._holds = False  # reading is stopped
        self._body_left: int | None = (
            None  # bytes of the body that were not passed on; None where no length is declared
        )
        self._parser_waits = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.wire = self.transport
        name = transport.get_extra_info("peername")
        self.peer = str(name[0]) if name else ""
        if not self._keeper.opened(self):
            self.wait(Phase.CLOSING)
            self._loop_.call_soon(self.abort)  # not at once: aiohttp's task of this connection has not begun

    def connection_lost(self, exc: BaseException | None) -> None:
        self.wire, self._content = None, None
        self._held, self._at = b"", 0
        self.wait(Phase.CLOSING)
        self._keeper.lost(self)
        super().connection_lost(exc)
        self._resume()

    def data_received(self, data: bytes) -> None:
        if not data:  # aiohttp's own call, after each read of a body, for what its parser may have held back
            if self._parser_waits:
                self._parser_waits = False
                super().data_received(data)
            return
        if self.phase is Phase.IDLE:
            self.wait(Phase.HEAD)  # its deadline runs from its first byte, not from its last one
        if self._held:
            data, self._at = self._held[self._at :] + data, 0
        elif self._is_between_requests() and is_one_request(data):
            self._allowed = 0  # for what comes before the answer
            if not self._serve(self, data):
                super().data_received(data)  # nothing is behind it that could refuse it
            return
        self._held = data
        self._pass_on()
        if self.phase is Phase.CLOSING:
            self._drop()

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio's, where aiohttp's always closes
        """The client sends no more, and may still read: what it sent completely is answered."""
        self.half_closed = True
        self.leave_soon()
        return True

    def pause_reading(self) -> None:
        """Called by aiohttp when a body is not read as fast as it is parsed."""
        super().pause_reading()
        self._parser_waits = True

    def pause_writing(self) -> None:
        super().pause_writing()
        self.blocked_since = self._loop_.time()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._resume()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002  it quotes the request
    ) -> web.StreamResponse:
        """Our own answer: aiohttp's quotes the request, in the answer and in a logged traceback."""
        self._held, self._at, self._allowed, self._content = b"", 0, 0, None
        answer = self._on_error(request, status, exc)
        if exc is not None:
            exc.__traceback__ = None  # it holds the bytes that were read, in a cycle with itself
        return answer

    @property
    def holds_more(self) -> bool:
        """Whether something was read behind the request that is being answered."""
        return bool(self._held)

    def begin(self, content: StreamReader, length: int | None) -> None:
        """A request's head is complete, and its answer is being made. `length`: of its body, where it is declared."""
        self.phase, self._content, self._body_left = Phase.REQUEST, content, length
        self._allowed = MAX_PASSED_BYTES
        if self._held:
            self._pass_on()

    def begin_whole(self) -> None:
        """A request that is served without aiohttp has begun."""
        self.phase = Phase.REQUEST

    def reply(self, answer: bytes, *, keeps: bool) -> None:
        """Answer a request that is served without aiohttp. The next one waits until the client reads."""
        if self.wire is None or self.wire.is_closing():
            return
        self.wire.write(answer)
        if self.blocked_since is None:
            self._replied(keeps)
        else:
            self._resumed = self._loop_.create_future()
            self._resumed.add_done_callback(lambda _: self._replied(keeps))

    def took_part(self) -> None:
        """A part of the body was taken: the parser may have more."""
        self._allowed = MAX_PASSED_BYTES
        if self._held:
            self._pass_on()

    async def unblocked(self) -> None:
        """Wait until the client reads: the next answers would fill the memory."""
        if self.blocked_since is not None and self.wire is not None:
            self._resumed = self._loop_.create_future()
            await self._resumed

    def answered(self, *, keeps: bool) -> None:
        """The answer was written."""
        if not keeps:
            self.wait(Phase.CLOSING)
            self._drop()
            return
        self._content = None
        self.wait(Phase.IDLE)
        self.took_part()
        if self.half_closed:
            self.leave_soon()

    def wait(self, phase: Phase) -> None:
        self.phase, self.since = phase, self._loop_.time()

    def leave_soon(self, turns: int = TURNS) -> None:
        """Leave when what was read has begun: counted in turns, which take long under load."""
        if turns:
            self._loop_.call_soon(self.leave_soon, turns - 1)
        else:
            self.leave()

    def leave(self) -> None:
        """Close, unless a request is being answered. A body that can't arrive any more is not waited for."""
        if self.half_closed and self.body_timeout is not None and not self.body_timeout.expired():
            self.body_timeout.reschedule(self._loop_.time())
        if self.phase in (Phase.HEAD, Phase.IDLE) and self.wire is not None:
            self.wait(Phase.CLOSING)
            self.wire.close()

    def abort(self) -> None:
        if self.wire is not None:
            self.wire.abort()

    def _is_between_requests(self) -> bool:
        return self.phase is Phase.HEAD and self._content is None and self._allowed == MAX_PASSED_BYTES

    def _replied(self, keeps: bool) -> None:
        if self.wire is not None:
            self.answered(keeps=keeps)
            if not keeps:
                self.wire.close()

    def _pass_on(self) -> None:
        """Pass on what is held, up to the end of the head or of the body, as far as the parser may have it."""
        while self._held and self._allowed > 0 and (self._content is None or not self._content.is_eof()):
            held, at = self._held, self._at
            end = min(len(held), self._head_end() if self._content is None else self._body_end())
            self._held, self._at = (held, end) if end < len(held) else (b"", 0)
            super().data_received(held[at:end])
        if self._holds or len(self._held) - self._at > MAX_PASSED_BYTES:
            self._hold()

    def _head_end(self) -> int:
        # Empty lines may stand before a request, and a piece of nothing else would begin none.
        skipped = 0 if self._allowed < MAX_PASSED_BYTES else _empty_lines(self._held, self._at)
        limit = self._at + self._allowed
        found = self._held.find(HEAD_END, self._at + skipped, limit)
        self._allowed = 0 if found >= 0 else limit - len(self._held)
        return limit if found < 0 else found + len(HEAD_END)

    def _body_end(self) -> int:
        if self._body_left is None:  # chunks: a head may begin behind each empty line
            found = self._held.find(HEAD_END, self._at, self._at + self._allowed)
            end = self._at + self._allowed if found < 0 else found + len(HEAD_END)
        else:
            end = self._at + min(self._body_left, self._allowed)
        passed = min(end, len(self._held)) - self._at
        self._allowed -= passed
        if self._body_left is not None:
            self._body_left -= passed
        return end

    def _drop(self) -> None:
        """Read on, and drop it: a close before the client has sent everything may cost it the answer."""
        self._held, self._at = b"", 0
        if self._holds:
            self._hold()

    def _hold(self) -> None:
        """Stop reading until what is held was passed on."""
        self._holds = bool(self._held)
        if self.wire is None or self.wire.is_closing():
            return
        if self._holds:
            self.wire.pause_reading()  # also when it was stopped before: aiohttp resumes it at the end of each body
        else:
            self.wire.resume_reading()

    def _resume(self) -> None:
        self.blocked_since = None
        if self._resumed is not None and not self._resumed.done():
            self._resumed.set_result(None)


def _empty_lines(data: bytes, at: int) -> int:
    """The bytes of the empty lines from `at` on."""
    if data[at] not in HEAD_END:
        return 0
    rest = data[at : at + MAX_PASSED_BYTES]
    return len(rest) - len(rest.lstrip(HEAD_END))
