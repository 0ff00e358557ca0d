"""What the console asks of a way to sign in."""

from typing import Protocol

from aiohttp import web

from stripeline.deploy.console.auth.identity import Identity


class SignIn(Protocol):
    """A way to sign in: `token` or `proxy`."""

    def identify(self, request: web.Request) -> Identity | None:
        """Who asks, or None for somebody who is not signed in. Never raises for what a client sent."""
        ...

    def routes(self) -> list[web.RouteDef]:
        """The addresses that are served to somebody who is not signed in yet."""
        ...

    def challenge(self, request: web.Request) -> web.StreamResponse:
        """The answer to somebody who is not signed in."""
        ...
