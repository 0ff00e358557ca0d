"""Signs people in by a token, or by a one-time link, and keeps them signed in by a cookie."""

import time
from typing import Final

import structlog
from aiohttp import web

from stripeline.contracts.operator.operator_vocabulary import SignInRefusal
from stripeline.contracts.vocabulary import LogEvent
from stripeline.deploy.console.auth.identity import Identity
from stripeline.deploy.console.auth.local_address import local_address
from stripeline.deploy.console.auth.one_time_link import LINK_PATH, OneTimeLinks
from stripeline.deploy.console.auth.sign_in_counts import SignInCounts
from stripeline.deploy.console.auth.sign_in_limit import SignInLimit
from stripeline.deploy.console.auth.sign_in_page import challenge_page, form_of, open_page, peer_of, too_many
from stripeline.deploy.console.auth.sign_in_session import COOKIE, LIFETIME_S, Holder, session_holder, session_text
from stripeline.deploy.console.auth.token_check import TokenCheck
from stripeline.deploy.console.auth.token_file import FollowedTokenFile

SIGN_IN_PATH: Final = "/sign-in"
SIGN_OUT_PATH: Final = "/sign-out"
log = structlog.get_logger(__name__)


class TokenSignIn:
    """tokens: None where only links let people in, as in `up` and `demo`."""

    def __init__(self, key: bytes, tokens: FollowedTokenFile | None, links: OneTimeLinks) -> None:
        self.counts = SignInCounts()
        self.sign_out: str | None = SIGN_OUT_PATH
        self._key, self._tokens, self._links, self._limit = key, tokens, links, SignInLimit()
        self._check = TokenCheck(lambda name: None if tokens is None else tokens.line(name))

    def identify(self, request: web.Request) -> Identity | None:
        text = request.cookies.get(COOKIE)
        if text is None:
            return None
        holder = session_holder(self._key, text, self._holders, time.time())
        return None if holder is None else Identity(user=holder.name, role=holder.role)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get(SIGN_IN_PATH, self._show_form),
            web.post(SIGN_IN_PATH, self._sign_in),
            web.get(LINK_PATH, self._show_link),
            web.post(LINK_PATH, self._spend_link),
            web.post(SIGN_OUT_PATH, self._sign_out),
        ]

    def challenge(self, request: web.Request) -> web.StreamResponse:
        return challenge_page(request, "sign_in.html", 401, wrong=None, tokens=self._tokens is not None)

    def problem(self) -> str | None:
        """What is wrong with the tokens file, in words."""
        return None if self._tokens is None else self._tokens.problem()

    def _holders(self, name: str) -> list[Holder]:
        return [*(() if self._tokens is None else self._tokens.holders(name)), *self._links.holders(name)]

    async def _show_form(self, request: web.Request) -> web.StreamResponse:
        return self._form(request, 200, local_address(request.query.get("next", "/")))

    async def _sign_in(self, request: web.Request) -> web.StreamResponse:
        if (wait_s := self._limit.attempt(peer_of(request), time.monotonic())) > 0:
            return self._too_many(request, wait_s)
        form = await form_of(request)
        after = local_address(form.get("next", "/"))
        holder = await self._check.holder(form.get("token", "").strip())
        if holder is None:
            self._refuse(request, SignInRefusal.WRONG_TOKEN)
            return self._form(request, 403, after, "Nobody has this token, or it was replaced. Ask for a new one.")
        return self._signed_in(request, holder, after)

    async def _show_link(self, request: web.Request) -> web.StreamResponse:
        return open_page("sign_in_link.html", 200, request.path, code=request.query.get("code", ""))

    async def _spend_link(self, request: web.Request) -> web.StreamResponse:
        if (wait_s := self._limit.attempt(peer_of(request), time.monotonic())) > 0:
            return self._too_many(request, wait_s)
        holder = self._links.spend((await form_of(request)).get("code", ""), time.monotonic())
        if holder is None:
            self._refuse(request, SignInRefusal.WRONG_LINK)
            words = "This link was used, or is older than ten minutes. Start the console again for a new one."
            return self._form(request, 403, "/", words)
        return self._signed_in(request, holder, "/")

    async def _sign_out(self, _: web.Request) -> web.StreamResponse:
        response = web.Response(status=303, headers={"Location": SIGN_IN_PATH})
        response.del_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="Strict")
        return response

    def _signed_in(self, request: web.Request, holder: Holder, after: str) -> web.StreamResponse:
        self._limit.succeeded(peer_of(request))
        self.counts.signed_in += 1
        log.info(LogEvent.SIGNED_IN, user=holder.name, role=holder.role.word, client=peer_of(request))
        response = web.Response(status=303, headers={"Location": after})
        response.set_cookie(
            COOKIE, session_text(self._key, holder, int(time.time())),
            max_age=LIFETIME_S, path="/", secure=True, httponly=True, samesite="Strict",
        )  # fmt: skip
        return response

    def _refuse(self, request: web.Request, reason: SignInRefusal) -> None:
        self.counts.refused[reason] += 1
        log.warning(LogEvent.SIGN_IN_REFUSED, reason=reason, client=peer_of(request))

    def _too_many(self, request: web.Request, wait_s: float) -> web.Response:
        self.counts.refused[SignInRefusal.TOO_MANY] += 1
        return too_many(request, wait_s)

    def _form(self, request: web.Request, status: int, after: str, wrong: str | None = None) -> web.Response:
        return open_page("sign_in.html", status, request.path, next=after, wrong=wrong, tokens=self._tokens is not None)
