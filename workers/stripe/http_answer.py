"""Reads the answers of one connection with httptools' parser. Touches no socket and no clock.

Invariants:

- An answer is whole, or it is an error. Errors name kinds, never values: an answer may hold a client_secret.
- What is held of an answer is bounded: its body by `max_body_bytes`, all else by _MAX_FRAMING_BYTES.
- Bytes behind an answer are never read as another one: the connection is not to be used again.
"""

import zlib
from collections.abc import Mapping
from typing import Final

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser
from msgspec import Struct

_MAX_HEADERS: Final = 128
_MAX_HEADER_BYTES: Final = 8_190
_MAX_FRAMING_BYTES: Final = 65_536
"""Of heads, chunk sizes and trailers, beyond one byte for each byte of the body."""
_MAX_INFORMATIONAL: Final = 16
_OK = 200
_GZIP_OR_ZLIB: Final = zlib.MAX_WBITS | 32


class LostError(Exception):
    """No whole answer came, and the server may have had the request."""


class DroppedError(LostError):
    """The connection ended without the head of an answer, as a kept one does that the server had given up."""


class TooLargeError(Exception):
    """The answer's body is larger than is read."""


class Reply(Struct, frozen=True, kw_only=True):
    """headers: by lower-case name; of a name that comes twice, the first."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class AnswerReader:
    """`start`, then `feed` until it returns the answer; `end` when the connection ends before.

    connection_ends: whether the connection takes no other request after this answer.
    """

    def __init__(self, max_body_bytes: int) -> None:
        self._max_body_bytes = max_body_bytes
        self._parser = HttpResponseParser(self)
        self.start()

    def start(self) -> None:
        self.connection_ends = False
        self._reply: Reply | None = None
        self._refusal: LostError | TooLargeError | None = None
        self._status, self._informational, self._received_bytes, self._body_bytes = 0, 0, 0, 0
        self._head: list[tuple[bytes, ...]] = []
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []

    def feed(self, data: bytes) -> Reply | None:
        """The answer, once it is whole. Raises LostError or TooLargeError."""
        self._received_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:  # an upgrade: 101
            self.connection_ends = True
            if self._reply is None:
                raise self._refusal or LostError(type(error).__name__) from error
        if self._reply is None and self._received_bytes - 2 * self._body_bytes > _MAX_FRAMING_BYTES:
            raise LostError("Framing")
        return self._reply

    def end(self, error: Exception | None) -> Reply:
        """The end of the connection: that of a body which no length ends. Raises LostError or TooLargeError."""
        kind = type(error or EOFError()).__name__
        if not self._status:
            raise DroppedError(kind)
        if error is not None or "content-length" in self._headers or "transfer-encoding" in self._headers:
            raise LostError(kind)
        return self._whole()

    # What the parser calls: https://github.com/MagicStack/httptools. An exception stops it.

    def on_message_begin(self) -> None:
        if self._reply is not None:
            raise LostError("Unsolicited")

    def on_header(self, *header: bytes) -> None:
        self._head.append(header)  # also trailers, which are of no use

    def on_headers_complete(self) -> None:
        """https://www.rfc-editor.org/rfc/rfc9110.html#name-informational-1xx: the answer comes after those."""
        status, head = self._parser.get_status_code(), self._head
        if len(head) > _MAX_HEADERS or any(len(name) + len(value) > _MAX_HEADER_BYTES for name, value in head):
            self._refuse(LostError("Headers"))
        if status >= _OK:
            self._status = status
            for name, value in head:
                self._headers.setdefault(name.lower().decode("latin-1"), value.decode("latin-1").strip())
            return
        self._head = []
        self._informational += 1
        if self._informational > _MAX_INFORMATIONAL:
            self._refuse(LostError("Informational"))

    def on_body(self, data: bytes) -> None:
        self._body_bytes += len(data)
        if self._body_bytes > self._max_body_bytes:
            self._refuse(self._too_large())
        self._body.append(data)

    def on_message_complete(self) -> None:
        if self._status:
            self.connection_ends = not self._parser.should_keep_alive()
            try:
                self._reply = self._whole()
            except (LostError, TooLargeError) as error:
                self._refuse(error)

    def _whole(self) -> Reply:
        body, encoding = b"".join(self._body), self._headers.get("content-encoding", "identity")
        if body and encoding.lower() != "identity":
            body = self._decoded(body)
        return Reply(status=self._status, headers=self._headers, body=body)

    def _decoded(self, body: bytes) -> bytes:
        """A body that is encoded though the request asked for none."""
        decoder = zlib.decompressobj(_GZIP_OR_ZLIB)
        try:
            decoded = decoder.decompress(body, self._max_body_bytes + 1)
        except zlib.error as error:
            raise LostError("ContentEncoding") from error
        if len(decoded) > self._max_body_bytes:
            raise self._too_large()
        if not decoder.eof:
            raise LostError("ContentEncoding")
        return decoded

    def _too_large(self) -> TooLargeError:
        return TooLargeError(f"more than {self._max_body_bytes} bytes")

    def _refuse(self, error: LostError | TooLargeError) -> None:
        """Stop the parser, which raises an error of its own that does not say why."""
        self._refusal = error
        raise error
