"""One call against servers that break: bounded in time, an outcome whatever happens, and no secret in what is kept."""

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import AsyncIterator, Callable

import pytest
import structlog
from aiohttp import web
from pydantic import SecretStr
from structlog.testing import capture_logs

from stripeline.contracts.errors import BESIDE_THE_CARD, CARD, FAULTS, Meaning
from stripeline.contracts.retry_tiers import tier_for
from stripeline.contracts.vocabulary import Code, Fault
from stripeline.deploy.sandbox.faults import FaultRule, InjectedFault, Match
from stripeline.deploy.sandbox.http_server import SandboxServer
from stripeline.workers.executor.stripe_answer import Failed, NoKey, Succeeded, classify
from stripeline.workers.stripe.api import MAX_BODY_BYTES, StripeApi
from tests.support.in_memory_executor import ACTIONS, INTENT, KEY, TOPICS, InMemoryExecutor, call_of
from tests.support.records import command

CUSTOMERS = ACTIONS["stripe/create-customer"]
CUSTOMER = b'{"id":"cus_1","object":"customer","email":null,"name":null,"created":1}'
ANSWER = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n%s"


def answer(body: bytes, status: bytes = b"200 OK", extra: bytes = b"") -> bytes:
    return ANSWER % (status, len(body), extra, body)


@contextlib.asynccontextmanager
async def broken(sent: bytes | None, *, hold: bool = False, reads: bool = True) -> AsyncIterator[str]:
    """A server that reads a request's head, sends these bytes, and closes; `hold` keeps the connection open."""
    stop, connections = asyncio.Event(), {}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections[asyncio.current_task()] = writer
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            if reads:
                await reader.readuntil(b"\r\n\r\n")
            if sent:
                writer.write(sent)
                await writer.drain()
            if hold:
                await stop.wait()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        stop.set()
        for writer in connections.values():
            writer.transport.abort()
        await asyncio.gather(*connections)


async def call(url: str, value: dict | None = None, *, deadline_s: float = 5.0, key: str = KEY):
    async with StripeApi(url, lambda _: SecretStr(key), deadline_s=deadline_s) as api:
        made = call_of(value or command())
        return classify(made.action, await api.send(made))


def is_fault(outcome, fault: Fault) -> None:
    meaning = FAULTS[fault]
    assert isinstance(outcome, Failed)
    assert (outcome.retryable, outcome.unknown, outcome.decisive) == (True, meaning.effect_possible, meaning.decisive)
    assert outcome.error["code"] == Code.PROVIDER_ERROR


@pytest.fixture
async def server() -> AsyncIterator[SandboxServer]:
    async with SandboxServer() as server:
        yield server


@pytest.fixture
async def api(server: SandboxServer) -> AsyncIterator[StripeApi]:
    async with StripeApi(server.url, lambda _: SecretStr(KEY)) as api:
        yield api


@pytest.fixture
def world(api: StripeApi, server: SandboxServer) -> InMemoryExecutor:
    return InMemoryExecutor(api.send, server.sandbox)


BROKEN = {
    "closed without an answer": b"",
    "no HTTP": b"SSH-2.0-nonsense\r\n\r\n",
    "a status line alone": b"HTTP/1.1 200 OK\r\n",
    "a cut head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "a cut body": answer(CUSTOMER)[:-5],
    "a cut chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n47\r\n" + CUSTOMER,
    "a lying encoding": answer(CUSTOMER, extra=b"Content-Encoding: gzip\r\n"),
    "a head without end": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000,
}


@pytest.mark.parametrize("sent", BROKEN.values(), ids=BROKEN)
async def test_an_answer_that_is_cut_or_no_http_is_a_lost_one(sent):
    async with broken(sent) as url:
        is_fault(await call(url), Fault.LOST)


UNREADABLE = {
    "html": answer(b"<html><body>Welcome</body></html>"),
    "nothing": answer(b""),
    "a list": answer(b"[]"),
    "another object": answer(b'{"id":"ch_1","object":"charge"}'),
    "too large": answer(b'{"id":"' + b"x" * MAX_BODY_BYTES + b'"}'),
    "too large, without a length": b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b" " * (MAX_BODY_BYTES + 1),
    "204": b"HTTP/1.1 204 No Content\r\n\r\n",
}


