"""Sends example deliveries as Stripe would: signed, one POST each, at a steady rate. Shows no secret."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final

import aiohttp
from pydantic import SecretStr

from stripeline.deploy.failure import FailureError
from stripeline.deploy.local.example_events import sign

# As Stripe does, give up on a delivery that is not answered.
_TIMEOUT = aiohttp.ClientTimeout(total=30)
_MAX_ANSWER: Final = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryAnswer:
    """One answer to one delivery."""

    status: int
    answer: str


async def deliver(
    url: str,
    secret: SecretStr,
    bodies: list[bytes],
    now: Callable[[], int],
    rate_per_s: float | None = None,
) -> AsyncIterator[DeliveryAnswer]:
    """POST each body, not faster than the rate, and yield each answer. Raises FailureError when nobody listens."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
        for position, body in enumerate(bodies):
            if rate_per_s is not None:
                await asyncio.sleep(max(0.0, start + position / rate_per_s - loop.time()))
            yield await _post(session, url, secret, body, now())


async def _post(session: aiohttp.ClientSession, url: str, secret: SecretStr, body: bytes, at: int) -> DeliveryAnswer:
    headers = {"Content-Type": "application/json", "Stripe-Signature": sign(body, secret.get_secret_value(), at)}
    try:
        async with session.post(url, data=body, headers=headers) as response:
            answer = (await response.content.read(_MAX_ANSWER)).decode("utf-8", "replace")
            return DeliveryAnswer(status=response.status, answer=answer)
    except aiohttp.InvalidURL:
        raise FailureError(f"{url} is not a URL. Write it like http://127.0.0.1:8080/webhooks/acme-payments.") from None
    except (aiohttp.ClientError, TimeoutError) as error:
        reason = str(error) or "no answer within 30 s"
        raise FailureError(
            f"The delivery to {url} had no answer: {reason}. Is `stripeline ingest` (or `up`) running there?"
        ) from None
