"""What every request must pass before a page sees it: its method, where a POST comes from, and who asks."""

from collections.abc import Collection
from typing import Final

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from stripeline.contracts.operator.operator_vocabulary import SignInRefusal
from stripeline.contracts.vocabulary import LogEvent
from stripeline.deploy.console.auth.identity import Identity
from stripeline.deploy.console.auth.same_origin import METHODS, SAFE_METHODS, is_same_origin
from stripeline.deploy.console.auth.sign_in import SignIn

IDENTITY: Final = web.RequestKey("identity", Identity)
log = structlog.get_logger(__name__)


def request_checks(sign_in: SignIn, public: Collection[object]) -> list[Middleware]:
    """public: the handlers that answer somebody who is not signed in."""
    return [_own_posts(sign_in), _signed_in(sign_in, public)]


def _own_posts(sign_in: SignIn) -> Middleware:
    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.method not in METHODS:
            raise web.HTTPMethodNotAllowed(request.method, METHODS)
        headers = request.headers
        if request.method not in SAFE_METHODS and not is_same_origin(
            headers.getall("Sec-Fetch-Site", []), headers.getall("Origin", []), headers.get("Host", "")
        ):
            sign_in.counts.refused[SignInRefusal.CROSS_SITE] += 1
            log.warning(LogEvent.SIGN_IN_REFUSED, reason=SignInRefusal.CROSS_SITE, path=request.path)
            raise web.HTTPForbidden(reason="This form was not sent by a page of this console")
        return await handler(request)

    return check


def _signed_in(sign_in: SignIn, public: Collection[object]) -> Middleware:
    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.match_info.handler in public:
            return await handler(request)
        identity = sign_in.identify(request)
        if identity is None:
            return sign_in.challenge(request)
        request[IDENTITY] = identity
        return await handler(request)

    return check
