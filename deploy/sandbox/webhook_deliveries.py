"""Sends what happened in the sandbox to its webhook endpoints: signed, each on its own, again when it was not taken.

As at Stripe, an answer that is not 2xx, a redirect or no answer is tried again later; other than at Stripe, for a few
seconds only.
"""

import asyncio
import time
from collections.abc import Iterable
from typing import Final, Self

import aiohttp

from stripeline.deploy.local.example_events import sign
from stripeline.deploy.sandbox.webhooks import SandboxDelivery, SandboxWebhooks

WAITS_S: Final = (0.2, 0.5, 1.0, 2.0, 4.0)
AT_ONCE: Final = 16
MAX_WAITING: Final = 100_000
_TIMEOUT: Final = aiohttp.ClientTimeout(total=10)
_REDIRECT: Final = 300


class WebhookDeliveries:
    """Sends in the background, from `start` to `stop`. What waits at the end is not sent."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[tuple[SandboxDelivery, SandboxWebhooks]] = asyncio.Queue(MAX_WAITING)
        self._senders: list[asyncio.Task[None]] = []
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=_TIMEOUT)
        self._senders = [asyncio.create_task(self._send(self._session)) for _ in range(AT_ONCE)]
        return self

    async def stop(self) -> None:
        for sender in self._senders:
            sender.cancel()
        await asyncio.gather(*self._senders, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def send(self, deliveries: Iterable[SandboxDelivery], webhooks: SandboxWebhooks) -> None:
        for delivery in deliveries:
            try:
                self._queue.put_nowait((delivery, webhooks))
            except asyncio.QueueFull:
                webhooks.ended(delivery, "dropped")

    async def _send(self, session: aiohttp.ClientSession) -> None:
        while True:
            delivery, webhooks = await self._queue.get()
            taken = await _taken(session, delivery, webhooks)
            webhooks.ended(delivery, "delivered" if taken else "failed")


async def _taken(session: aiohttp.ClientSession, delivery: SandboxDelivery, webhooks: SandboxWebhooks) -> bool:
    for attempt in range(webhooks.attempts):
        if attempt:
            await asyncio.sleep(WAITS_S[attempt - 1])
        if not webhooks.may_go(delivery):
            return False
        if await _post(session, delivery):
            return True
    return False


async def _post(session: aiohttp.ClientSession, delivery: SandboxDelivery) -> bool:
    # The host's clock, not the sandbox's: the receiver compares the signature's time with its own.
    signature = sign(delivery.body, delivery.secret.get_secret_value(), int(time.time()))
    headers = {"Content-Type": "application/json; charset=utf-8", "Stripe-Signature": signature}
    try:
        async with session.post(delivery.url, data=delivery.body, headers=headers, allow_redirects=False) as response:
            return response.status < _REDIRECT
    except (aiohttp.ClientError, TimeoutError):
        return False
