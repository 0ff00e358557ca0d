"""The receiver over real HTTP, with a publisher that does what the test says."""

import asyncio
import contextlib
import hmac
import logging
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import orjson
import pytest

from stripeline.contracts.deliveries.delivery_vocabulary import NotTakenReason
from stripeline.ingest.delivery_counters import Counters
from stripeline.ingest.http.deadlines import Limits
from stripeline.ingest.http.server import Running, serve
from stripeline.ingest.publish_result import Done, NotTaken, Published
from stripeline.ingest.routing import Publication
from stripeline.ingest.webhook import Spans, Webhook
from stripeline.ingest.webhook_path import PathView
from tests.support.webhook_paths import own_path

NOW_S = 1_790_000_000
SECRET, NEXT = b"whsec_one", b"whsec_two"
CAP = 10_000
TAKEN = Published(partition=0, offset=0)
TRACE = b"00-" + b"1" * 32 + b"-" + b"2" * 16 + b"-01"


class Traced:
    """Spans of deliveries: gives each the same trace."""

    def __init__(self) -> None:
        self.ended: list[tuple[str, ...]] = []

    def begin(self, path: str, received: str | None) -> bytes:
        return TRACE

    def sent(self, trace: bytes, publication: Publication, where: Published) -> None:
        self.ended.append(("sent", publication.topic))

    def not_sent(self, trace: bytes, verdict: str, reason: str) -> None:
        self.ended.append((verdict, reason))


@dataclass
class FakePublisher:
    outcome: Published | NotTaken | Exception = TAKEN
    taken: list[Publication] = field(default_factory=list)
    gate: asyncio.Event | None = None
    entered: asyncio.Event = field(default_factory=asyncio.Event)

    waiting: set["asyncio.Task[None]"] = field(default_factory=set)

    def publish(self, publication: Publication, done: Done) -> None:
        self.entered.set()
        if self.gate is None:
            self._settle(publication, done)
        else:
            self.waiting.add(asyncio.create_task(self._later(publication, done, self.gate)))

    async def _later(self, publication: Publication, done: Done, gate: asyncio.Event) -> None:
        await gate.wait()
        self._settle(publication, done)

    def _settle(self, publication: Publication, done: Done) -> None:
        if isinstance(self.outcome, Exception):
            raise self.outcome
        if isinstance(self.outcome, Published):
            self.taken.append(publication)
        done(self.outcome)


COUNTED: dict[str, Any] = {
    "stripeline_deliveries_total": lambda trigger, verdict, reason: (verdict, trigger, reason),
    "stripeline_connections_closed_total": lambda reason: ("closed", reason),
}


@dataclass
class Receiver:
    running: Running
    publisher: FakePublisher
    counters: Counters
    triggers: dict[str, PathView]
    clock: list[float]
    http: aiohttp.ClientSession

    @property
    def seen(self) -> list[tuple[str, ...]]:
        """What was counted: deliveries as verdict, trigger and reason, and connections that were closed."""
        return [
            labels
            for metric, of in COUNTED.items()
            for found, count in self.counters.of(metric)
            for labels in [of(*found)] * int(count)  # type: ignore[arg-type]
        ]

    async def post(self, body: bytes, *, to: str = "pay", **headers: str) -> tuple[int, Any]:
        sent = {"Content-Type": "application/json; charset=utf-8", "Stripe-Signature": sign(body)}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.http.post(f"/webhooks/{to}", data=body, headers=sent) as answer:
            return answer.status, orjson.loads(await answer.read() or b"null")

    @asynccontextmanager
    async def raw(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.running.port)
        try:
            yield reader, writer
        finally:
            writer.close()

    async def exchange(self, sent: bytes) -> bytes:
        """Everything that comes back until the receiver closes the connection."""
        async with self.raw() as (reader, writer):
            writer.write(sent)
            return await asyncio.wait_for(reader.read(), 10)


def sign(body: bytes, secret: bytes = SECRET, t: int = NOW_S) -> str:
    return f"t={t},v1={hmac.digest(secret, b'%d.%b' % (t, body), 'sha256').hex()}"


