"""Renders the receiver's answers. Their bodies are `{"error": …}` and hold none of the request's words.

https://www.rfc-editor.org/rfc/rfc9110 · https://www.rfc-editor.org/rfc/rfc9112
"""

import time
from email.utils import formatdate
from http import HTTPStatus
from typing import Final

import orjson
from aiohttp import web

from stripeline.ingest.http.connection import ClientConnection
from stripeline.ingest.refusals import Refusal
from stripeline.ingest.webhook import ACCEPTED, Accepted

RETRY_AFTER_S: Final = 5
_MORE: Final = {405: "Allow: POST\r\n", 503: f"Retry-After: {RETRY_AFTER_S}\r\n"}
_CLOSE: Final = "Connection: close\r\n"


class Answer(web.StreamResponse):
    """A whole answer as bytes. It keeps nothing of a request, so that one serves many."""

    def __init__(self, wire: bytes, *, keeps: bool) -> None:
        super().__init__()
        self._wire, self._keeps = wire, keeps

    @property
    def keep_alive(self) -> bool:
        return self._keeps

    async def prepare(self, request: web.BaseRequest) -> None:
        connection = request.protocol
        if not isinstance(connection, ClientConnection) or connection.wire is None or connection.wire.is_closing():
            raise ConnectionResetError  # aiohttp's sign for a client that has gone
        connection.wire.write(self._wire)
        if connection.blocked_since is not None:
            await connection.unblocked()
        connection.answered(keeps=self._keeps)

    def send(self, connection: ClientConnection) -> None:
        """To a request that is served without aiohttp."""
        connection.reply(self._wire, keeps=self._keeps)

    async def write_eof(self, data: bytes = b"") -> None:
        """Everything was written with the head."""


class Answers:
    """Answers with the date that a server with a clock must send: rendered once a second each.

    https://www.rfc-editor.org/rfc/rfc9110#name-date
    """

    def __init__(self) -> None:
        self._second = 0
        self._usual = self._made(ACCEPTED, keeps=True, bodiless=False)
        self._rendered: dict[tuple[Accepted | Refusal, bool, bool], Answer] = {}

    def of(self, answer: Accepted | Refusal, *, keeps: bool, bodiless: bool) -> Answer:
        """`bodiless`: the answer to a HEAD, which ends after its head."""
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._rendered.clear()
            self._usual = self._made(ACCEPTED, keeps=True, bodiless=False)
        if answer is ACCEPTED and keeps and not bodiless:
            return self._usual
        key = (answer, keeps, bodiless)
        found = self._rendered.get(key)
        if found is None:
            found = self._rendered[key] = self._made(answer, keeps=keeps, bodiless=bodiless)
        return found

    def _made(self, answer: Accepted | Refusal, *, keeps: bool, bodiless: bool) -> Answer:
        head, body = _rendered(answer, formatdate(self._second, usegmt=True), keeps=keeps)
        return Answer(head if bodiless else head + body, keeps=keeps)


def _rendered(answer: Accepted | Refusal, date: str, *, keeps: bool) -> tuple[bytes, bytes]:
    end = f"Date: {date}\r\n{'' if keeps else _CLOSE}"
    if isinstance(answer, Accepted):
        return f"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n{end}\r\n".encode(), b""
    body = orjson.dumps({"error": answer.text})
    head = (
        f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n{end}{_MORE.get(answer.status, '')}\r\n"
    )
    return head.encode(), body
