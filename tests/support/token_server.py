"""A token endpoint of OAuth's client credentials grant, with the faults that a real one has."""

import base64
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

CLIENT = "stripeline"
SECRET = "s3cret: of the client"

Answer = tuple[int, Any]


@dataclass
class TokenServer:
    """Gives the token of `token()`. `answers` come first, each once; then every request is judged."""

    token: Callable[[], str]
    lifetime_s: float | str | None = 300
    url: str = ""
    answers: list[Answer] = field(default_factory=list)
    down: bool = False
    requests: list[Mapping[str, str]] = field(default_factory=list)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.requests.append(form)
        if self.answers:
            status, body = self.answers.pop(0)
            headers = {"Location": "http://127.0.0.1:1/elsewhere"} if status == 302 else None
            return web.json_response(body, status=status, headers=headers)
        if self.down:
            return web.json_response({"error": "temporarily_unavailable"}, status=503)
        if request.headers.get("Authorization") != _basic():
            return web.json_response({"error": "invalid_client", "error_description": "unknown client"}, status=401)
        if form.get("grant_type") != "client_credentials":
            return web.json_response({"error": "unsupported_grant_type"}, status=400)
        body = {"access_token": self.token(), "token_type": "Bearer"}
        return web.json_response(body if self.lifetime_s is None else {**body, "expires_in": self.lifetime_s})


def _basic() -> str:
    login = f"{CLIENT}:{SECRET.replace(':', '%3A').replace(' ', '+')}"
    return "Basic " + base64.b64encode(login.encode()).decode()


@asynccontextmanager
async def token_server(
    token: Callable[[], str] = lambda: "t", *, tls: ssl.SSLContext | None = None, **fields: Any
) -> AsyncIterator[TokenServer]:
    found = TokenServer(token, **fields)
    runner = web.ServerRunner(web.Server(found.handle))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    assert site._server is not None
    port = site._server.sockets[0].getsockname()[1]
    found.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}/token"
    try:
        yield found
    finally:
        await runner.cleanup()
