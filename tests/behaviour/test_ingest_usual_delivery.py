"""Usual deliveries, which are served without aiohttp's server: what is read, and what is left to aiohttp."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import web
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from stripeline.ingest.delivery_counters import Counters
from stripeline.ingest.http.connection import ClientConnection, Phase, Serve
from stripeline.ingest.http.deadlines import Connections, Limits
from stripeline.ingest.http.request_reader import head_of
from stripeline.ingest.http.server import Receiver, Running, serve
from stripeline.ingest.http.usual_delivery import UsualDeliveries, is_one_request
from stripeline.ingest.webhook import RequestHead, Webhook
from tests.behaviour.test_ingest_http import NOW_S, SECRET, FakePublisher, event, head
from tests.support.webhook_paths import own_path

BODY = b'{"id": "evt_1"}'
LINE = b"POST /webhooks/payments HTTP/1.1\r\n"
HEADERS = (b"Host: x", b"Content-Type: application/json", b"Content-Length: 15", b"Stripe-Signature: t=1,v1=ab")
Seen = tuple[RequestHead, bytes]


def request(*more: bytes, line: bytes = LINE, headers: tuple[bytes, ...] = HEADERS, body: bytes = BODY) -> bytes:
    return line + b"".join(one + b"\r\n" for one in (*headers, *more)) + b"\r\n" + body


def read(data: bytes) -> Seen | None:
    found = UsualDeliveries().read(data) if is_one_request(data) else None
    return None if found is None else (found[0].head, found[1])


class Wire(asyncio.Transport):
    """A client's connection that goes nowhere."""

    closed = False

    def write(self, data: Any) -> None: ...
    def close(self) -> None:
        self.closed = True

    def abort(self) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def is_closing(self) -> bool:
        return False


def connected(serve: Serve, limits: Limits | None = None) -> tuple[ClientConnection, Wire, list[Seen]]:
    """A connection, and what aiohttp's server hands to us from it."""
    seen: list[Seen] = []

    async def handle(asked: web.BaseRequest) -> web.StreamResponse:
        seen.append((head_of(asked), asked.content.read_nowait()))
        return web.Response()

    keeper = Connections(limits or Limits(), Counters(), lambda *_: None)
    connection, wire = ClientConnection(web.Server(handle), keeper, 0.0, serve, lambda *_: web.Response()), Wire()
    connection.connection_made(wire)
    return connection, wire, seen


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def read_by_aiohttp(data: bytes) -> Seen | None:
    """The head and the body that aiohttp's server hands to us; None where it refuses."""
    connection, _, seen = connected(lambda *_: False)
    connection.data_received(data)
    await turns()
    connection.connection_lost(None)
    return seen[0] if seen else None


NAMES = st.sampled_from([
    b"Host", b"hOST", b"Content-Type", b"Content-Length", b"Stripe-Signature", b"stripe-signature", b"traceparent",
    b"Accept", b"X-Forwarded-For", b"Connection", b"Transfer-Encoding", b"Expect", b"Upgrade", b"Content-Encoding",
    b"X", b"Sec-WebSocket-Key1", b"Bad Name", b"",
])  # fmt: skip
VALUES = st.sampled_from([
    b"", b"x", b"15", b"t=1,v1=ab", b" t=1 ", b"\tx\t", b"application/json", b"keep-alive", b"close", b"chunked",
    b"100-continue", b"gzip", b"identity", b"\x00", b"\xc3\xa4", b"\xff", b"a\nb", b"a\rb",
])  # fmt: skip
LINES = st.sampled_from([
    LINE, b"POST /webhooks/payments/ HTTP/1.1\r\n", b"POST /webhooks/pay%6dents HTTP/1.1\r\n",
    b"POST http://x/webhooks/payments HTTP/1.1\r\n", b"POST /webhooks/a/../payments HTTP/1.1\r\n",
    b"POST /webhooks/payments?a=1 HTTP/1.1\r\n", b"POST /webhooks/payments#a HTTP/1.1\r\n",
    b"GET /webhooks/payments HTTP/1.1\r\n",
    b"POST /webhooks/payments HTTP/1.0\r\n", b"POST /webhooks/PAYMENTS HTTP/1.1\r\n", b"\r\n" + LINE,
    b"POST /webhooks/payments HTTP/2.0\r\n", b"CONNECT x:80 HTTP/1.1\r\n", b"POST  /webhooks/payments HTTP/1.1\r\n",
])  # fmt: skip
MORE = st.lists(
    st.builds(lambda name, blank, value: name + b":" + blank + value, NAMES, st.sampled_from([b" ", b""]), VALUES),
    max_size=4,
)


@given(LINES, st.lists(st.sampled_from(HEADERS), max_size=5), MORE, st.sampled_from([BODY, BODY + b"\r\n", b""]))
@example(LINE, list(HEADERS), [b"X-Forwarded-For:", b"Accept: */*"], BODY)
@example(LINE, [HEADERS[0], b"Content-Type:\tapplication/json \t", HEADERS[2], HEADERS[3] + b" "], [], BODY)
def test_aiohttp_reads_the_same_head_and_body(
    line: bytes, headers: list[bytes], more: list[bytes], body: bytes
) -> None:
    data = request(*more, line=line, headers=tuple(headers), body=body)
    found = read(data)
    if found is not None:
        seen = asyncio.run(read_by_aiohttp(data))
        assert seen is not None
        assert (replace(found[0], signatures=[*found[0].signatures]), found[1]) == seen


def test_a_delivery_as_stripe_sends_it_is_a_usual_one() -> None:
    sent = RequestHead("POST", "/webhooks/payments", "application/json", 15, False, (b"t=1,v1=ab",), None)
    assert read(request()) == (sent, BODY)
    assert read(request(b"traceparent: 00-1", b"Accept: */*")) == (replace(sent, traceparent="00-1"), BODY)


