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

import structlog
from pydantic import SecretStr

from stripeline.contracts.action import Request
from stripeline.contracts.vocabulary import CallKind, Code, Fault, LogEvent
from stripeline.workers.executor import stripe_lookup
from stripeline.workers.executor.command_state import Call
from stripeline.workers.executor.stripe_answer import Answer, classify, refusal
from stripeline.workers.executor.stripe_lookup import NextPage, NotOffered, Sight
from stripeline.workers.stripe.http_answer import LostError, TooLargeError
from stripeline.workers.stripe.http_client import HttpClient, NotSentError, UnsendableError
from stripeline.workers.task.counters import CALL_S, Histograms

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
    """One HTTP client for all connections. `secret_key`: a connection's key now, None when there is none.

    agent: https://docs.stripe.com/building-plugins#setappinfo: Stripe knows by it who calls.
    """

    def __init__(
        self,
        base: str,
        secret_key: Callable[[str], SecretStr | None],
        *,
        deadline_s: float = 30.0,
        seen: Seen | None = None,
        agent: str = "stripeline",
    ) -> None:
        self._secret_key, self._deadline_s = secret_key, deadline_s
        standing = {"User-Agent": agent, "Accept": "*/*", "Stripe-Version": STRIPE_VERSION}
        self._http = HttpClient(
            base, headers=standing, limit=MAX_CONNECTIONS, max_body_bytes=MAX_BODY_BYTES, deadline_s=deadline_s
        )
        self.answers: dict[tuple[str, str, str], int] = defaultdict(int)  # by action, kind and status
        self.seconds = Histograms(CALL_S)  # by action and kind
        self.busy = 0
        self._seen = seen

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.__aexit__()

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
        found = stripe_lookup.read_search(call.action, command_id, await self._answer(call.request, key, call))
        if not isinstance(found, NotOffered):
            return found
        after: str | None = None
        for _ in range(stripe_lookup.MAX_PAGES):
            request = stripe_lookup.page(call.action, call.work.ticket.first_appended_ms, after)
            seen = stripe_lookup.read_page(call.action, command_id, await self._answer(request, key, call))
            if not isinstance(seen, NextPage):
                return seen
            after = seen.after
        return stripe_lookup.too_many(call.action)

    async def _answer(self, request: Request, key: SecretStr, call: Call) -> Answer | Fault:
        """One request and what came of it, counted."""
        began_s = time.monotonic()
        self.busy += 1
        try:
            answer = await self._exchange(request, key, call)
        finally:
            self.busy -= 1
        action, kind = call.action.key, CallKind.LOOK_UP if call.look else CallKind.ATTEMPT
        self.answers[action, kind, answer.value if isinstance(answer, Fault) else str(answer.status)] += 1
        took_s = time.monotonic() - began_s
        self.seconds[action, kind].add(took_s)
        if self._seen is not None:
            self._seen(call, request, answer, took_s)
        return answer

    async def _exchange(self, request: Request, key: SecretStr, call: Call) -> Answer | Fault:
        headers = {"Authorization": f"Bearer {key.get_secret_value()}"}
        target, body = request.path, None
        if request.method == "POST":
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            headers["Idempotency-Key"] = call.idempotency_key or ""
            body = form(request.params)
        elif request.params:
            target = f"{target}?{form(request.params).decode()}"
        try:
            reply = await self._http.ask(request.method, target, headers, body)
        except NotSentError:
            return Fault.REFUSED
        except TooLargeError:
            return Fault.UNREADABLE
        except LostError as error:
            log.info(LogEvent.CALL_LOST, command=call.command.command_id, error=str(error))
            return Fault.LOST
        except UnsendableError:
            log.exception(LogEvent.CALL_BROKEN, command=call.command.command_id)
            return Fault.REFUSED
        except Exception:
            log.exception(LogEvent.CALL_BROKEN, command=call.command.command_id)
            return Fault.LOST
        told = {name: reply.headers[name] for name in _HEADERS_READ if name in reply.headers}
        return Answer(status=reply.status, headers=told, body=reply.body)


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
