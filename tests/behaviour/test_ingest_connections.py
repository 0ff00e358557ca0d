"""A connection's debt of a head, when bytes come before aiohttp's own task of the connection has begun."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ingest.app import make_app
from ingest.outcome import Published
from ingest.routing import Publication
from ingest.server import Connection, Limits, Server


class Unused:
    async def publish(self, _: Publication) -> Published:
        raise AssertionError


class Wire(asyncio.Transport):
    """Leads nowhere."""

    def write(self, data: object) -> None: ...
    def close(self) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def is_closing(self) -> bool:
        return False


@contextmanager
def connected() -> Iterator[Connection]:
    """A connection that was just made: the loop has not turned since."""
    connection = Server(make_app(triggers={}.get, publisher=Unused()), Limits())()
    connection.connection_made(Wire())
    try:
        yield connection
    finally:
        connection.connection_lost(None)


def owes(connection: Connection) -> bool:
    return connection.owes_head_since(asyncio.get_running_loop().time() + 1)


@pytest.mark.parametrize("sent", [b"", b"P", b"POST /webhooks/pay HTTP/1.1\r\nHost: x\r\n"])
async def test_a_head_that_is_not_whole_is_owed_however_early_its_bytes_come(sent: bytes) -> None:
    with connected() as connection:
        connection.data_received(sent)
        assert owes(connection)
        await asyncio.sleep(0)
        assert owes(connection)


async def test_a_whole_head_is_owed_no_more() -> None:
    with connected() as connection:
        connection.data_received(b"POST /webhooks/pay HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n")
        assert not owes(connection)