def event(**changes: Any) -> bytes:
    made: dict[str, Any] = {
        "id": "evt_1",
        "object": "event",
        "type": "payment_intent.succeeded",
        "created": NOW_S,
        "livemode": False,
        "data": {"object": {"id": "pi_1", "object": "payment_intent"}},
    }
    return orjson.dumps(made | changes)


def head(body: bytes, *, length: int | None = None, more: str = "", path: str = "/webhooks/pay") -> bytes:
    framing = f"Content-Length: {len(body) if length is None else length}\r\n" if length != -1 else ""
    lines = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{framing}{more}"
    return f"{lines}Stripe-Signature: {sign(body)}\r\n\r\n".encode()


LIMITS = Limits(
    head_deadline_s=0.3, body_deadline_s=0.3, write_deadline_s=0.3, max_connections=60, lingering_s=0.1,
    max_held_bytes=20 * CAP, handshake_s=0.0, last_head_s=0.0,
)  # fmt: skip


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with serving() as found:
        yield found


@asynccontextmanager
async def serving(spans: Spans | None = None) -> AsyncIterator[Receiver]:
    publisher, counters, clock = FakePublisher(), Counters(), [float(NOW_S)]
    triggers = {"pay": view(), "silent": view(name="silent", secrets=())}
    webhook = Webhook(paths=triggers.get, counters=counters, spans=spans, max_body=CAP)
    how: dict[str, Any] = {"limits": LIMITS, "grace_s": 1, "clock": lambda: clock[0]}
    async with (
        await serve(webhook, publisher, host="127.0.0.1", port=0, **how) as running,
        aiohttp.ClientSession(f"http://127.0.0.1:{running.port}", auto_decompress=False) as http,
    ):
        yield Receiver(running, publisher, counters, triggers, clock, http)
    for task in publisher.waiting:
        task.cancel()


def view(name: str = "pay", secrets: tuple[bytes, ...] = (SECRET,)) -> PathView:
    return own_path(name=name, family_kind="stripe/payment-event", connection="acme", livemode=False, secrets=secrets)


async def test_a_signed_event_is_published_and_answered_200(receiver: Receiver) -> None:
    assert await receiver.post(event()) == (200, None)
    [record] = receiver.publisher.taken
    assert (record.topic, record.key, record.timestamp_ms) == ("payment-event", b"pi_1", NOW_S * 1000)
    assert receiver.seen == [("published", "pay", "")]


async def test_the_200_is_dated_and_says_nothing_else(receiver: Receiver) -> None:
    body = event()
    async with receiver.raw() as (reader, writer):
        for _ in range(2):
            writer.write(head(body) + body)
            first, length, date, *rest = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            assert (first, length, rest) == ("HTTP/1.1 200 OK", "Content-Length: 0", ["", ""])
            assert abs(parsedate_to_datetime(date.removeprefix("Date: ")).timestamp() - time.time()) < 5


async def test_pipelined_deliveries_are_answered_in_order(receiver: Receiver) -> None:
    good, bad = event(), event(type="no type")
    async with receiver.raw() as (reader, writer):
        writer.write(b"".join(head(body) + body for body in (good, bad, good)))
        answers = [await reader.readuntil(b"\r\n\r\n")]
        refusal = await reader.readuntil(b"\r\n\r\n")
        answers.append(refusal + await reader.readuntil(b"}"))
        answers.append(await reader.readuntil(b"\r\n\r\n"))
    assert [answer.split()[1] for answer in answers] == [b"200", b"400", b"200"]
    assert len(receiver.publisher.taken) == 2


@pytest.mark.parametrize("asked", [("HTTP/1.1", "HTTP/1.0"), ("Host: x", "Host: x\r\nConnection: close")])
async def test_a_connection_that_is_not_kept_ends_after_its_answer(receiver: Receiver, asked: tuple[str, str]) -> None:
    body = event()
    answer = await receiver.exchange(head(body).replace(*(one.encode() for one in asked)) + body)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"\r\nConnection: close\r\n" in answer


