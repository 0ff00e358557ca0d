"""Sends requests to Stripe over HTTP. Returns Stripe's answer, or why there is none; judges and retries nothing.

https://docs.stripe.com/api · form encoding as in stripe-python `_encode.py`: `a[b]=v`, booleans in lower case.
"""

import asyncio
import re
import ssl
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Self
from urllib.parse import quote_plus

import orjson
import structlog
from pydantic import SecretStr

from stripeline.contracts.log_limit import LogLimit
from stripeline.contracts.vocabulary import CallKind, Fault, LogEvent
from stripeline.workers.executor.command_state import Call
from stripeline.workers.executor.stripe_answer import CallReply, NoKey, StripeAnswer
from stripeline.workers.stripe.http_answer import LostError, TooLargeError
from stripeline.workers.stripe.http_client import HttpClient, NotSentError, ProxyError, UnsendableError
from stripeline.workers.stripe.http_proxy import Proxy
from stripeline.workers.task.counters import CALL_S, Histograms
from stripeline.workers.thin.thin_fetch import Fetch

STRIPE_VERSION = "2026-06-24.dahlia"
MAX_BODY_BYTES = 1_048_576
MAX_CONNECTIONS = 512
_V2 = "/v2/"
_LOG_EVERY_S = 10.0
_HEADERS_READ = (
    "stripe-should-retry",
    "idempotent-replayed",
    "request-id",
    "retry-after",
    "stripe-rate-limited-reason",
    "server",
    "via",
)
OnAnswer = Callable[[Call, StripeAnswer | Fault, float], None]
"""Called after each request: what came back, and after how many seconds."""

log = structlog.get_logger()


