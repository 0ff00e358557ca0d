"""A connection's phases, with a transport that leads nowhere."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from stripeline.ingest.http.connection import Connection, Phase
from stripeline.ingest.http.server import Limits, Server
from stripeline.ingest.publish_result import Done
from stripeline.ingest.routing import Publication
from stripeline.ingest.webhook import make_app


class Unused:
    def publish(self, publication: Publication, done: Done) -> None:
        raise AssertionError


class Wire(asyncio.Transport):
    """Leads nowhere."""

    def __init__(self) -> None:
        super().__init__()
        self.written, self.reads, self.closed, self.ended = 0, True, False, False

    def write(self, data: object) -> None:
        self.written += 1

    def close(self) -> None:
        self.closed = True

    def write_eof(self) -> None:
        self.ended = True

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True


@contextmanager
def connected() -> Iterator[Connection]:
    """A connection that was just made: the loop has not turned since."""
    connection = Server(make_app(triggers={}.get, publisher=Unused()), Limits())()
    connection.connection_made(Wire())
    try:
        yield connection
    finally:
        connection.connection_lost(None)


@pytest.mark.parametrize("sent", [b"", b"P", b"POST /webhooks/pay HTTP/1.1\r\nHost: x\r\n"])
async def test_a_head_that_is_not_whole_is_owed_since_the_connection_began(sent: bytes) -> None:
    with connected() as connection:
        since = connection.since
        connection.data_received(sent)
        assert (connection.phase, connection.since) == (Phase.HEAD, since)


async def test_a_whole_head_is_owed_no_more() -> None:
    with connected() as connection:
        connection.data_received(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.phase is Phase.IDLE
        connection.data_received(b"G")
        assert connection.phase is Phase.HEAD


async def test_a_client_that_reads_no_answer_is_answered_no_more() -> None:
    with connected() as connection:
        wire = connection._transport
        connection.data_received(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        connection.pause_writing()
        connection.data_received(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 40)
        assert (wire.written, wire.reads) == (1, False)
        connection.resume_writing()
        while wire.written < 41:  # noqa: ASYNC110  what was kept back comes in the next turns of the loop
            await asyncio.sleep(0)
        assert wire.reads


async def test_an_answer_to_what_is_refused_early_is_not_lost_to_what_is_still_sent() -> None:
    with connected() as connection:
        connection.data_received(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n")
        assert (connection.phase, connection._transport.ended, connection._transport.closed) == (
            Phase.CLOSING,
            True,
            False,
        )
