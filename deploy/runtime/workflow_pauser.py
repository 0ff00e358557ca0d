"""Pauses a workflow that this process found at its limit: writes the pause, with the events from which it holds.

The router declines its events already, by the count; this makes it known to everybody, and lasting. Several processes
may meet one limit at the same time: who comes later takes over the offsets of the first where they are lower.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import structlog
from aiokafka.errors import KafkaError

from stripeline.contracts.definitions import Definitions
from stripeline.contracts.internal_records import encode
from stripeline.contracts.operator.control_keys import PAUSE
from stripeline.contracts.operator.control_records import BY_BRAKE, Pause
from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import LogEvent
from stripeline.deploy.failure import FailureError
from stripeline.deploy.operations.reading.event_ranges import event_topic, next_offsets, retention_ms
from stripeline.workers.kafka.control_table import publish
from stripeline.workers.router.run_brakes import RunBrakes, Tripped

_LOOK_EVERY_S: Final = 0.2
_RETRY_S: Final = 2.0
log = structlog.get_logger(__name__)


class WorkflowPauser:
    """definitions: as they are now."""

    def __init__(
        self, brakes: RunBrakes, topics: Topics, client: Mapping[str, Any], definitions: Callable[[], Definitions],
    ) -> None:  # fmt: skip
        self._brakes, self._topics, self._client, self._definitions = brakes, topics, client, definitions
        self._told: dict[str, int] = {}

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            for name, tripped in list(self._brakes.tripped.items()):
                if self._told.get(name) != tripped.at_ms and name in self._definitions().workflows:
                    await self._tell(name, tripped)

    async def _tell(self, name: str, tripped: Tripped) -> None:
        try:
            pause = await self._pause(name, tripped)
            await publish(self._topics.control, self._client, {f"{PAUSE}/workflow/{name}": encode(pause)})
        except (KafkaError, OSError, TimeoutError, FailureError) as error:
            log.warning(LogEvent.NOTICE_NOT_PUBLISHED, reason=repr(error), notices=1)
            await asyncio.sleep(_RETRY_S)  # the count holds the events meanwhile
        else:
            self._told[name] = tripped.at_ms
            log.warning(LogEvent.BRAKE_TRIPPED, reason=tripped.why)

    async def _pause(self, name: str, tripped: Tripped) -> Pause:
        topic = event_topic(self._topics, self._definitions(), name)
        taken = await next_offsets(self._topics.groups[0], topic, self._client)
        kept_ms = await retention_ms(self._topics, topic, self._client)
        former = self._definitions().pauses.get(f"workflow/{name}")
        return Pause(
            by=BY_BRAKE, why=tripped.why, at_ms=tripped.at_ms, topic=topic,
            until_ms=None if kept_ms is None else tripped.at_ms + kept_ms,
            offsets=lowest(taken, {number: at for (of, number), at in tripped.declined.items() if of == topic}, former),
        )  # fmt: skip


def lowest(taken: Sequence[int], declined: Mapping[int, int], former: Pause | None) -> tuple[int, ...]:
    """From where on events may not have started: what the routers have taken, but for what they declined by then."""
    own = [min(at, declined.get(number, at)) for number, at in enumerate(taken)]
    if former is None or former.by != BY_BRAKE or former.offsets is None or len(former.offsets) != len(own):
        return tuple(own)
    return tuple(map(min, own, former.offsets))
