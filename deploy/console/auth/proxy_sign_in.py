"""Lets people in whom a proxy has signed in. The console keeps no session: each request is judged by itself."""

import time
from typing import Final

import structlog
from aiohttp import web

from stripeline.contracts.operator.operator_vocabulary import SignInRefusal
from stripeline.contracts.vocabulary import LogEvent
from stripeline.deploy.console.auth.identity import Identity
from stripeline.deploy.console.auth.proxy_headers import ProxyRules, proxied
from stripeline.deploy.console.auth.sign_in_counts import SignInCounts
from stripeline.deploy.console.auth.sign_in_limit import SignInLimit
from stripeline.deploy.console.auth.sign_in_page import challenge_page, peer_of, too_many

_WORDS: Final = {
    SignInRefusal.UNTRUSTED_PEER: "This request did not come through the proxy that signs people in. Use its address.",
    SignInRefusal.WRONG_SECRET: "The proxy did not prove itself. Its administrator finds the reason in the log.",
    SignInRefusal.BAD_USER: "The proxy did not name one user. Its administrator finds the reason in the log.",
    SignInRefusal.NO_ROLE: "None of your groups has a role here. Ask the operators for one.",
}
log = structlog.get_logger(__name__)


class ProxySignIn:
    """rules: whom to believe."""

    def __init__(self, rules: ProxyRules) -> None:
        self.counts = SignInCounts()
        self.sign_out: str | None = None  # the proxy's own address ends its session
        self._rules, self._limit = rules, SignInLimit()

    def identify(self, request: web.Request) -> Identity | None:
        found = self._found(request)
        return found if isinstance(found, Identity) else None

    def routes(self) -> list[web.RouteDef]:
        return []

    def challenge(self, request: web.Request) -> web.StreamResponse:
        """Counts and logs too: it is what a refused request gets. A right secret is never kept waiting."""
        found = self._found(request)
        reason = SignInRefusal.NO_ROLE if isinstance(found, Identity) else found
        peer = peer_of(request)
        if (wait_s := self._limit.attempt(peer, time.monotonic())) > 0:
            self.counts.refused[SignInRefusal.TOO_MANY] += 1
            return too_many(request, wait_s)
        self.counts.refused[reason] += 1
        log.warning(LogEvent.SIGN_IN_REFUSED, reason=reason, client=peer)
        return challenge_page(request, "sign_in_refused.html", 403, words=_WORDS[reason])

    def _found(self, request: web.Request) -> Identity | SignInRefusal:
        return proxied(self._rules, peer_of(request), lambda name: request.headers.getall(name, []))