@pytest.mark.parametrize("sent", UNREADABLE.values(), ids=UNREADABLE)
async def test_a_success_that_is_not_the_object_is_retried(sent):
    async with broken(sent) as url:
        is_fault(await call(url), Fault.UNREADABLE)


async def test_a_body_of_just_the_limit_is_read():
    async with broken(answer(CUSTOMER + b" " * (MAX_BODY_BYTES - len(CUSTOMER)))) as url:
        assert isinstance(await call(url), Succeeded)


@pytest.mark.parametrize("status", [b"301 M", b"302 F", b"303 S", b"307 T", b"308 P"])
async def test_a_redirect_is_never_followed_with_the_key(server: SandboxServer, status):
    target = b"Location: " + server.url.encode() + b"/v1/customers\r\n"
    async with broken(answer(b"", status, target)) as url:
        outcome = await call(url)
    assert (outcome.retryable, outcome.unknown, outcome.error["http_status"]) == (True, True, int(status[:3]))
    assert server.sandbox.endpoints.ledger.recent(10) == []


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.mark.parametrize("base", ["http://127.0.0.1:{}", "http://nobody.invalid:{}", "https://nobody.invalid"])
async def test_without_a_connection_nothing_was_sent(base):
    start = time.monotonic()
    is_fault(await call(base.format(free_port())), Fault.REFUSED)
    assert time.monotonic() - start < 5


async def test_a_server_that_does_not_speak_tls_never_sees_the_key():
    for sent in (answer(CUSTOMER), b""):
        async with broken(sent, reads=False) as url:
            is_fault(await call(url.replace("http:", "https:"), deadline_s=2), Fault.REFUSED)


STALLS = {
    "no answer": None,
    "half a head": b"HTTP/1.1 200 OK\r\n",
    "half a body": answer(CUSTOMER)[:-5],
    "100 for ever": b"HTTP/1.1 100 Continue\r\n\r\n",
}


@pytest.mark.parametrize("sent", STALLS.values(), ids=STALLS)
async def test_a_server_that_stalls_is_given_up_within_the_deadline(sent):
    async with broken(sent, hold=True) as url:
        start = time.monotonic()
        is_fault(await call(url, deadline_s=0.2), Fault.LOST)
        assert 0.15 < time.monotonic() - start < 1


