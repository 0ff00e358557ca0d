"""Calls Stripe over HTTP. Returns what came back, or how nothing did; judges nothing and retries nothing.

https://docs.stripe.com/api · form encoding as in stripe-python `_encode.py`: `a[b]=v`, booleans in lower case.
"""

import asyncio
import re
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Self
from urllib.parse import quote_plus

import aiohttp
import structlog
from pydantic import SecretStr
from yarl import URL

from contracts.actions import Request
from contracts.errors import Code, Fault
from workers import lookup
from workers.classify import Answer, classify, refusal
from workers.counts import CALL_S, Histograms
from workers.lookup import NextPage, NotOffered, Sight
from workers.work import Call

STRIPE_VERSION = "2026-06-24.dahlia"
MAX_BODY_BYTES = 1_048_576
MAX_CONNECTIONS = 512
LOOK_DEADLINES = 3
_HEADERS_READ = (
    "stripe-should-retry",
    "idempotent-replayed",
    "request-id",
    "retry-after",
    "stripe-rate-limited-reason",
)
Seen = Callable[[Call, Request, Answer | Fault, float], None]
"""Told of each request: what came back, and after how many seconds."""

log = structlog.get_logger()


class StripeApi:
    """One HTTP client for all connections. `secret_key`: a connection's key now, None when there is none."""

    def __init__(
        self,
        base: str,
        secret_key: Callable[[str], SecretStr | None],
        *,
        deadline_s: float = 30.0,
        seen: Seen | None = None,
    ) -> None:
        self._base, self._secret_key, self._deadline_s = base.rstrip("/"), secret_key, deadline_s
        self._session: aiohttp.ClientSession | None = None
        self.answers: dict[tuple[str, str, str], int] = defaultdict(int)  # by action, kind and status
        self.seconds = Histograms(CALL_S)  # by action and kind
        self.busy = 0
        self._seen = seen

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(),  # two connections are two accounts, and share nothing
            connector=aiohttp.TCPConnector(limit=MAX_CONNECTIONS, ttl_dns_cache=60),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=5.0),  # the whole call's is asyncio's own
            auto_decompress=True,
            trust_env=False,
            max_line_size=8_190,
            max_field_size=8_190,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def carry_out(self, call: Call) -> Sight:
        """The outcome of one call, or of a look-up, whatever happens to it."""
        key = self._secret_key(call.command.connection)
        if key is None:
            message = f"the key of connection {call.command.connection!r} can't be opened"
            return refusal(call.action.key, message, Code.AUTH_EXPIRED)
        if call.look:
            return await self._look(call, key)
        return classify(call.action, await self._answer(call.request, key, call))

    async def _look(self, call: Call, key: SecretStr) -> Sight:
        """A look-up, in bounded time: twenty slow pages would pass for a call that does not end."""
        try:
            async with asyncio.timeout(LOOK_DEADLINES * self._deadline_s):
                return await self._found(call, key)
        except TimeoutError:
            return classify(call.action, Fault.LOST)

    async def _found(self, call: Call, key: SecretStr) -> Sight:
        """Search, and list where the account can't search."""
        command_id = call.command.command_id
        found = lookup.read_search(call.action, command_id, await self._answer(call.request, key, call))
        if not isinstance(found, NotOffered):
            return found
        after: str | None = None
        for _ in range(lookup.MAX_PAGES):
            request = lookup.page(call.action, call.work.ticket.first_appended_ms, after)
            seen = lookup.read_page(call.action, command_id, await self._answer(request, key, call))
            if not isinstance(seen, NextPage):
                return seen
            after = seen.after
        return lookup.too_many(call.action)

    async def _answer(self, request: Request, key: SecretStr, call: Call) -> Answer | Fault:
        """One request and what came of it, counted."""
        began_s = time.monotonic()
        self.busy += 1
        try:
            answer = await self._exchange(request, key, call)
        finally:
            self.busy -= 1
        action, kind = call.action.key, "look_up" if call.look else "attempt"
        self.answers[action, kind, answer.value if isinstance(answer, Fault) else str(answer.status)] += 1
        took_s = time.monotonic() - began_s
        self.seconds[action, kind].add(took_s)
        if self._seen is not None:
            self._seen(call, request, answer, took_s)
        return answer

    async def _exchange(self, request: Request, key: SecretStr, call: Call) -> Answer | Fault:
        if self._session is None:
            raise RuntimeError("StripeApi is used outside `async with`")
        headers = {"Authorization": f"Bearer {key.get_secret_value()}", "Stripe-Version": STRIPE_VERSION}
        path, body = request.path, None  # a payload, because aiohttp looks for the fitting one otherwise
        if request.method == "POST":
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            headers["Idempotency-Key"] = call.idempotency_key or ""
            body = aiohttp.BytesPayload(form(request.params))
        elif request.params:
            path = f"{path}?{form(request.params).decode()}"
        try:
            async with (
                asyncio.timeout(self._deadline_s),
                self._session.request(
                    request.method, _url(self._base, path), data=body, headers=headers, allow_redirects=False
                ) as response,
            ):
                return await _read(response)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
            return Fault.REFUSED
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            log.info("call_lost", command=call.command.command_id, error=type(error).__name__)
            return Fault.LOST
        except Exception:
            log.exception("call_broken", command=call.command.command_id)
            return Fault.LOST


async def _read(response: aiohttp.ClientResponse) -> Answer | Fault:
    content, body = response.content, b""
    while not content.at_eof():
        body += await content.readany()
        if len(body) > MAX_BODY_BYTES:
            return Fault.UNREADABLE
    told = response.headers
    headers = {name: told[name] for name in _HEADERS_READ if name in told}
    return Answer(status=response.status, headers=headers, body=body)


@lru_cache(maxsize=512)
def _url(base: str, path: str) -> URL:
    return URL(base + path, encoded=True)


def form(params: Mapping[str, Any]) -> bytes:
    """Parameters in Stripe's form encoding."""
    pairs: list[str] = []
    for name, value in params.items():
        _flatten(str(name), value, pairs)
    return "&".join(pairs).encode()


def _flatten(name: str, value: Any, pairs: list[str]) -> None:
    match value:
        case str():
            pairs.append(f"{_quoted_name(name)}={value if _PLAIN(value) else quote_plus(value)}")
        case bool():
            pairs.append(f"{_quoted_name(name)}={'true' if value else 'false'}")
        case int():
            pairs.append(f"{_quoted_name(name)}={value}")
        case Mapping():
            for inner, item in value.items():
                _flatten(f"{name}[{inner}]", item, pairs)
        case list() | tuple():
            for number, item in enumerate(value):
                _flatten(f"{name}[{number}]", item, pairs)
        case None:
            return
        case _:
            pairs.append(f"{_quoted_name(name)}={quote_plus(str(value))}")


_PLAIN = re.compile(r"[A-Za-z0-9_.~-]*").fullmatch
_quoted_name = lru_cache(maxsize=512)(quote_plus)  # the names of our parameters are few
