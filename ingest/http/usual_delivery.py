"""Reads a delivery as Stripe sends it: a whole POST in one read. It is served without a task, a request and a future.

Anything else is left to aiohttp's server, as it came. Both parse with llhttp. Invariants:
- What is read here, aiohttp's server reads as the same head and the same body; a test compares the two.
- It is one request, complete, with nothing before or behind it.
- Nothing in it needs an answer of its own, or changes how the body or the connection is read: no `Expect`, no chunks,
  no encoding, no upgrade, no older HTTP, no header twice.
"""

import re
from typing import Final, NamedTuple

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from stripeline.ingest.webhook import PATH, RequestHead

HEAD_END: Final = b"\r\n\r\n"
MAX_HEAD_BYTES: Final = 8_000
"""Below each of aiohttp's limits for a line."""
_LENGTH: Final = b"\r\nContent-Length: "
_MAX_DIGITS: Final = 9
_MAX_HEADERS: Final = 100
"""Below aiohttp's limit."""
_BLANKS: Final = b" \t"
_URL: Final = re.compile(re.escape(PATH.encode()) + rb"[A-Za-z0-9-]{1,60}/?")
"""A path that means the same before and after it is decoded."""
_OTHERWISE: Final = frozenset({
    b"connection", b"content-encoding", b"expect", b"keep-alive", b"proxy-connection", b"sec-websocket-key1", b"te",
    b"trailer", b"transfer-encoding", b"upgrade",
})  # fmt: skip
"""A request that has one of these is served by aiohttp."""


class UsualDelivery(NamedTuple):
    """A delivery that was read here, with what names its client in the log."""

    head: RequestHead
    forwarded_for: tuple[str, ...]
    forwarded: tuple[str, ...]


def is_one_request(data: bytes) -> bool:
    """Whether a read is a request with its whole body and nothing else, as most deliveries come.

    A hint: whatever it overlooks is read in two pieces.
    """
    end = data.find(HEAD_END, 0, MAX_HEAD_BYTES)
    at = data.find(_LENGTH, 0, end) + len(_LENGTH)
    digits = data[at : data.find(b"\r", at)]
    if at < len(_LENGTH) or not digits.isdigit() or len(digits) > _MAX_DIGITS:
        return False
    return end + len(HEAD_END) + int(digits) == len(data)


class UsualDeliveries:
    """One parser for all connections of a port: it gets whole requests only, and starts afresh after any other."""

    def __init__(self) -> None:
        self._parser = HttpRequestParser(self)
        self._headers: dict[bytes, bytes] = {}
        self._url, self._body = b"", b""
        self._complete, self._twice = 0, False

    def read(self, data: bytes) -> tuple[UsualDelivery, bytes] | None:
        """A delivery and its body; None for what is no usual one. `data`: what `is_one_request` accepts."""
        self._headers, self._url, self._body, self._complete, self._twice = {}, b"", b"", 0, False
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            self._complete = 0
        if not self._is_usual():
            self._parser = HttpRequestParser(self)  # it may be in the middle of something
            return None
        values = self._headers.get
        signature, received = values(b"stripe-signature"), values(b"traceparent")
        head = RequestHead(
            method="POST",
            path=self._url.decode("ascii"),
            content_type=values(b"content-type", b"").rstrip(_BLANKS).decode("ascii"),
            content_length=int(self._headers[b"content-length"]),
            encoded=False,
            signatures=() if signature is None else (signature.rstrip(_BLANKS),),
            traceparent=None if received is None else received.rstrip(_BLANKS).decode("ascii"),
        )
        return UsualDelivery(head, self._lines(b"x-forwarded-for"), self._lines(b"forwarded")), self._body

    def _is_usual(self) -> bool:
        parser, headers = self._parser, self._headers
        return (
            self._complete == 1
            and not self._twice
            and parser.get_method() == b"POST"
            and parser.get_http_version() == "1.1"
            and b"host" in headers
            and b"content-length" in headers
            and len(headers) <= _MAX_HEADERS
            and _OTHERWISE.isdisjoint(headers)
            and _is_text(b"".join(headers.values()))
            and _URL.fullmatch(self._url) is not None
        )

    def _lines(self, name: bytes) -> tuple[str, ...]:
        value = self._headers.get(name)
        return () if value is None else (value.rstrip(_BLANKS).decode("ascii"),)

    # What httptools calls, in the order of the request.

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        self._twice = self._twice or name in self._headers
        self._headers[name] = value

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        self._complete += 1


def _is_text(value: bytes) -> bool:
    return value.isascii() and b"\x00" not in value
