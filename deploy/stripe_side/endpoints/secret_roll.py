"""Waits until deliveries are verified with the secrets of new destinations, as the processes of ingest report it.

A destination is pinged again and again: what arrives before ingest knows the secret is refused, and a ping is not sent
a second time by itself. One that can't be pinged is seen at its first event.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from stripeline.contracts.topics import Topics
from stripeline.deploy.operations.status.workers import Instance, read_workers
from stripeline.deploy.stripe_side.endpoints.endpoint_calls import EndpointCalls
from stripeline.deploy.stripe_side.endpoints.stripe_destinations import StripeDestination

_LOOK_S: Final = 2.0
_PING_S: Final = 10.0


def verified(live: Iterable[Instance]) -> frozenset[str]:
    """Stripe's ids of the destinations whose secret has verified a delivery."""
    return frozenset(name for one in live for name, count in one.report.signed.items() if count > 0)


async def until_verified(
    topics: Topics, client: Mapping[str, Any], calls: EndpointCalls, new: Iterable[StripeDestination], wait_s: float,
    say: Callable[[str], None],
) -> list[str]:  # fmt: skip
    """The ids that were not seen in time; empty when all were."""
    waiting, ends_s, ping_s = {one.id: one for one in new}, time.monotonic() + wait_s, 0.0
    unpinged: set[str] = set()
    while True:
        for name in waiting.keys() & verified((await read_workers(topics, client)).live):
            say(f"{name}: a delivery was verified with its secret")
            del waiting[name]
        if not waiting or time.monotonic() >= ends_s:
            return sorted(waiting)
        if time.monotonic() >= ping_s:
            ping_s = time.monotonic() + _PING_S
            for name, one in waiting.items():
                failed = await calls.ping(one)
                if failed is not None and name not in unpinged:
                    unpinged.add(name)
                    say(f"{name}: it can't be pinged ({failed.why}), so its first event is waited for")
        await asyncio.sleep(min(_LOOK_S, max(0.0, ends_s - time.monotonic())))