async def test_a_slow_drip_does_not_stretch_the_deadline():
    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for byte in CUSTOMER:
            await response.write(bytes([byte]))
            await asyncio.sleep(0.05)
        return response

    app = web.Application()
    app.router.add_post("/v1/customers", handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    start = time.monotonic()
    is_fault(await call("http://{}:{}".format(*runner.addresses[0][:2]), deadline_s=0.3), Fault.LOST)
    assert time.monotonic() - start < 1
    await runner.cleanup()


async def test_a_stalled_call_holds_up_no_other():
    async with (
        broken(None, hold=True) as url,
        SandboxServer() as sandbox,
        StripeApi(url, lambda _: SecretStr(KEY), deadline_s=1.0) as slow,
    ):
        stalled = [asyncio.create_task(slow.send(call_of(command()))) for _ in range(50)]
        assert isinstance(await call(sandbox.url), Succeeded)
        assert not any(task.done() for task in stalled)
        for task in stalled:
            assert await task is Fault.LOST


STATUSES: dict[int, Meaning] = {
    **{status: CARD[status] for status in (400, 401, 402, 404, 409, 429, 500)},
    **{status: BESIDE_THE_CARD[status] for status in (403, 408, 424, 425, 502, 503, 504)},
    418: Meaning(code=Code.VALIDATION_ERROR, retryable=False),
    451: Meaning(code=Code.VALIDATION_ERROR, retryable=False),
    501: Meaning(code=Code.PROVIDER_ERROR, retryable=True, effect_possible=True),
    599: Meaning(code=Code.PROVIDER_ERROR, retryable=True, effect_possible=True),
}


@pytest.mark.parametrize(("status", "meaning"), STATUSES.items(), ids=STATUSES)
@pytest.mark.parametrize("told", [None, "true", "false"])
async def test_each_status_follows_the_table_or_stripes_advice(world, status, meaning, told):
    headers = {} if told is None else {"Stripe-Should-Retry": told}
    world.fault(status=status, headers=headers)
    outcome = await world.outcome(call_of(command(**INTENT)))
    assert (outcome.error["code"], outcome.error["http_status"]) == (meaning.code, status)
    assert outcome.retryable == {None: meaning.retryable, "true": True, "false": False}[told]
    assert outcome.unknown == meaning.effect_possible
    assert outcome.error["request_id"].startswith("req_")


# https://docs.stripe.com/rate-limits documents no Retry-After; what is in front of Stripe may send one.
WAITS = {"0": 0, "3": 3_000, "30": 30_000, "1000000000": 86_400_000, "abc": 0, "-5": 0, "1.5": 0, "": 0,
         "9" * 4_000: 86_400_000, "Wed, 21 Oct 2065 07:28:00 GMT": 0}  # fmt: skip


@pytest.mark.parametrize(("text", "wait_ms"), WAITS.items(), ids=[text[:12] for text in WAITS])
async def test_retry_after_is_honoured_within_the_tiers(world: InMemoryExecutor, text, wait_ms):
    world.fault(status=429, headers={"Retry-After": text, "Stripe-Rate-Limited-Reason": "global-rate"})
    outcome = await world.outcome(call_of(command()))
    assert (outcome.error["code"], outcome.retry_after_ms) == (Code.RATE_LIMITED, wait_ms)
    world.fault(status=429, headers={"Retry-After": text})
    world.send(command())
    start_ms = world.now_ms
    await world.run()
    tier = tier_for(TOPICS.tiers, attempt=1, at_least_ms=wait_ms)
    assert tier.delay_ms <= world.now_ms - start_ms < tier.delay_ms + 5_000
    assert (world.only_result()["status"], len(world.effects)) == ("succeeded", 1)


async def test_no_key_and_no_client_secret_in_errors_or_logs(world: InMemoryExecutor, caplog):
    """A decline's answer embeds the PaymentIntent, with its client_secret."""
    caplog.set_level(logging.DEBUG)
    with capture_logs() as logs:
        world.sandbox.faults.add(FaultRule(match=Match(), fault=InjectedFault(status=402, stored=True)))
        world.send(command("c1", **INTENT))
        for number, fault in enumerate(({"drop": True}, {"cut_body": True, "when": "after"}, {"status": 401}), start=2):
            world.fault(**fault)
            world.send(command(f"c{number}", **INTENT))
        await world.run()
        failed = await call("http://127.0.0.1:9", key=KEY)
        unopened = await call("http://127.0.0.1:9", key="sk_test_new\r\nline: " + KEY)
    errors = [result["error"] for result in world.results]
    assert [error and error["code"] for error in errors].count("PAYMENT_REQUIRED") == 1
    assert {"call_lost"} <= {entry["event"] for entry in logs}
    shown = repr((logs, caplog.text, caplog.records, errors, world.dead, failed, unopened, world.calls))
    assert KEY not in shown
    assert "_secret_" not in shown


async def test_a_broken_call_is_logged_without_the_key(server: SandboxServer, capsys):
    """The traceback is printed as the processes print it: with the message of the error, without local variables."""
    before = structlog.get_config()
    structlog.configure(
        processors=[structlog.processors.format_exc_info, structlog.processors.JSONRenderer()],
        logger_factory=structlog.PrintLoggerFactory(),
    )
    try:
        outcome = await call(server.url, key="sk_test_new\r\nline: " + KEY)
    finally:
        structlog.configure(**before)
    is_fault(outcome, Fault.REFUSED)  # nothing was sent
    printed = capsys.readouterr().out
    assert "call_broken" in printed
    assert KEY not in printed


async def test_a_connection_whose_key_cannot_be_opened_makes_no_call(server: SandboxServer):
    async with StripeApi(server.url, lambda _: None) as api:
        assert await api.send(call_of(command())) == NoKey(connection="acme")
    assert server.sandbox.endpoints.ledger.recent(10) == []


async def test_a_cancelled_call_is_cancelled(server: SandboxServer):
    async with broken(None, hold=True) as url, StripeApi(url, lambda _: SecretStr(KEY)) as api:
        task: asyncio.Task = asyncio.create_task(api.send(call_of(command())))
        await until(lambda: bool(api._http._connector._open))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0)