async def test_a_client_that_sends_no_more_is_still_answered(receiver: Receiver) -> None:
    receiver.publisher.gate = asyncio.Event()
    async with receiver.raw() as (reader, writer):
        writer.write(head(event()) + event())
        writer.write_eof()
        await receiver.publisher.entered.wait()
        await asyncio.sleep(0.05)  # for the end to come in
        receiver.publisher.gate.set()
        assert (await asyncio.wait_for(reader.read(), 5)).startswith(b"HTTP/1.1 200 ")


async def test_an_answer_to_a_head_ends_after_its_own(receiver: Receiver) -> None:
    answer = await receiver.exchange(b"HEAD /webhooks/pay HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 405 ")
    assert answer.endswith(b"\r\n\r\n")


async def test_another_protocol_is_not_spoken(receiver: Receiver) -> None:
    body = event()
    asked = head(body, more="Connection: Upgrade\r\nUpgrade: websocket\r\n") + body
    assert (await receiver.exchange(asked + b"noise")).startswith(b"HTTP/1.1 200 ")


async def test_800_pipelined_requests_are_answered_in_order(receiver: Receiver) -> None:
    good, bad = event(), event(type="no type")
    turn = head(good) + good + head(bad) + bad
    async with receiver.raw() as (reader, writer):
        writer.write(turn * 400)
        got = await asyncio.wait_for(reader.readuntil(b"HTTP"), 5)
        while got.count(b"HTTP/1.1 ") < 800:
            got += await asyncio.wait_for(reader.read(65_536), 5)
    statuses = [part[:3] for part in got.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [b"200", b"400"] * 400


async def test_no_2xx_before_the_publisher_has_it(receiver: Receiver) -> None:
    receiver.publisher.gate = asyncio.Event()
    post = asyncio.create_task(receiver.post(event()))
    await receiver.publisher.entered.wait()
    assert not post.done()
    receiver.publisher.gate.set()
    assert (await post)[0] == 200


async def test_the_proxys_trace_goes_on_into_the_record(receiver: Receiver) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    await receiver.post(event(), traceparent=trace)
    await receiver.post(event())
    first, second = (dict(record.headers)["traceparent"] for record in receiver.publisher.taken)
    assert first == trace.encode()
    assert second != first


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"type": "invoice.paid"}, "other_family"),
        ({"object": "v2.core.event", "type": "v2.core.event_destination.ping"}, "ping"),
    ],
)
async def test_a_genuine_event_of_no_trigger_is_counted_and_200(
    receiver: Receiver, changes: dict[str, Any], reason: str
) -> None:
    assert await receiver.post(event(**changes)) == (200, None)
    assert receiver.publisher.taken == []
    assert receiver.seen == [("ignored", "pay", reason)]


async def test_a_thin_event_is_400_and_says_what_to_do(receiver: Receiver) -> None:
    status, body = await receiver.post(event(object="v2.core.event", type="v1.charge.failed"))
    assert status == 400
    assert "create an event destination with this URL and the payload style Snapshot" in body["error"]
    assert receiver.seen == [("refused", "pay", "thin_event")]


@pytest.mark.parametrize(
    "signature",
    [
        "",
        "junk",
        f"t={NOW_S},v0=abc",
        sign(event(), b"whsec_wrong"),
        sign(event() + b" "),
        sign(event(), t=NOW_S - 301),
        sign(event(), t=NOW_S + 600),
        f"t={NOW_S}" + ",v1=abc" * 1000,
        f"t={NOW_S},v1=\u00e9\u20ac",
    ],
    ids=["empty", "junk", "v0", "secret", "body", "old", "future", "many", "non-ascii"],
)
async def test_what_is_not_stripes_is_refused_in_one_wording(receiver: Receiver, signature: str) -> None:
    status, body = await receiver.post(event(), Stripe_Signature=signature)
    assert status == 400
    assert body == {
        "error": "the signature is not valid: check this trigger's signing secret "
        "(whsec_…, not the API key) and the clock"
    }
    assert receiver.publisher.taken == []


