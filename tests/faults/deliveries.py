"""Stripe as the receiver sees it: deliveries at a rate of their own, again until taken, twice, and out of order.

Open loop: a slow receiver makes nobody send less. Every event has an id of its own; what was answered 2xx is noted.
"""

import asyncio
import math
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import aiohttp

from stripeline.deploy.local.example_events import example_event, sign
from stripeline.deploy.local.reconciliation import DECLINED_AMOUNT
from tests.support.cluster import SECRET

TWICE, LATE, DECLINED = 0.1, 0.1, 0.02
"""Shares of events: delivered twice on purpose; up to two seconds late; of a payment that will be declined."""

PATIENCE_S = 10.0


@dataclass
class Deliveries:
    """Payments of `keys` PaymentIntents at random, and then of others: a payment's life is short."""

    urls: Sequence[str]  # of the receivers; each attempt goes to one of them, as a balancer sends it
    rate_per_s: float
    choice: random.Random
    keys: int = 60
    events_a_key: int = 25
    again_s: float = 0.5  # doubled with every refusal, as Stripe doubles its hours
    again_at_most_s: float = 10.0
    sent: set[str] = field(default_factory=set)
    acknowledged: set[str] = field(default_factory=set)
    acknowledged_at_s: list[float] = field(default_factory=list)
    refused_for_s: list[float] = field(default_factory=list)  # from a delivery's first refusal to its acknowledgement
    answers: dict[str, int] = field(default_factory=dict)
    _stopped: bool = False

    @property
    def refused(self) -> int:
        return sum(count for how, count in self.answers.items() if how != "200")

    def stop(self) -> None:
        """Begin no more deliveries."""
        self._stopped = True

    async def run(self, seconds: float = math.inf) -> None:
        """Until everything is acknowledged, which a receiver that has come back does in seconds."""
        start = time.monotonic()
        connector = aiohttp.TCPConnector(limit=500)
        patience = aiohttp.ClientTimeout(total=PATIENCE_S)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=patience) as session,
            asyncio.TaskGroup() as group,
        ):
            while not self._stopped and (now_s := time.monotonic() - start) < seconds:
                while len(self.sent) < now_s * self.rate_per_s:
                    self._begin(session, group)
                await asyncio.sleep(0.01)

    def _begin(self, session: aiohttp.ClientSession, group: asyncio.TaskGroup) -> None:
        choice, event = self.choice, f"evt_{len(self.sent):07}"
        self.sent.add(event)
        # The second step pays what the event paid, so this amount ends a run at its second step.
        amount = DECLINED_AMOUNT if choice.random() < DECLINED else choice.randrange(5_100, 9_000)
        life = len(self.sent) // (self.keys * self.events_a_key)
        about = {"id": f"pi_{life}_{choice.randrange(self.keys):04}", "amount": amount}
        body = example_event("payment_intent.succeeded", about, event_id=event)
        late_s = choice.uniform(0, 2) if choice.random() < LATE else 0.0
        group.create_task(self._until_acknowledged(session, event, body, late_s))
        if choice.random() < TWICE:
            group.create_task(self._until_acknowledged(session, event, body, choice.uniform(0, 5)))

    async def _until_acknowledged(self, session: aiohttp.ClientSession, event: str, body: bytes, late_s: float) -> None:
        await asyncio.sleep(late_s)
        again_s, refused_s = self.again_s, 0.0
        while not await self._acknowledged(session, event, body):
            refused_s = refused_s or time.monotonic()
            await asyncio.sleep(again_s * self.choice.uniform(0.7, 1.3))
            again_s = min(again_s * 2, self.again_at_most_s)
        self.acknowledged_at_s.append(time.monotonic())
        if refused_s:
            self.refused_for_s.append(time.monotonic() - refused_s)

    async def _acknowledged(self, session: aiohttp.ClientSession, event: str, body: bytes) -> bool:
        headers = {"Content-Type": "application/json", "Stripe-Signature": sign(body, SECRET, int(time.time()))}
        try:
            url = self.urls[0] if len(self.urls) == 1 else self.choice.choice(self.urls)
            async with session.post(url, data=body, headers=headers) as answer:
                await answer.read()
                how = str(answer.status)
        except (aiohttp.ClientError, TimeoutError) as error:
            how = type(error).__name__
        self.answers[how] = self.answers.get(how, 0) + 1
        if how == "200":
            self.acknowledged.add(event)
        return how == "200"
