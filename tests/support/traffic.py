"""Signed deliveries with unique ids at a steady rate, sent again like Stripe does until they are acknowledged."""

import asyncio
import itertools
import time
from dataclasses import dataclass, field

import aiohttp

from stripeline.deploy.local.example_events import example_event, sign
from tests.support.cluster import SECRET


@dataclass
class Traffic:
    """Payments of `keys` PaymentIntents, in turn. What was answered 200 is in `acknowledged`, in that order."""

    url: str
    rate_per_s: float
    keys: int = 40
    acknowledged: list[str] = field(default_factory=list)
    sent: int = 0
    refused: int = 0

    async def run(self, seconds: float) -> None:
        start = time.monotonic()
        numbers = itertools.count()
        connector = aiohttp.TCPConnector(limit=200)
        async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as group:
            while (now := time.monotonic() - start) < seconds:
                while self.sent < now * self.rate_per_s:
                    group.create_task(self._until_acknowledged(session, next(numbers)))
                    self.sent += 1
                await asyncio.sleep(0.01)

    async def flows(self, count: int) -> None:
        """Wait until this many were acknowledged."""
        async with asyncio.timeout(30):
            while len(self.acknowledged) < count:  # noqa: ASYNC110  (a count is no event)
                await asyncio.sleep(0.02)

    async def _until_acknowledged(self, session: aiohttp.ClientSession, number: int) -> None:
        event = f"evt_{number:07}"
        intent = {"id": f"pi_{number % self.keys:04}", "amount": 6_000 + number % 100}
        body = example_event("payment_intent.succeeded", intent, event_id=event)
        async with asyncio.timeout(120):
            while True:
                headers = {"Content-Type": "application/json", "Stripe-Signature": sign(body, SECRET, int(time.time()))}
                try:
                    async with session.post(self.url, data=body, headers=headers) as answer:
                        await answer.read()
                        if answer.status == 200:
                            self.acknowledged.append(event)
                            return
                except aiohttp.ClientError:
                    pass
                self.refused += 1
                await asyncio.sleep(0.2)