async def test_raw_bytes_in_the_signature_are_a_refusal(receiver: Receiver) -> None:
    sent = head(event()).replace(b"v1=", b"v1=\xff\xfe", 1).replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    assert (await receiver.exchange(sent + event())).startswith(b"HTTP/1.1 400 ")


async def test_a_future_time_is_counted_as_clock_skew(receiver: Receiver) -> None:
    await receiver.post(event(), Stripe_Signature=sign(event(), t=NOW_S + 600))
    assert list(receiver.counters.of("stripeline_delivery_clock_skew_seconds")) == [(("pay",), -600)]


async def test_a_missing_and_a_second_signature_are_refused(receiver: Receiver) -> None:
    body, close = event(), b"Connection: close\r\n"
    once = head(body).removesuffix(b"\r\n") + close + b"\r\n"
    without = b"\r\n".join(line for line in once.split(b"\r\n") if not line.startswith(b"Stripe-Signature"))
    twice = once.removesuffix(b"\r\n") + f"Stripe-Signature: {sign(body)}\r\n\r\n".encode()
    assert (await receiver.exchange(once + body)).startswith(b"HTTP/1.1 200 ")
    assert (await receiver.exchange(without + body)).startswith(b"HTTP/1.1 400 ")
    assert (await receiver.exchange(twice + body)).startswith(b"HTTP/1.1 400 ")
    assert ("refused", "pay", "two_signatures") in receiver.seen


async def test_secrets_roll_without_a_restart(receiver: Receiver) -> None:
    new = sign(event(), NEXT)
    assert (await receiver.post(event(), Stripe_Signature=new))[0] == 400
    receiver.triggers["pay"] = view(secrets=(SECRET, NEXT))
    assert [(await receiver.post(event(), Stripe_Signature=one))[0] for one in (sign(event()), new)] == [200, 200]
    receiver.triggers["pay"] = view(secrets=(NEXT,))
    assert [(await receiver.post(event(), Stripe_Signature=one))[0] for one in (sign(event()), new)] == [400, 200]


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"1", b'"x"', b"not json", event()[:-1], b"[" * 5000, event(livemode=True)]
)
async def test_a_signed_body_that_is_no_event_of_this_trigger_is_400(receiver: Receiver, body: bytes) -> None:
    status, answer = await receiver.post(body)
    assert status == 400
    assert set(answer) == {"error"}
    assert receiver.publisher.taken == []


async def test_an_answer_holds_nothing_of_the_request(receiver: Receiver) -> None:
    _, answer = await receiver.post(event(id="hunter2 hunter2"), traceparent="hunter2")
    assert "hunter2" not in str(answer)


@pytest.mark.parametrize("path", ["/", "/webhooks", "/webhooks/", "/webhooks/pay//", "/webhooks/pay/x", "/healthz"])
async def test_other_paths_are_404(receiver: Receiver, path: str) -> None:
    async with receiver.http.post(path, data=event()) as answer:
        assert answer.status == 404


async def test_an_unknown_trigger_is_404_and_no_label(receiver: Receiver) -> None:
    assert (await receiver.post(event(), to="nobody"))[0] == 404
    assert receiver.seen == [("refused", "", "unknown_trigger")]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS", "PATCH"])
async def test_other_methods_are_405(receiver: Receiver, method: str) -> None:
    async with receiver.http.request(method, "/webhooks/pay") as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "POST")


@pytest.mark.parametrize(
    "headers",
    [
        {"Content_Encoding": "gzip"},
        {"Content_Encoding": "identity, br"},
        {"Content_Type": "text/plain"},
        {"Content_Type": "application/x-www-form-urlencoded"},
    ],
)
async def test_other_forms_are_415(receiver: Receiver, headers: dict[str, str]) -> None:
    assert (await receiver.post(event(), **headers))[0] == 415


