"""The receiver's answers, as bytes. Their bodies are `{"error": …}` and hold none of the request's words.

https://www.rfc-editor.org/rfc/rfc9110 · https://www.rfc-editor.org/rfc/rfc9112
"""

import time
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from typing import Final

import orjson

from stripeline.contracts.vocabulary import EventReason, RefusalReason, SignatureReason

RETRY_AFTER_S: Final = 5
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer other than 200. `reason` is for metrics, `text` for the client."""

    status: int
    reason: RefusalReason | SignatureReason | EventReason
    text: str


UNKNOWN_PATH: Final = Refusal(404, RefusalReason.UNKNOWN_PATH, "there is nothing here: POST /webhooks/{trigger}")
UNKNOWN_TRIGGER: Final = Refusal(404, RefusalReason.UNKNOWN_TRIGGER, "there is no such trigger")
NOT_POST: Final = Refusal(405, RefusalReason.METHOD, "send a POST")
ENCODED: Final = Refusal(415, RefusalReason.CONTENT_ENCODING, "send the body as it was signed, not encoded")
NOT_JSON: Final = Refusal(415, RefusalReason.CONTENT_TYPE, "send application/json")
TOO_LARGE: Final = Refusal(413, RefusalReason.TOO_LARGE, "the body is too large")
TOO_SLOW: Final = Refusal(408, RefusalReason.SLOW_BODY, "the body did not arrive in time")
CUT_OFF: Final = Refusal(400, RefusalReason.CUT_OFF, "the body ended too early")
NOT_HTTP: Final = Refusal(400, RefusalReason.NOT_HTTP, "the request is not HTTP")
TWO_SIGNATURES: Final = Refusal(400, RefusalReason.TWO_SIGNATURES, "send one Stripe-Signature header")
FAILED: Final = Refusal(500, RefusalReason.FAILED, "the receiver failed, send it again")
NO_SECRET: Final = Refusal(503, RefusalReason.NO_SECRET, "the trigger has no signing secret yet")
NOT_TAKEN: Final = Refusal(503, RefusalReason.NOT_TAKEN, "the event could not be stored, send it again")
BUSY: Final = Refusal(503, RefusalReason.BUSY, "too many bodies at a time, send it again")

_MORE: Final = {405: "Allow: POST\r\n", 503: f"Retry-After: {RETRY_AFTER_S}\r\n"}
_CLOSE: Final = "Connection: close\r\n"


def not_signed(reason: SignatureReason) -> Refusal:
    """One text for every reason: it must not tell a forger which check failed."""
    text = "the signature is not valid: check this trigger's signing secret (whsec_…, not the API key) and the clock"
    return Refusal(400, reason, text)


def not_an_event(reason: EventReason) -> Refusal:
    if reason is EventReason.WRONG_MODE:
        return Refusal(400, reason, "the event is of the other mode (live or test) than this trigger")
    return Refusal(400, reason, f"the body is no Stripe event: {reason}")


def refused(refusal: Refusal, date: str, *, close: bool, bodiless: bool = False) -> bytes:
    """A refusal's bytes. `bodiless`: the answer to a HEAD, which ends after its head."""
    body = orjson.dumps({"error": refusal.text})
    head = (
        f"HTTP/1.1 {refusal.status} {HTTPStatus(refusal.status).phrase}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nDate: {date}\r\n{_MORE.get(refusal.status, '')}{_CLOSE if close else ''}\r\n"
    ).encode()
    return head if bodiless else head + body


def accepted(date: str, *, close: bool) -> bytes:
    """200 with no body."""
    return f"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nDate: {date}\r\n{_CLOSE if close else ''}\r\n".encode()


class Dates:
    """The `Date` of an answer, which a server with a clock must send, and the 200 that holds it: made once a second.

    https://www.rfc-editor.org/rfc/rfc9110#name-date
    """

    __slots__ = ("_date", "_ok", "_second")

    def __init__(self) -> None:
        self._second = -1
        self._date = ""
        self._ok = b""

    def date(self) -> str:
        self._turn()
        return self._date

    def ok(self) -> bytes:
        """The 200 of a connection that is kept."""
        self._turn()
        return self._ok

    def _turn(self) -> None:
        second = int(time.time())
        if second != self._second:
            self._second, self._date = second, formatdate(second, usegmt=True)
            self._ok = accepted(self._date, close=False)
