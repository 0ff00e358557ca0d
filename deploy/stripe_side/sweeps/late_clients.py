"""What a window needs of Kafka, opened when it needs it: most windows of most connections have no event at all."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from stripeline.contracts.topics import Topics
from stripeline.deploy.stripe_side.sweeps.backfill_producer import BackfillProducer
from stripeline.deploy.stripe_side.sweeps.event_comparison import Lacking, Pair
from stripeline.deploy.stripe_side.sweeps.event_publication import Missed
from stripeline.deploy.stripe_side.sweeps.seen_log import SeenLog, seen_log
from stripeline.workers.kafka.one_off_producer import one_off_producer


@dataclass(slots=True, kw_only=True)
class LateClients:
    """The log of seen events, and a producer for those that never came. They are closed with `stack`."""

    topics: Topics
    client: Mapping[str, Any]
    now_ms: int
    stack: AsyncExitStack
    _seen: SeenLog | None = None
    _producer: BackfillProducer | None = None

    async def strike(self, missing: dict[Pair, Lacking], from_ms: int) -> None:
        """As `SeenLog.strike`."""
        if not missing:
            return
        if self._seen is None:
            self._seen = await self.stack.enter_async_context(seen_log(self.topics, self.client, self.now_ms))
        await self._seen.strike(missing, from_ms)

    async def publish(self, missed: Sequence[Missed]) -> None:
        """As `BackfillProducer.publish`."""
        if not missed:
            return
        if self._producer is None:
            producer = await self.stack.enter_async_context(one_off_producer(self.client))
            self._producer = BackfillProducer(self.topics, producer)
        await self._producer.publish(missed)


@asynccontextmanager
async def late_clients(topics: Topics, client: Mapping[str, Any], now_ms: int) -> AsyncIterator[LateClients]:
    """For one window."""
    async with AsyncExitStack() as stack:
        yield LateClients(topics=topics, client=client, now_ms=now_ms, stack=stack)
