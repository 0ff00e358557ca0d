"""One request and its one answer, on kept connections, against a server that says what HTTP allows, and more.

What a broken server does to a call is in `test_calls_faults.py`.
"""

import asyncio
import gc
import gzip
from collections.abc import Callable

import pytest

from stripeline.workers.stripe.http_answer import DroppedError, LostError, TooLargeError
from stripeline.workers.stripe.http_client import HttpClient, NotSentError, UnsendableError
from stripeline.workers.stripe.http_connection import HttpConnection
from tests.support.raw_server import CLOSE, RawServer, raw_server

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nRequest-Id: req_1\r\n\r\nhi"
STALE = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstale"
MAX_BODY_BYTES = 300_000


def client(url: str, **changes) -> HttpClient:
    standing = {"headers": {"User-Agent": "test"}, "limit": 4, "max_body_bytes": MAX_BODY_BYTES, "deadline_s": 20}
    return HttpClient(url, **(standing | changes))


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0)


def in_use(http: HttpClient) -> int:
    """Connections that are open and not kept."""
    return sum(not connection._transport.is_closing() for connection in http._connector._open) - kept(http)


def kept(http: HttpClient) -> int:
    return len(http._idle)


async def ask(http: HttpClient, method: str = "POST", **headers):
    return await http.ask(method, "/v1/x", headers, b"a=b" if method == "POST" else None)


async def test_a_request_is_written_as_http_1_1():
    async with raw_server(OK) as server, client(server.url + "/base/") as http:
        reply = await http.ask("POST", "/v1/x?a=%C3%A9", {"Idempotency-Key": "k"}, b"a=b")
        await http.ask("GET", "/v1/x", {})
    assert (reply.status, reply.body, reply.headers["request-id"]) == (200, b"hi", "req_1")
    host = server.url.removeprefix("http://")
    assert server.requests == [
        f"POST /base/v1/x?a=%C3%A9 HTTP/1.1\r\nHost: {host}\r\nUser-Agent: test\r\nAccept-Encoding: identity\r\n"
        "Idempotency-Key: k\r\nContent-Length: 3\r\n\r\na=b".encode(),
        f"GET /base/v1/x HTTP/1.1\r\nHost: {host}\r\nUser-Agent: test\r\nAccept-Encoding: identity\r\n\r\n".encode(),
    ]
    assert len(server.connections) == 1


@pytest.mark.parametrize(
    ("base", "host"),
    [
        ("http://stripe.test", "stripe.test"),
        ("https://stripe.test:443", "stripe.test"),
        ("https://stripe.test:80", "stripe.test:80"),
        ("http://[::1]:8080/x", "[::1]:8080"),
        ("http://bücher.test", "xn--bcher-kva.test"),
        ("http://user:secret@stripe.test", "stripe.test"),
    ],
)
async def test_the_host_header_follows_the_base_url(base, host):
    async with client(base) as http:
        assert http._common_headers.startswith(f"Host: {host}\r\n")


@pytest.mark.parametrize("base", ["htps://stripe.test", "stripe.test", "ftp://stripe.test", ""])
def test_a_base_url_that_is_not_http_is_refused(base):
    with pytest.raises(ValueError, match="http://"):
        client(base)