@pytest.mark.parametrize("value", ["identity", "Identity", "identity, identity", ""])
async def test_content_encoding_identity_changes_nothing(receiver: Receiver, value: str) -> None:
    assert (await receiver.post(event(), Content_Encoding=value))[0] == 200


async def test_a_trailing_slash_is_200_and_no_redirect(receiver: Receiver) -> None:
    assert (await receiver.post(event(), to="pay/"))[0] == 200
    assert receiver.seen == [("published", "pay", "")]


async def test_a_trigger_without_a_secret_answers_503(receiver: Receiver) -> None:
    assert (await receiver.post(event(), to="silent"))[0] == 503
    assert receiver.seen == [("not_taken", "silent", "no_secret")]


@pytest.mark.parametrize("reason", [one for one in NotTakenReason if one is not NotTakenReason.TOO_LARGE])
async def test_what_kafka_did_not_take_is_503_with_retry_after(receiver: Receiver, reason: NotTakenReason) -> None:
    receiver.publisher.outcome = NotTaken(reason)
    async with receiver.http.post(
        "/webhooks/pay",
        data=event(),
        headers={"Content-Type": "application/json", "Stripe-Signature": sign(event())},
    ) as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
        assert set(await answer.json()) == {"error"}
    assert receiver.seen == [("not_taken", "pay", reason)]


async def test_what_never_fits_a_record_is_413(receiver: Receiver) -> None:
    receiver.publisher.outcome = NotTaken(NotTakenReason.TOO_LARGE)
    assert (await receiver.post(event()))[0] == 413


async def test_an_error_of_our_own_is_500_and_shows_nothing(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.publisher.outcome = RuntimeError("hunter2")
    answers = [await receiver.post(event()) for _ in range(3)]
    assert answers == [(500, {"error": "the receiver failed, send it again"})] * 3
    assert len(caplog.records) == 1
    assert "RuntimeError" in caplog.text
    assert "hunter2" not in caplog.text


async def test_a_second_word_on_a_delivery_answers_no_other_request(receiver: Receiver) -> None:
    told: list[Done] = []
    receiver.publisher.publish = lambda publication, done: told.append(done)  # type: ignore[method-assign]
    async with receiver.raw() as (reader, writer):
        writer.write((head(event()) + event()) * 2)
        await eventually(lambda: told)
        told[0](TAKEN)
        assert (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)).startswith(b"HTTP/1.1 200 ")
        await eventually(lambda: len(told) == 2)
        told[0](TAKEN)
        told[1](NotTaken(NotTakenReason.LATE))
        assert (await asyncio.wait_for(reader.readuntil(b"}"), 5)).startswith(b"HTTP/1.1 503 ")


def padded(size: int) -> bytes:
    spare = size - len(event(pad=""))
    return event(pad="x" * spare)


async def test_a_body_of_the_cap_passes_and_one_byte_more_is_413(receiver: Receiver) -> None:
    assert len(padded(CAP)) == CAP
    assert (await receiver.post(padded(CAP)))[0] == 200
    assert (await receiver.post(padded(CAP + 1)))[0] == 413


async def test_a_declared_length_above_the_cap_is_413_unread(receiver: Receiver) -> None:
    assert (await receiver.exchange(head(b"", length=100_000_000))).startswith(b"HTTP/1.1 413 ")


async def test_chunks_are_read_up_to_the_cap_only(receiver: Receiver) -> None:
    chunked = head(b"", length=-1, more="Transfer-Encoding: chunked\r\n")
    chunk = b"1000\r\n" + b"x" * 0x1000 + b"\r\n"
    assert (await receiver.exchange(chunked + chunk * 200)).startswith(b"HTTP/1.1 413 ")


async def test_a_chunked_event_passes(receiver: Receiver) -> None:
    body = event()
    sent = head(body, length=-1, more="Transfer-Encoding: chunked\r\nConnection: close\r\n")
    assert (await receiver.exchange(sent + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))).startswith(b"HTTP/1.1 200 ")


