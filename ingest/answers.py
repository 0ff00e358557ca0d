"""The receiver's answers. Their bodies are `{"error": …}` and hold none of the request's words."""

import time
from dataclasses import dataclass
from email.utils import formatdate
from typing import Final

import orjson
from aiohttp import HttpVersion11, web

RETRY_AFTER_S: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An answer other than 200. `reason` is for metrics, `text` for the client."""

    status: int
    reason: str
    text: str


UNKNOWN_PATH: Final = Refusal(status=404, reason="unknown_path", text="there is nothing here: POST /webhooks/{trigger}")
UNKNOWN_TRIGGER: Final = Refusal(status=404, reason="unknown_trigger", text="there is no such trigger")
NOT_POST: Final = Refusal(status=405, reason="method", text="send a POST")
ENCODED: Final = Refusal(status=415, reason="content_encoding", text="send the body as it was signed, not encoded")
NOT_JSON: Final = Refusal(status=415, reason="content_type", text="send application/json")
TOO_LARGE: Final = Refusal(status=413, reason="too_large", text="the body is too large")
TOO_SLOW: Final = Refusal(status=408, reason="slow_body", text="the body did not arrive in time")
CUT_OFF: Final = Refusal(status=400, reason="cut_off", text="the body ended too early")
TWO_SIGNATURES: Final = Refusal(status=400, reason="two_signatures", text="send one Stripe-Signature header")
NO_SECRET: Final = Refusal(status=503, reason="no_secret", text="the trigger has no signing secret yet")
NOT_TAKEN: Final = Refusal(status=503, reason="not_taken", text="the event could not be stored, send it again")
BUSY: Final = Refusal(status=503, reason="busy", text="too many bodies at a time, send it again")


def not_signed(reason: str) -> Refusal:
    """One text for every reason: it must not tell a forger which check failed."""
    text = "the signature is not valid: check this trigger's signing secret (whsec_…, not the API key) and the clock"
    return Refusal(status=400, reason=reason, text=text)


def not_an_event(reason: str) -> Refusal:
    text = "the event is of the other mode (live or test) than this trigger" if reason == "wrong_mode" else None
    return Refusal(status=400, reason=reason, text=text or f"the body is no Stripe event: {reason}")


class Accepted(web.StreamResponse):
    """200 with no body, as bytes that were rendered once: one object for all requests, with no state of any of them.

    aiohttp's own response costs a quarter of what the whole server does. This one is for HTTP/1.1 on a connection that
    is kept, where nothing else is to be said: `accepted` gives aiohttp's for the rest.
    """

    def __init__(self) -> None:
        super().__init__()
        self._second = 0
        self._rendered = b""

    @property
    def keep_alive(self) -> bool:
        return True

    async def prepare(self, request: web.BaseRequest) -> None:
        transport = request.transport
        if transport is None:
            raise ConnectionResetError
        second = int(time.time())
        if second != self._second:
            # A server with a clock must send it: https://www.rfc-editor.org/rfc/rfc9110#name-date
            self._second, date = second, formatdate(second, usegmt=True).encode()
            self._rendered = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nDate: %b\r\n\r\n" % date
        transport.write(self._rendered)
        if transport.get_write_buffer_size():  # it sends, and does not read what it is answered
            await request.writer.drain()

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing follows the head."""


_ACCEPTED: Final = Accepted()


def accepted(request: web.BaseRequest) -> web.StreamResponse:
    return _ACCEPTED if request.version == HttpVersion11 and request.keep_alive else web.Response()


def refused(refusal: Refusal, *, close: bool = False) -> web.Response:
    """`close` where the body was not read to its end, so that the next request could not be found behind it."""
    response = web.Response(
        status=refusal.status, body=orjson.dumps({"error": refusal.text}), content_type="application/json"
    )
    if refusal.status == NOT_TAKEN.status:
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
    if refusal.status == NOT_POST.status:
        response.headers["Allow"] = "POST"
    if close:
        response.force_close()
    return response
