"""Puts the sandbox on HTTP: translates requests and replies, waits, and breaks connections on demand. Decides nothing.

With `webhook_deliveries`, the only module of the sandbox that does I/O or reads the clock. Binds only the given
address, and answers `/_sandbox` to the machine itself alone: the control API has no key, and can read and change
everything.
"""

import asyncio
import ipaddress
import signal
import time
from collections.abc import Awaitable, Callable
from typing import Self

import orjson
from aiohttp import web

from stripeline.deploy.sandbox.api.values import JSON_TYPE, SandboxAnswer, SandboxReply, SandboxRequest
from stripeline.deploy.sandbox.control_api import PREFIX, control
from stripeline.deploy.sandbox.sandbox import Sandbox, Ticket
from stripeline.deploy.sandbox.webhook_deliveries import WebhookDeliveries

SHUTDOWN_S = 2.0
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def make_app(sandbox: Sandbox, deliveries: WebhookDeliveries) -> web.Application:
    app = web.Application(client_max_size=1 << 20)
    app.router.add_route("*", PREFIX, _control_handler(sandbox, deliveries))
    app.router.add_route("*", PREFIX + "/{rest:.*}", _control_handler(sandbox, deliveries))
    app.router.add_route("*", "/{rest:.*}", _stripe_handler(sandbox, deliveries))
    return app


def _control_handler(sandbox: Sandbox, deliveries: WebhookDeliveries) -> Handler:
    async def handle(request: web.Request) -> web.Response:
        if not _is_loopback(request.remote):
            error = "The control API answers on the loopback address only: call it from the sandbox's own host."
            return web.Response(status=403, body=orjson.dumps({"error": error}), content_type=JSON_TYPE)
        call = _call(request, await request.read())
        answer = control(sandbox, call, sandbox.now_ms(_host_ms()))
        deliveries.send(sandbox.webhooks.take(), sandbox.webhooks)
        return web.Response(status=answer.status, body=answer.body, content_type=answer.content_type)

    return handle


def _stripe_handler(sandbox: Sandbox, deliveries: WebhookDeliveries) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        call = _call(request, await request.read())
        ticket = sandbox.arrive(call, sandbox.now_ms(_host_ms()))
        try:
            reply = await _run(sandbox, ticket, deliveries)
        except BaseException:
            sandbox.abandon(ticket)
            raise
        return await _send(request, reply)

    return handle


async def _run(sandbox: Sandbox, ticket: Ticket, deliveries: WebhookDeliveries) -> SandboxReply:
    if ticket.delay_s:
        await asyncio.sleep(ticket.delay_s)
    reply = sandbox.execute(ticket, sandbox.now_ms(_host_ms()))
    deliveries.send(sandbox.webhooks.take(), sandbox.webhooks)  # as at Stripe, an event may overtake the answer
    if reply.delay_s:
        await asyncio.sleep(reply.delay_s)
    sandbox.leave(ticket, reply, sandbox.now_ms(_host_ms()))
    return reply


def _call(request: web.Request, body: bytes) -> SandboxRequest:
    headers = request.headers
    return SandboxRequest(
        method=request.method,
        path=_text(request.path),
        query=request.rel_url.raw_query_string,
        body=body,
        content_type=headers.get("Content-Type", ""),
        authorization=headers.get("Authorization"),
        idempotency_key=_header(request, "Idempotency-Key"),
        stripe_version=_header(request, "Stripe-Version"),
        stripe_account=_header(request, "Stripe-Account"),
        stripe_context=_header(request, "Stripe-Context"),
    )


def _header(request: web.Request, name: str) -> str | None:
    value = request.headers.get(name)
    return None if value is None else _text(value)


def _text(raw: str) -> str:
    """Replaces bytes that are no UTF-8: aiohttp passes them on as lone surrogates, which no JSON can carry."""
    return raw if raw.isascii() else raw.encode(errors="surrogateescape").decode(errors="replace")


async def _send(request: web.Request, reply: SandboxReply) -> web.StreamResponse:
    answer = reply.answer
    headers = {**reply.headers, **answer.headers, "Content-Type": answer.content_type}
    if reply.drop:
        _hang_up(request)
    elif reply.cut_body:
        return await _send_half(request, answer, headers)
    return web.Response(status=answer.status, body=answer.body, headers=headers)


async def _send_half(request: web.Request, answer: SandboxAnswer, headers: dict[str, str]) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, headers=headers)
    response.content_length = len(answer.body)
    await response.prepare(request)
    await response.write(answer.body[: len(answer.body) // 2])
    _hang_up(request)
    return response


def _hang_up(request: web.Request) -> None:
    """Flushes what is written, then closes; aiohttp drops what the handler returns after that."""
    if request.transport is not None:  # None: the client was faster
        request.transport.close()


def _is_loopback(remote: str | None) -> bool:
    try:
        address = ipaddress.ip_address(remote or "")
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _host_ms() -> int:
    return time.time_ns() // 1_000_000


class SandboxServer:
    """The sandbox in this process, on a port of its own: `async with SandboxServer() as server: server.url`."""

    def __init__(
        self, sandbox: Sandbox | None = None, *, host: str = "127.0.0.1", port: int = 0, latency_s: float = 0.0
    ) -> None:
        self.sandbox = sandbox or Sandbox(latency_s=latency_s)
        self._host, self._port = host, port
        self._runner: web.AppRunner | None = None
        self._deliveries = WebhookDeliveries()

    @property
    def url(self) -> str:
        if self._runner is None or not self._runner.addresses:
            raise RuntimeError("The sandbox has no address: it is not started. Await start() first.")
        host, port = self._runner.addresses[0][:2]
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"

    async def start(self) -> Self:
        app = make_app(self.sandbox, self._deliveries)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_S)
        try:
            await self._deliveries.start()
            await self._runner.setup()
            await web.TCPSite(self._runner, self._host, self._port).start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        await self._deliveries.stop()

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.stop()


async def run_foreground(host: str, port: int, *, latency_s: float = 0.0, echo: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    try:
        async with SandboxServer(host=host, port=port, latency_s=latency_s) as server:
            echo(f"Sandbox Stripe at {server.url} (any sk_test_… key); ledger at {server.url}{PREFIX}/ledger")
            await stop.wait()
    finally:
        for name in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(name)