READ = {
    "a length": (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", b"hi", True),
    "no body": (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"", True),
    "chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n1\r\ni\r\n0\r\n\r\n", b"hi", True),
    "trailers": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX: y\r\n\r\n", b"hi", True),
    "204": (b"HTTP/1.1 204 No Content\r\n\r\n", b"", True),
    "304": (b"HTTP/1.1 304 Not Modified\r\n\r\n", b"", True),
    "100, 102 and 103 before": (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK,
        b"hi",
        True,
    ),
    "compressed, though not asked for": (
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s"
        % (len(gzip.compress(b"hi")), gzip.compress(b"hi")),
        b"hi",
        True,
    ),
    "Connection: close": (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi", b"hi", False),
    "until the connection's end": (b"HTTP/1.1 200 OK\r\n\r\nhi" + CLOSE, b"hi", False),
    "HTTP/1.0": (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", b"hi", False),
    "HTTP/1.0, kept": (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi", b"hi", True),
    "a large body": (
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (MAX_BODY_BYTES, b"x" * MAX_BODY_BYTES),
        b"x" * MAX_BODY_BYTES,
        True,
    ),
}


@pytest.mark.parametrize(("answer", "body", "stays"), READ.values(), ids=READ)
async def test_a_whole_answer_leaves_its_connection_reusable(answer, body, stays):
    async with raw_server(answer) as server, client(server.url) as http:
        for _ in range(2):
            reply = await ask(http)
            assert reply.body == body
            assert (in_use(http), kept(http)) == (0, int(stays))
    assert len(server.connections) == (1 if stays else 2)


TOO_LARGE = {
    "a length": b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (10**9, b"x" * (MAX_BODY_BYTES + 1)),
    "a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n" + b"x" * (MAX_BODY_BYTES + 1),
    "decompressed": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s"
    % (len(gzip.compress(b" " * (1 << 26))), gzip.compress(b" " * (1 << 26))),
}


@pytest.mark.parametrize("answer", TOO_LARGE.values(), ids=TOO_LARGE)
async def test_a_body_over_the_limit_closes_its_connection(answer):
    async with raw_server(answer) as server, client(server.url) as http:
        with pytest.raises(TooLargeError):
            await ask(http)
        assert (in_use(http), kept(http)) == (0, 0)


LOST = {
    "101": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    "only 1xx": b"HTTP/1.1 100 Continue\r\n\r\n" * 20,
    "a long header": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 9_000 + b"\r\nContent-Length: 0\r\n\r\n",
    "many headers": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"Content-Length: 0\r\n\r\n",
    "a bad length": b"HTTP/1.1 200 OK\r\nContent-Length: 2x\r\n\r\nhi",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi",
    "cut": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi" + CLOSE,
    "an encoding that it is not": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nhi",
}


@pytest.mark.parametrize("answer", LOST.values(), ids=LOST)
async def test_a_broken_answer_is_lost_and_closes_its_connection(answer):
    async with raw_server(answer) as server, client(server.url) as http:
        with pytest.raises(LostError):
            await ask(http)
        assert (in_use(http), kept(http)) == (0, 0)


UNASKED = {"an answer": STALE, "half a head": STALE[:20], "a line's end": b"\r\n", "no HTTP": b"?" * 100}


@pytest.mark.parametrize("unasked", UNASKED.values(), ids=UNASKED)
async def test_unsolicited_bytes_on_an_idle_connection_close_it(unasked):
    async with raw_server(OK) as server, client(server.url) as http:
        await ask(http)
        (connection,) = http._idle
        server.connections[0].write(unasked)
        await until(lambda: not connection.reusable)
        assert (await ask(http)).body == b"hi"
        assert len(server.connections) == 2
        assert (in_use(http), kept(http)) == (0, 1)


@pytest.mark.parametrize("more", [STALE, b"SSH-2.0\r\n"], ids=["an answer", "no HTTP"])
async def test_bytes_behind_an_answer_are_not_the_next_answer(more):
    async with raw_server(OK + more, OK) as server, client(server.url) as http:
        bodies = []
        for _ in range(2):
            try:
                bodies.append((await ask(http)).body)
            except LostError:
                bodies.append(None)
        assert bodies in ([b"hi", b"hi"], [None, b"hi"])
        assert len(server.connections) == 2
        assert in_use(http) == 0


async def test_a_server_that_speaks_first_gets_no_request():
    async with raw_server(OK, greeting=STALE) as server, client(server.url) as http:
        # What is said may come only after the request was written; it then is its answer, as for any client.
        for _ in range(20):
            try:
                reply = await ask(http)
            except NotSentError:
                continue
            assert reply.body in {b"stale", b"hi"}
        assert in_use(http) == 0


async def given_up(server: RawServer, http: HttpClient) -> None:
    """A kept connection that the server ends after the next request."""
    await ask(http)
    assert kept(http) == 1
    server.script[:] = [CLOSE, OK]


async def test_a_post_on_a_dropped_connection_is_not_sent_again():
    async with raw_server(OK) as server, client(server.url) as http:
        await given_up(server, http)
        with pytest.raises(DroppedError):
            await ask(http)
        assert len(server.requests) == 2
        assert (in_use(http), kept(http)) == (0, 0)


async def test_a_get_on_a_dropped_connection_is_sent_once_more():
    async with raw_server(OK) as server, client(server.url) as http:
        await given_up(server, http)
        assert (await ask(http, "GET")).body == b"hi"
        assert len(server.requests) == 3
        server.script[:] = [CLOSE]
        with pytest.raises(DroppedError):
            await ask(http, "GET")
        assert len(server.requests) == 5


async def test_a_connection_that_ended_while_idle_is_not_used():
    async with raw_server(OK) as server, client(server.url) as http:
        await ask(http)
        (connection,) = http._idle
        server.connections[0].close()
        await until(lambda: not connection.reusable)
        assert (await ask(http)).body == b"hi"


async def test_without_a_server_nothing_was_sent():
    async with raw_server(OK) as server:
        url = server.url
    async with client(url) as http:
        with pytest.raises(NotSentError):
            await ask(http)
        assert in_use(http) == 0


INJECTED = ["a\r\nX: y", "a\nb", "a\rb", "a\0b", "é", "日", "\x7f"]


@pytest.mark.parametrize("value", INJECTED)
async def test_a_value_that_ends_its_header_is_refused_unsent(value):
    async with raw_server(OK) as server, client(server.url) as http:
        with pytest.raises(UnsendableError, match="Idempotency-Key") as refused:
            await http.ask("POST", "/v1/x", {"Idempotency-Key": value}, b"")
        assert value not in str(refused.value)
        for target in (f"/v1/{value}", f"/v1/x?a={value}"):
            with pytest.raises(UnsendableError, match="percent-encoded"):
                await http.ask("GET", target, {})
        assert (server.connections, in_use(http)) == ([], 0)


@pytest.mark.parametrize("target", ["", "v1/x", "/v1/x y", "/v1/x#y", "http://other.test/"])
async def test_a_target_that_is_not_a_path_is_refused_unsent(target):
    async with raw_server(OK) as server, client(server.url) as http:
        with pytest.raises(UnsendableError):
            await http.ask("GET", target, {})
        assert server.connections == []


STALLS = {"nothing": None, "half a head": OK[:10], "half a body": OK[:-1], "100": b"HTTP/1.1 100 Continue\r\n\r\n"}


@pytest.mark.parametrize("answer", STALLS.values(), ids=STALLS)
async def test_a_cancelled_request_closes_its_connection(answer):
    async with raw_server(answer) as server, client(server.url) as http:
        task = asyncio.create_task(ask(http))
        await until(lambda: bool(server.requests))
        await asyncio.sleep(0.01)  # what was sent has come
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (in_use(http), kept(http)) == (0, 0)


async def test_a_request_cancelled_at_any_time_leaks_nothing(caplog):
    async with raw_server(OK) as server, client(server.url) as http:
        for turns in range(40):
            task = asyncio.create_task(ask(http))
            for _ in range(turns % 20):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert in_use(http) == 0
        assert (await ask(http)).body == b"hi"
        gc.collect()
    assert "Unclosed" not in caplog.text


async def test_requests_over_the_limit_wait_for_a_free_slot():
    async with raw_server(None) as server, client(server.url) as http:
        stalled = [asyncio.create_task(ask(http)) for _ in range(6)]
        await until(lambda: len(server.requests) == 4)
        server.script[:] = [OK]
        stalled[4].cancel()
        stalled[0].cancel()
        assert (await stalled[5]).body == b"hi"
        for task in stalled:
            task.cancel()
        await asyncio.gather(*stalled, return_exceptions=True)
        assert in_use(http) == 0


LARGE = b"x" * 8_000_000


async def test_a_request_larger_than_the_buffers_arrives_whole():
    async with raw_server(OK) as server, client(server.url) as http:
        assert (await http.ask("POST", "/v1/x", {}, LARGE)).body == b"hi"
        assert server.requests[0].endswith(LARGE)
        assert kept(http) == 1


async def test_an_answer_before_the_whole_request_closes_afterwards():
    early = b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"
    async with raw_server(early, reads=False) as server, client(server.url) as http:
        assert (await http.ask("POST", "/v1/x", {}, LARGE * 4)).status == 413
        assert (in_use(http), kept(http)) == (0, 0)


def transports(http: HttpClient) -> list[asyncio.Transport]:
    return [connection._transport for connection in http._connector._open]


async def test_cancelling_aborts_a_request_that_is_not_read():
    async with raw_server(b"", reads=False) as server, client(server.url) as http:
        task = asyncio.create_task(http.ask("POST", "/v1/x", {}, LARGE * 4))
        await until(lambda: any(transport.get_write_buffer_size() for transport in transports(http)))
        (transport,) = transports(http)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (in_use(http), transport.is_closing()) == (0, True)
        await until(lambda: not transport.get_write_buffer_size())


async def test_a_client_outside_its_block_says_so():
    with pytest.raises(RuntimeError, match="async with"):
        await ask(client("http://127.0.0.1:9"))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_an_answer(status):
    answer = b"HTTP/1.1 %d M\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n" % status
    async with raw_server(answer) as server, client(server.url) as http:
        assert (await ask(http)).status == status
        assert len(server.requests) == 1


async def test_a_stalled_answer_closes_its_connection_at_the_deadline():
    async with raw_server(None) as server, client(server.url, deadline_s=0.05) as http:
        with pytest.raises(LostError, match="Timeout"):
            await ask(http)
        assert len(server.requests) == 1
        assert (in_use(http), kept(http)) == (0, 0)


async def test_a_server_that_accepts_no_connection_gets_nothing(monkeypatch):
    async def stalls(*_, **__):
        await asyncio.Event().wait()

    async with client("http://127.0.0.1:9", deadline_s=0.05) as http:
        monkeypatch.setattr("stripeline.workers.stripe.http_connector.start_connection", stalls)
        with pytest.raises(NotSentError, match="Timeout"):
            await ask(http)


async def test_waiting_for_a_slot_ends_at_the_deadline_unsent():
    async with raw_server(OK) as server, client(server.url, deadline_s=0.05) as http:
        for _ in range(4):
            await http._slots.acquire()
        with pytest.raises(NotSentError, match="Timeout"):
            await ask(http)
        assert server.connections == []
        http._slots.release()
        assert (await ask(http)).body == b"hi"


async def test_a_get_that_is_sent_once_more_keeps_its_deadline(monkeypatch):
    deadlines, asked = [], HttpConnection.ask

    async def ask_until(connection: HttpConnection, request: bytes, until_s: float):
        deadlines.append(until_s)
        return await asked(connection, request, until_s)

    async with raw_server(OK) as server, client(server.url) as http:
        await given_up(server, http)
        monkeypatch.setattr(HttpConnection, "ask", ask_until)
        assert (await ask(http, "GET")).body == b"hi"
    assert len(deadlines) == 2
    assert len(set(deadlines)) == 1


async def test_a_connection_that_was_idle_too_long_is_not_used(monkeypatch):
    async with raw_server(OK) as server, client(server.url) as http:
        await asyncio.gather(ask(http), ask(http))
        assert kept(http) == 2
        monkeypatch.setattr("stripeline.workers.stripe.http_client._MAX_IDLE_S", 0)
        assert (await ask(http)).body == b"hi"
        assert (len(server.connections), kept(http)) == (3, 1)


async def test_the_last_used_connection_is_used_next():
    async with raw_server(OK) as server, client(server.url) as http:
        await asyncio.gather(ask(http), ask(http))
        first, last = http._idle
        since_s = first.idle_since_s
        await ask(http)
        assert list(http._idle) == [first, last]
        assert first.idle_since_s == since_s


async def test_connections_that_are_not_needed_grow_old():
    async with raw_server(OK) as server, client(server.url) as http:
        await asyncio.gather(ask(http), ask(http))
        old, _ = http._idle
        old.idle_since_s -= 20
        for _ in range(2):
            await ask(http)
        assert len(server.connections) == 2
        assert kept(http) == 1
        assert not old.reusable


async def test_leaving_the_block_closes_every_connection():
    async with raw_server(OK) as server:
        async with client(server.url) as http:
            await asyncio.gather(ask(http), ask(http))
            connections = list(http._idle)
        assert [connection.reusable for connection in connections] == [False, False]
