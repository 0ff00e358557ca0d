"""The sample's console with a real way to sign in, over HTTP, for tests of who is let in."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import ClientResponse, CookieJar, web
from aiohttp.test_utils import TestClient, TestServer

from stripeline.deploy.console.auth.one_time_link import OneTimeLinks
from stripeline.deploy.console.auth.sign_in import SignIn
from stripeline.deploy.console.auth.sign_in_choice import sign_in_of
from stripeline.deploy.console.console_app import console_app
from stripeline.deploy.settings.settings import Settings
from tests.support.console_pages import console_pages

OURS = {"Sec-Fetch-Site": "same-origin"}
SECRET = "a-secret-of-the-proxy-0123"
PROXY = {
    "console_auth": "proxy",
    "console_trusted_proxies": "127.0.0.1",
    "console_proxy_secret": SECRET,
    "console_roles": "operator=ops,reader=support,viewer=*",
}
Client = TestClient[web.Request, web.Application]


def console_settings(**given: Any) -> Settings:
    """Settings of these values alone: not of the environment or a `.env`."""
    return Settings(
        _env_file=None,
        **{f"STRIPELINE_{name.upper()}": value for name, value in given.items()},
    )


@asynccontextmanager
async def signed_console(
    folder: Path, links: OneTimeLinks | None = None, **settings: Any
) -> AsyncIterator[tuple[Client, SignIn]]:
    """A console with these settings. The client keeps no cookie: each request carries its own."""
    async with console_pages(folder) as pages:
        sign_in = await sign_in_of(console_settings(**settings), pages.sources.index, links)
        async with TestClient(TestServer(console_app(pages.sources, sign_in)), cookie_jar=CookieJar()) as client:
            yield client, sign_in


async def sign_in(client: Client, token: str, **form: str) -> ClientResponse:
    return await client.post("/sign-in", data={"token": token, **form}, headers=OURS, allow_redirects=False)


def cookie_of(response: ClientResponse) -> dict[str, str]:
    """What a browser sends after this answer."""
    return {"Cookie": response.headers["Set-Cookie"].split(";")[0]}
