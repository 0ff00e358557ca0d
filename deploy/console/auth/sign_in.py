"""What the console asks of a way to sign in."""

from typing import Protocol

from aiohttp import web

from stripeline.deploy.console.auth.identity import Identity
from stripeline.deploy.console.auth.sign_in_counts import SignInCounts


class SignIn(Protocol):
    """A way to sign in: `token` or `proxy`.

    counts: who was signed in and refused since the start, for the metrics.
    sign_out: where a POST ends the session; None where the console keeps none.
    """

    counts: SignInCounts
    sign_out: str | None

    def identify(self, request: web.Request) -> Identity | None:
        """Who asks, or None for somebody who is not signed in. Never raises for what a client sent."""
        ...

    def routes(self) -> list[web.RouteDef]:
        """The addresses that are served to somebody who is not signed in yet."""
        ...

    def challenge(self, request: web.Request) -> web.StreamResponse:
        """The answer to somebody who is not signed in."""
        ...
