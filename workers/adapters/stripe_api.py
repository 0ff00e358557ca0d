"""Calls Stripe over HTTP. Returns what came back, or how nothing did; judges nothing and retries nothing.

https://docs.stripe.com/api · form encoding as in stripe-python `_encode.py`: `a[b]=v`, booleans in lower case.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self
from urllib.parse import quote_plus

import aiohttp
import structlog
from pydantic import SecretStr
from yarl import URL

from contracts.errors import Code, Fault
from workers.classify import Answer, Outcome, classify, refusal
from workers.executor import Call

STRIPE_VERSION = "2026-06-24.dahlia"
MAX_BODY_BYTES = 1_048_576
MAX_CONNECTIONS = 512
_HEADERS_READ = (
    "stripe-should-retry",
    "idempotent-replayed",
    "request-id",
    "retry-after",
    "stripe-rate-limited-reason",
)
log = structlog.get_logger()


class StripeApi:
    """One HTTP client for all connections. `secret_key`: a connection's key now, None when there is none."""

    def __init__(self, base: str, secret_key: Callable[[str], SecretStr | None], *, deadline_s: float = 30.0) -> None:
        self._base, self._secret_key, self._deadline_s = base.rstrip("/"), secret_key, deadline_s
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=MAX_CONNECTIONS, ttl_dns_cache=60),
            timeout=aiohttp.ClientTimeout(total=self._deadline_s, sock_connect=5.0),
            auto_decompress=True,
            trust_env=False,
            max_line_size=8_190,
            max_field_size=8_190,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def carry_out(self, call: Call) -> Outcome:
        """The outcome of one call, whatever happens to it."""
        key = self._secret_key(call.command.connection)
        if key is None:
            return refusal(call.action.key, f"the key of connection {call.command.connection!r} can't be opened",
                           Code.AUTH_EXPIRED)  # fmt: skip
        return classify(call.action, await self._answer(call, key))

    async def _answer(self, call: Call, key: SecretStr) -> Answer | Fault:
        if self._session is None:
            raise RuntimeError("StripeApi is used outside `async with`")
        headers = {"Authorization": f"Bearer {key.get_secret_value()}", "Stripe-Version": STRIPE_VERSION}
        body = None
        if call.request.method == "POST":
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            headers["Idempotency-Key"] = call.idempotency_key or ""
            body = form(call.request.params)
        url = URL(self._base + call.request.path, encoded=True)
        try:
            async with self._session.request(
                call.request.method, url, data=body, headers=headers, allow_redirects=False
            ) as response:
                return await _read(response)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
            return Fault.REFUSED
        except (aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError, OSError) as error:
            log.info("call_lost", command=call.command.command_id, error=type(error).__name__)
            return Fault.LOST
        except Exception:
            log.exception("call_broken", command=call.command.command_id)
            return Fault.LOST


async def _read(response: aiohttp.ClientResponse) -> Answer | Fault:
    body = b""
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            return Fault.UNREADABLE
    headers = {name: response.headers[name] for name in _HEADERS_READ if name in response.headers}
    return Answer(status=response.status, headers=headers, body=body)


def form(params: Mapping[str, Any]) -> bytes:
    """Parameters in Stripe's form encoding."""
    return "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in _flat("", params)).encode()


def _flat(prefix: str, value: Any) -> Iterator[tuple[str, str]]:
    match value:
        case Mapping():
            for name, item in value.items():
                yield from _flat(f"{prefix}[{name}]" if prefix else str(name), item)
        case list() | tuple():
            for number, item in enumerate(value):
                yield from _flat(f"{prefix}[{number}]", item)
        case bool():
            yield prefix, "true" if value else "false"
        case None:
            return
        case _:
            yield prefix, str(value)