def test_the_client_behind_a_proxy_is_named() -> None:
    found = UsualDeliveries().read(request(b"X-Forwarded-For: 10.0.0.1, 10.0.0.2", b"Forwarded: for=10.0.0.3"))
    assert found is not None
    assert (found[0].forwarded_for, found[0].forwarded) == (("10.0.0.1, 10.0.0.2",), ("for=10.0.0.3",))


@pytest.mark.parametrize(
    "data",
    [
        *(request(one) for one in (
            b"Expect: 100-continue", b"Connection: close", b"Upgrade: h2c", b"Content-Encoding: gzip", b"Host: y",
            b"Content-Length: 15", b"Transfer-Encoding: chunked", b"X: \x00", b"X: \xff", b"Stripe-Signature: v1=cd",
            b"Bad Name: 1", b"X: " + b"x" * 9_000,
        )),
        *(request(*(b"X-%d: 1" % number for number in range(200))),),
        *(request(line=line) for line in (
            b"GET /webhooks/payments HTTP/1.1\r\n", b"POST /webhooks/payments HTTP/1.0\r\n", b"POST /x HTTP/1.1\r\n",
            b"POST /webhooks/pay%6dents HTTP/1.1\r\n", b"POST /webhooks/payments?a HTTP/1.1\r\n",
        )),
        request(headers=HEADERS[1:]), request(body=BODY + b"x"), request(body=BODY[:-1]), request() + request(),
    ],
)  # fmt: skip
def test_what_is_unusual_is_left_to_aiohttp(data: bytes) -> None:
    assert read(data) is None


def test_an_unusual_request_leaves_nothing_behind_for_the_next() -> None:
    reader = UsualDeliveries()
    for spoiled in (request(body=BODY[:-1]), b"\x00", request(b"Host: y"), request(b"Connection: close")):
        assert reader.read(spoiled) is None
        assert reader.read(request()) is not None


def begun(connection: ClientConnection, _: bytes) -> bool:
    connection.begin_whole()
    return True


async def test_the_next_request_waits_for_the_answer() -> None:
    connection, _, seen = connected(begun)
    connection.data_received(request())
    connection.data_received(request(b"X: 2"))
    await turns()
    assert (connection.phase, seen) == (Phase.REQUEST, [])
    connection.reply(b"", keeps=True)
    await turns()
    assert len(seen) == 1
    connection.connection_lost(None)


async def test_the_next_request_waits_until_the_client_reads() -> None:
    connection, _, seen = connected(begun)
    connection.data_received(request())
    connection.data_received(request(b"X: 2"))
    connection.pause_writing()
    connection.reply(b"", keeps=True)
    await turns()
    assert (connection.phase, seen) == (Phase.REQUEST, [])
    connection.resume_writing()
    await turns()
    assert len(seen) == 1
    connection.connection_lost(None)


async def test_the_last_answer_closes_the_connection() -> None:
    connection, wire, seen = connected(begun)
    connection.data_received(request())
    connection.reply(b"", keeps=False)
    connection.data_received(request())
    await turns()
    assert (connection.phase, wire.closed, seen) == (Phase.CLOSING, True, [])
    connection.connection_lost(None)


async def test_a_connection_too_many_serves_nothing() -> None:
    served: list[bytes] = []
    connection, _, _ = connected(lambda _, data: not served.append(data), Limits(max_connections=0))
    connection.data_received(request())
    assert served == []
    await turns()
    connection.connection_lost(None)


async def test_a_client_that_has_gone_gets_no_answer() -> None:
    connection, _, _ = connected(begun)
    connection.data_received(request())
    connection.connection_lost(None)
    connection.reply(b"", keeps=True)
    assert connection.phase is Phase.CLOSING


@pytest.fixture
def without_aiohttp(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A receiver whose requests fail where aiohttp serves them."""

    async def fail(*_: object) -> web.StreamResponse:
        raise AssertionError("this request was served by aiohttp")

    with monkeypatch.context() as patched:
        patched.setattr(Receiver, "_handle", fail)
        yield


@pytest.mark.usefixtures("without_aiohttp")
async def test_usual_deliveries_are_served_without_aiohttp() -> None:
    publisher = FakePublisher()
    async with await served(publisher) as running:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        for _ in range(3):
            writer.write(head(event()) + event())
            assert (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)).startswith(b"HTTP/1.1 200 ")
        publisher.gate, publisher.entered = asyncio.Event(), asyncio.Event()
        writer.write(head(event()) + event())
        await asyncio.wait_for(publisher.entered.wait(), 5)
        stopping = asyncio.create_task(running.stop())
        while not running._receiver.connections.ending:  # noqa: ASYNC110  it says so to nobody
            await asyncio.sleep(0.001)
        publisher.gate.set()
        assert b"Connection: close" in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        await stopping
        writer.close()


@pytest.mark.usefixtures("without_aiohttp")
async def test_an_error_of_ours_is_the_last_answer_of_its_connection() -> None:
    async with await served(FakePublisher(), paths=lambda _: 1 / 0) as running:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        writer.write(head(event()) + event())
        assert (await asyncio.wait_for(reader.read(), 5)).startswith(b"HTTP/1.1 500 ")
        writer.close()


async def served(publisher: FakePublisher, paths: Any = None) -> Running:
    view = own_path(name="pay", family_kind="stripe/payment-event", connection="acme", secrets=(SECRET,))
    webhook = Webhook(paths=paths or {"pay": view}.get)
    return await serve(webhook, publisher, host="127.0.0.1", port=0, clock=lambda: NOW_S, grace_s=1.0)