class StripeApi:
    """One HTTP client for all connections. `secret_key`: for a call, now; None when nothing may be sent for it.

    agent: https://docs.stripe.com/building-plugins#setappinfo: Stripe knows by it who calls.
    """

    def __init__(
        self,
        base: str,
        secret_key: Callable[[Call | Fetch], SecretStr | None],
        *,
        deadline_s: float = 30.0,
        on_answer: OnAnswer | None = None,
        agent: str = "stripeline",
        tls: ssl.SSLContext | None = None,
        proxy: Proxy | None = None,
    ) -> None:
        self._secret_key = secret_key
        on_each = {"User-Agent": agent, "Accept": "*/*", "Stripe-Version": STRIPE_VERSION}
        self._http = HttpClient(
            base, headers=on_each, limit=MAX_CONNECTIONS, max_body_bytes=MAX_BODY_BYTES, deadline_s=deadline_s,
            tls=tls, proxy=proxy,
        )  # fmt: skip
        self._log_limit = LogLimit(_LOG_EVERY_S)
        self.answers: dict[tuple[str, str, str], int] = defaultdict(int)  # by action, kind and status
        self.seconds = Histograms(CALL_S)  # by action and kind
        self.busy = 0
        self._on_answer = on_answer

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.__aexit__()

    async def send(self, call: Call) -> CallReply:
        """Stripe's answer to one request, or why there is none."""
        key = self._secret_key(call)
        if key is None:
            return NoKey(connection=call.command.connection)
        began_s = time.monotonic()
        self.busy += 1
        try:
            answer = await self._call(call, key)
        finally:
            self.busy -= 1
        self._count(call, answer, time.monotonic() - began_s)
        return answer

    async def fetch(self, fetch: Fetch) -> CallReply:
        """Stripe's answer to a request of a thin event, or why there is none."""
        key = self._secret_key(fetch)
        if key is None:
            return NoKey(connection=fetch.connection)
        headers = _authorised(key, None)
        if fetch.context is not None:  # https://docs.stripe.com/context
            headers["Stripe-Context"] = fetch.context
        began_s, event = time.monotonic(), fetch.state.thin.event.id
        headers["Stripe-Request-Trigger"] = f"event={event}"
        self.busy += 1
        try:
            answer = await self._exchange("GET", fetch.state.path, headers, None, about=event)
        finally:
            self.busy -= 1
        self.answers["", CallKind.FETCH, _status(answer)] += 1
        self.seconds["", CallKind.FETCH].add(time.monotonic() - began_s)
        return answer

    async def read(
        self, path: str, key: SecretStr, account: str | None = None, kind: CallKind = CallKind.PROBE
    ) -> StripeAnswer | Fault:
        """Stripe's answer to a GET that is of no command, such as `/v1/account`."""
        headers = _authorised(key, None if path.startswith(_V2) else account)
        if account is not None and path.startswith(_V2):
            headers["Stripe-Context"] = account  # https://docs.stripe.com/context
        answer = await self._exchange("GET", path, headers, None, about=path.partition("?")[0])
        self.answers["", kind, _status(answer)] += 1
        return answer

    async def manage(
        self, method: str, path: str, key: SecretStr, params: Mapping[str, Any] | None = None,
        *, idempotency_key: str | None = None,
    ) -> StripeAnswer | Fault:  # fmt: skip
        """Stripe's answer to a request that is of no command and changes something. JSON below `/v2/`, else a form."""
        headers, body = _authorised(key, None), None
        if params is not None:
            is_json = path.startswith("/v2/")
            headers["Content-Type"] = "application/json" if is_json else "application/x-www-form-urlencoded"
            body = orjson.dumps(params) if is_json else form(params)
        if idempotency_key is not None:
            headers["Idempotency-Key"] = idempotency_key
        return await self._exchange(method, path, headers, body, about=path)

    def _count(self, call: Call, answer: StripeAnswer | Fault, took_s: float) -> None:
        action, kind = call.action.key, CallKind.ATTEMPT if call.look_up is None else CallKind.LOOK_UP
        self.answers[action, kind, _status(answer)] += 1
        self.seconds[action, kind].add(took_s)
        if self._on_answer is not None:
            self._on_answer(call, answer, took_s)

    def _say(self, event: LogEvent, *, reason: str) -> None:
        """Every call meets it, so the log has it once in a while."""
        left_out = self._log_limit.admit(reason, time.monotonic())
        if left_out is not None:
            log.warning(event, reason=reason, left_out=left_out)

    async def _call(self, call: Call, key: SecretStr) -> StripeAnswer | Fault:
        request, headers = call.request, _authorised(key, call.command.account)
        target, body = request.path, None
        if request.method == "POST":
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            headers["Idempotency-Key"] = call.idempotency_key or ""
            body = form(request.params)
        elif request.params:
            target = f"{target}?{form(request.params).decode()}"
        about, timeout_ms = call.command.command_id, call.timeout_ms
        return await self._exchange(request.method, target, headers, body, about=about, timeout_ms=timeout_ms)

    async def _exchange(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes | None, *, about: str,
        timeout_ms: int | None = None,
    ) -> StripeAnswer | Fault:  # fmt: skip
        try:
            if timeout_ms is None:
                reply = await self._http.ask(method, target, headers, body)
            else:
                async with asyncio.timeout(timeout_ms / 1000):
                    reply = await self._http.ask(method, target, headers, body)
        except NotSentError as error:
            if isinstance(error, ProxyError):
                self._say(LogEvent.PROXY_REFUSED, reason=str(error))
            return Fault.REFUSED
        except TooLargeError:
            return Fault.UNREADABLE
        except (LostError, TimeoutError) as error:
            log.info(LogEvent.CALL_LOST, command=about, error=str(error) or "Timeout")
            return Fault.LOST
        except UnsendableError:
            log.exception(LogEvent.CALL_BROKEN, command=about)
            return Fault.REFUSED
        except Exception:
            log.exception(LogEvent.CALL_BROKEN, command=about)
            return Fault.LOST
        read = {name: reply.headers[name] for name in _HEADERS_READ if name in reply.headers}
        return StripeAnswer(status=reply.status, headers=read, body=reply.body)


def _authorised(key: SecretStr, account: str | None) -> dict[str, str]:
    headers = {"Authorization": f"Bearer {key.get_secret_value()}"}
    if account is not None:  # https://docs.stripe.com/connect/authentication
        headers["Stripe-Account"] = account
    return headers


def _status(answer: StripeAnswer | Fault) -> str:
    return answer.value if isinstance(answer, Fault) else str(answer.status)


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
