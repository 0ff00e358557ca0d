"""Reads a delivery as Stripe sends it: a whole POST in one read. It is served without a task, a request and a future.

Anything else is left to aiohttp's server, as it came. Both parse with llhttp. Invariants:
- What is read here, aiohttp's server reads as the same head and the same body; a test compares the two.
- It is one request, complete, with nothing before or behind it.
- Nothing in it needs an answer of its own, or changes how the body or the connection is read: no `Expect`, no chunks,
  no encoding, no upgrade, no older HTTP, no header twice.
"""

import re
from collections.abc import Mapping
from typing import Final

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from msgspec import Struct

from stripeline.ingest.webhook import PATH, RequestHead

HEAD_END: Final = b"\r\n\r\n"
MAX_HEAD_BYTES: Final = 8_000
"""Below each of aiohttp's limits for a line."""
_LENGTH: Final = b"\r\nContent-Length: "
_MAX_DIGITS: Final = 9
_MAX_HEADERS: Final = 100
"""Below aiohttp's limit."""
_VERSION: Final = b" HTTP/1.1\r\n"
_LINE_END: Final = b"\r\n"
_BLANKS: Final = b" \t"
_URL: Final = re.compile(re.escape(PATH.encode()) + rb"[A-Za-z0-9-]{1,60}/?")
"""A path that means the same before and after it is decoded."""
_OTHERWISE: Final = frozenset({
    b"connection", b"content-encoding", b"expect", b"keep-alive", b"proxy-connection", b"sec-websocket-key1", b"te",
    b"trailer", b"transfer-encoding", b"upgrade",
})  # fmt: skip
"""A request that has one of these is served by aiohttp."""


class UsualDelivery(Struct, frozen=True, gc=False):
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
    """One parser for all connections of a port: it gets whole requests only, and starts afresh after any other.

    What the parser finds goes into a dict and lists by their own methods: a call of Python's for each header would take
    longer than to parse it.
    """

    def __init__(self) -> None:
        self._start_afresh()

    def _start_afresh(self) -> None:
        self._headers: dict[bytes, bytes] = {}
        self._urls: list[bytes] = []
        self._bodies: list[bytes] = []
        self._complete = 0
        # httptools takes these from what it is made with.
        self.on_url, self.on_header, self.on_body = self._urls.append, self._headers.__setitem__, self._bodies.append
        self._parser = HttpRequestParser(self)

    def on_message_complete(self) -> None:
        self._complete += 1

    def read(self, data: bytes) -> tuple[UsualDelivery, bytes] | None:
        """A delivery and its body; None for what is no usual one. `data`: what `is_one_request` accepts."""
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            self._complete = 0
        url, headers = b"".join(self._urls), {name.lower(): value for name, value in self._headers.items()}
        if not self._is_usual(data, url, headers):
            self._start_afresh()  # it may be in the middle of something
            return None
        body = b"".join(self._bodies)
        self._complete = 0
        self._urls.clear()
        self._headers.clear()
        self._bodies.clear()
        return _delivery(url, headers), body

    def _is_usual(self, data: bytes, url: bytes, headers: Mapping[bytes, bytes]) -> bool:
        head = data[: data.find(HEAD_END)]
        return (
            self._complete == 1
            and head.startswith(b"POST " + url + _VERSION)
            and head.count(_LINE_END) == len(headers)  # one of each name
            and b"host" in headers
            and b"content-length" in headers
            and len(headers) <= _MAX_HEADERS
            and _OTHERWISE.isdisjoint(headers)
            and head.isascii()
            and _URL.fullmatch(url) is not None
        )


def _delivery(url: bytes, headers: Mapping[bytes, bytes]) -> UsualDelivery:
    values = headers.get
    signature, received = values(b"stripe-signature"), values(b"traceparent")
    head = RequestHead(
        method="POST",
        path=url.decode("ascii"),
        content_type=values(b"content-type", b"").rstrip(_BLANKS).decode("ascii"),
        content_length=int(headers[b"content-length"]),
        encoded=False,
        signatures=() if signature is None else (signature.rstrip(_BLANKS),),
        traceparent=None if received is None else received.rstrip(_BLANKS).decode("ascii"),
    )
    return UsualDelivery(head, _lines(values(b"x-forwarded-for")), _lines(values(b"forwarded")))


def _lines(value: bytes | None) -> tuple[str, ...]:
    return () if value is None else (value.rstrip(_BLANKS).decode("ascii"),)