async def test_very_many_chunks_of_a_byte_pass(receiver: Receiver) -> None:
    body = padded(CAP)
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    sent = head(body, length=-1, more="Transfer-Encoding: chunked\r\nConnection: close\r\n")
    assert (await receiver.exchange(sent + chunks)).startswith(b"HTTP/1.1 200 ")


async def test_a_body_in_pieces_passes(receiver: Receiver) -> None:
    body = event()
    async with receiver.raw() as (reader, writer):
        for piece in (head(body), body[:10], body[10:50], body[50:]):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        assert (await asyncio.wait_for(reader.readline(), 5)).startswith(b"HTTP/1.1 200 ")


async def test_a_client_that_asks_first_is_told_to_go_on(receiver: Receiver) -> None:
    body = event()
    async with receiver.raw() as (reader, writer):
        writer.write(head(body, more="Expect: 100-continue\r\n"))
        assert await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5) == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(body)
        assert (await asyncio.wait_for(reader.readline(), 5)).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "framing",
    [
        "Transfer-Encoding: chunked\r\n",
        "Content-Length: 5\r\n",
        "Content-Length: x\r\n",
        "Bad Header: 1\r\n",
        f"X-Long: {'x' * 9000}\r\n",
    ],
)
async def test_what_is_no_http_is_400_and_one_line_without_a_trace(
    receiver: Receiver, framing: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    answer = await receiver.exchange(head(event(), more=framing) + event())
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.endswith(b'{"error":"the request is not HTTP"}')
    assert reasons(caplog) == ["not_http"]
    assert receiver.seen == [("closed", "not_http")]
    assert receiver.publisher.taken == []


async def test_broken_chunks_are_refused_by_the_deadline(receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    chunked = head(b"", length=-1, more="Transfer-Encoding: chunked\r\n")
    async with receiver.raw() as (reader, writer):
        writer.write(chunked + b"5\r\nhello\r\n")
        await writer.drain()
        await asyncio.sleep(0.05)  # nothing shows that a body's first part was read
        writer.write(b"not a length\r\n")
        assert (await asyncio.wait_for(reader.read(), 5)).startswith(b"HTTP/1.1 408 ")
    assert receiver.publisher.taken == []
    assert reasons(caplog) == ["slow_body"]


def reasons(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The reasons of the refusals' lines; there is no other line, and no traceback."""
    found = [re.fullmatch(r"event=\S+ .*?reason=<[^:]*: '(\w+)'> .*", one.getMessage()) for one in caplog.records]
    assert all(one.exc_info is None for one in caplog.records)
    return [one[1] if one else "" for one in found]


async def eventually(check: Any) -> None:
    async with asyncio.timeout(5):
        while not check():  # noqa: ASYNC110  the receiver sets no event for a test
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("sent", [head(event()) + event()[:10], head(event())])
async def test_a_client_that_leaves_in_the_middle_is_one_line(
    receiver: Receiver, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with receiver.raw() as (_, writer):
        writer.write(sent)
        await writer.drain()
        await asyncio.sleep(0.05)  # nothing shows that a body's first part was read
    await eventually(lambda: receiver.seen)
    assert receiver.seen == [("refused", "pay", "cut_off")]
    assert reasons(caplog) == ["cut_off"]
    assert receiver.publisher.taken == []


async def test_a_client_that_leaves_early_stops_no_publication(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.publisher.gate = asyncio.Event()
    async with receiver.raw() as (_, writer):
        writer.write(head(event()) + event())
        await receiver.publisher.entered.wait()
    await eventually(lambda: all(one.half_closed for one in receiver.running._receiver.connections))
    receiver.publisher.gate.set()
    await eventually(lambda: receiver.publisher.taken and receiver.running.connections == 0)
    assert caplog.records == []


async def test_a_body_that_stalls_is_408_within_the_deadline(receiver: Receiver) -> None:
    answer = await receiver.exchange(head(event()) + event()[:10])
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert receiver.seen == [("refused", "pay", "slow_body")]


@pytest.mark.parametrize(
    "sent", [b"", b"POST /webh", b"POST /webhooks/pay HTTP/1.1\r\nHost: x\r\n"], ids=["nothing", "line", "headers"]
)
async def test_a_head_that_stalls_is_closed_by_our_deadline(receiver: Receiver, sent: bytes) -> None:
    assert await receiver.exchange(sent) == b""
    assert receiver.seen == [("closed", "stalled")]


async def test_a_head_that_trickles_is_closed_all_the_same(receiver: Receiver) -> None:
    async with receiver.raw() as (reader, writer):
        closed = asyncio.create_task(reader.read())
        for byte in head(event()) * 10:
            writer.write(bytes([byte]))
            await asyncio.wait((closed,), timeout=0.02)
            if closed.done():
                break
        # A byte that is under way while the other side closes is answered with a reset.
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.wait_for(closed, 1) == b""
    assert receiver.seen == [("closed", "stalled")]


async def test_an_idle_connection_outlives_the_head_deadline(receiver: Receiver) -> None:
    body = event()
    async with receiver.raw() as (reader, writer):
        writer.write(head(body) + body)
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(LIMITS.head_deadline_s * 2)  # how long it is idle is the case
        writer.write(head(body) + body)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        writer.write(b"POST /webhooks")
        assert await asyncio.wait_for(reader.read(), 5) == b""


async def test_an_idle_connection_is_closed_in_the_end() -> None:
    limits = Limits(keepalive_s=0.1)
    async with await serve(
        Webhook(paths={}.get), FakePublisher(), host="127.0.0.1", port=0, limits=limits, grace_s=1
    ) as running:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await asyncio.wait_for(reader.read(), 5)).startswith(b"HTTP/1.1 404 ")
        writer.close()


async def test_a_refused_client_that_goes_on_sending_is_cut_off(receiver: Receiver) -> None:
    async with receiver.raw() as (reader, writer):
        writer.write(head(b"", length=100_000_000))
        assert (await asyncio.wait_for(reader.read(), 5)).startswith(b"HTTP/1.1 413 ")
        async with asyncio.timeout(5):
            while not writer.is_closing():
                writer.write(b"x" * 1_000)
                with contextlib.suppress(ConnectionError):
                    await writer.drain()
                await asyncio.sleep(0.01)


async def test_a_slow_publication_is_no_stalled_head(receiver: Receiver) -> None:
    receiver.publisher.gate = asyncio.Event()
    post = asyncio.create_task(receiver.post(event()))
    await asyncio.sleep(LIMITS.head_deadline_s * 2)  # how slow it is is the case
    receiver.publisher.gate.set()
    assert (await post)[0] == 200


async def test_stalled_clients_do_not_keep_others_out(receiver: Receiver) -> None:
    stalled = [await asyncio.open_connection("127.0.0.1", receiver.running.port) for _ in range(40)]
    for number, (_, writer) in enumerate(stalled):
        writer.write(b"POST /w" if number % 2 else head(event()) + event()[:5])
    statuses = [(await asyncio.wait_for(receiver.post(event()), 1))[0] for _ in range(20)]
    assert statuses == [200] * 20
    await asyncio.wait_for(asyncio.gather(*(reader.read() for reader, _ in stalled)), 5)
    for _, writer in stalled:
        writer.close()


async def test_connections_above_the_cap_are_closed_at_once(receiver: Receiver) -> None:
    # At once: one that is idle for 0.3 s is closed too.
    opened = await asyncio.gather(*(asyncio.open_connection("127.0.0.1", receiver.running.port) for _ in range(61)))
    await eventually(lambda: ("closed", "too_many") in receiver.seen)
    for _, writer in opened:
        writer.close()
    await eventually(lambda: receiver.running.connections == 0)
    assert (await receiver.post(event()))[0] == 200


async def test_bodies_that_arrive_are_bounded_together(receiver: Receiver) -> None:
    part = b"x" * (CAP - 1)
    async with asyncio.timeout(10):
        writers = []
        for _ in range(25):
            _, writer = await asyncio.open_connection("127.0.0.1", receiver.running.port)
            writer.write(head(part, length=CAP) + part)
            writers.append(writer)
        await eventually(lambda: ("not_taken", "pay", "busy") in receiver.seen)
        for writer in writers:
            writer.close()


async def refused(port: int) -> None:
    """Wait until nobody listens any more."""
    async with asyncio.timeout(5):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                return
            writer.close()


async def test_stopping_lets_a_delivery_end_and_takes_no_more(receiver: Receiver) -> None:
    receiver.publisher.gate = asyncio.Event()
    post = asyncio.create_task(receiver.post(event()))
    await receiver.publisher.entered.wait()
    stopping = asyncio.create_task(receiver.running.stop())
    await refused(receiver.running.port)
    receiver.publisher.gate.set()
    assert (await post)[0] == 200
    await asyncio.wait_for(stopping, 5)


async def test_stopping_lets_a_body_that_is_under_way_arrive(receiver: Receiver) -> None:
    body = event()
    async with receiver.raw() as (reader, writer), receiver.raw() as (idle, _):
        writer.write(head(body, more="Expect: 100-continue\r\n"))
        await reader.readuntil(b"\r\n\r\n")
        stopping = asyncio.create_task(receiver.running.stop())
        assert await asyncio.wait_for(idle.read(), 5) == b""
        writer.write(body)
        answer = await asyncio.wait_for(reader.read(), 5)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"Connection: close" in answer
    await asyncio.wait_for(stopping, 5)


async def test_stopping_ends_though_a_delivery_does_not(receiver: Receiver) -> None:
    receiver.publisher.gate = asyncio.Event()
    post = asyncio.create_task(receiver.post(event()))
    await receiver.publisher.entered.wait()
    async with asyncio.timeout(4):
        await receiver.running.stop()
    with pytest.raises(aiohttp.ClientError):
        await post
    assert receiver.publisher.taken == []


async def test_each_signature_counts_by_its_secrets_place(receiver: Receiver) -> None:
    receiver.triggers["pay"] = view(secrets=(NEXT, SECRET))
    assert (await receiver.post(event()))[0] == 200
    assert list(receiver.counters.of("stripeline_signatures_total")) == [(("pay", "1"), 1)]


async def test_a_verified_delivery_has_one_span_and_its_trace() -> None:
    spans = Traced()
    async with serving(spans) as receiver:
        assert (await receiver.post(event()))[0] == 200
        assert dict(receiver.publisher.taken[-1].headers)["traceparent"] == TRACE
        assert (await receiver.post(event(type="invoice.paid")))[0] == 200
        assert (await receiver.post(b"{}"))[0] == 400
        assert (await receiver.post(event(), Stripe_Signature="junk"))[0] == 400
    assert spans.ended == [("sent", "payment-event"), ("ignored", "other_family"), ("refused", "not_an_event")]


@pytest.mark.parametrize("deliveries", [1, 3])
async def test_garbage_behind_a_delivery_refuses_only_itself(receiver: Receiver, deliveries: int) -> None:
    body = event()
    answer = await receiver.exchange((head(body) + body) * deliveries + b"garbage\r\n\r\n")
    statuses = [part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [b"200"] * deliveries + [b"400"]
    assert len(receiver.publisher.taken) == deliveries
    assert ("closed", "not_http") in receiver.seen


async def test_garbage_while_kafka_is_asked_comes_second(receiver: Receiver) -> None:
    receiver.publisher.gate = asyncio.Event()
    async with receiver.raw() as (reader, writer):
        writer.write(head(event()) + event())
        await receiver.publisher.entered.wait()
        writer.write(head(event()) + event() + b"\x00")
        await asyncio.sleep(0.05)  # for the garbage to come in
        receiver.publisher.gate.set()
        answer = await asyncio.wait_for(reader.read(), 5)
    assert [part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]] == [b"200", b"200", b"400"]
