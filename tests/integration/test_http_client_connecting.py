"""Which address a connection goes to, when names are looked up, and how many connections there are."""

import asyncio
import socket

import pytest

from stripeline.workers.stripe import http_connector
from stripeline.workers.stripe.http_client import HttpClient, NotSentError
from tests.support.raw_server import raw_server

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
CLOSES = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi"


def client(url: str, limit: int = 4) -> HttpClient:
    return HttpClient(url, headers={}, limit=limit, max_body_bytes=1_000, deadline_s=20)


def named(url: str) -> str:
    return url.replace("127.0.0.1", "stripe.test")


class Names:
    """Answers look-ups: with these hosts, or fails while there are none."""

    def __init__(self, *hosts: str) -> None:
        self.hosts, self.asked = hosts, 0

    async def getaddrinfo(self, _: str, port: int, **__: object) -> list:
        self.asked += 1
        await asyncio.sleep(0.01)
        if not self.hosts:
            raise socket.gaierror("unknown")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port)) for host in self.hosts]


@pytest.fixture
def names(monkeypatch) -> Names:
    found = Names("127.0.0.1")
    monkeypatch.setattr(http_connector.HttpConnector, "_getaddrinfo", lambda self: found.getaddrinfo("", self._port))
    return found


async def ask(http: HttpClient) -> bytes:
    return (await http.ask("POST", "/v1/x", {}, b"")).body


async def test_requests_at_once_share_one_look_up(names):
    async with raw_server(CLOSES) as server, client(named(server.url)) as http:
        assert await asyncio.gather(*(ask(http) for _ in range(4))) == [b"hi"] * 4
        assert await ask(http) == b"hi"
        assert (len(server.connections), names.asked) == (5, 1)


async def test_a_name_is_looked_up_again_after_a_minute(names):
    async with raw_server(CLOSES) as server, client(named(server.url)) as http:
        await ask(http)
        http._connector._looked_up_s -= 61
        await ask(http)
        assert names.asked == 2


async def test_a_failed_look_up_is_made_again(names):
    names.hosts = ()
    async with raw_server(OK) as server, client(named(server.url)) as http:
        for _ in range(2):
            with pytest.raises(NotSentError, match="gaierror"):
                await ask(http)
        names.hosts = ("127.0.0.1",)
        assert await ask(http) == b"hi"
        assert names.asked == 3


async def test_a_look_up_outlives_the_request_that_began_it(names):
    async with raw_server(OK) as server, client(named(server.url)) as http:
        first = asyncio.create_task(ask(http))
        second = asyncio.create_task(ask(http))
        await asyncio.sleep(0)
        first.cancel()
        assert await second == b"hi"
        assert names.asked == 1


async def test_a_server_that_refuses_gives_way_to_the_next(names):
    names.hosts = ("127.0.0.2", "127.0.0.1", "127.0.0.3")
    async with raw_server(CLOSES) as server, client(named(server.url)) as http:
        for _ in range(3):
            assert await ask(http) == b"hi"


async def test_each_address_is_the_first_in_its_turn(names, monkeypatch):
    names.hosts, firsts = ("127.0.0.1", "127.0.0.2"), []

    async def start(addresses, **_):
        firsts.append(addresses[0][4][0])
        raise ConnectionRefusedError

    monkeypatch.setattr(http_connector, "start_connection", start)
    async with client("http://stripe.test") as http:
        for _ in range(4):
            with pytest.raises(NotSentError):
                await ask(http)
    assert sorted(firsts[:2]) == sorted(firsts[2:]) == ["127.0.0.1", "127.0.0.2"]


async def test_connections_are_never_more_than_the_limit():
    async with raw_server(OK) as server, client(server.url, limit=3) as http:
        for _ in range(5):
            await asyncio.gather(*(ask(http) for _ in range(20)))
        assert len(http._connector._open) == len(server.connections) == 3


async def test_ipv6_is_spoken():
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(OK if b"Host: [::1]:" in head else b"")
        await reader.read()
        writer.close()

    try:
        server = await asyncio.start_server(serve, "::1", 0)
    except OSError:
        pytest.skip("this machine has no IPv6")
    async with server, client(f"http://[::1]:{server.sockets[0].getsockname()[1]}") as http:
        assert await ask(http) == b"hi"


async def test_leaving_closes_connections_in_use():
    async with raw_server(None) as server:
        async with client(server.url) as http:
            waits = asyncio.create_task(ask(http))
            while not server.requests:  # noqa: ASYNC110 - the server sets no event
                await asyncio.sleep(0.01)
        with pytest.raises(Exception, match="Error"):
            await waits
