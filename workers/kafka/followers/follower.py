"""Runs a reader for as long as it is wanted, and opens it again, from the bootstrap list, after whatever ended it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from aiokafka.errors import KafkaError

from stripeline.contracts.vocabulary import LogEvent

LOOK_EVERY_S: Final = 0.5
_RETRY_S: Final = (0.5, 2.0, 5.0)
log = structlog.get_logger(__name__)


class Follower:
    """follow: reads until it is not wanted any more. wanted: whether anything needs it; without that it costs nothing.

    words: says what an error of Kafka's means.
    """

    def __init__(
        self, topic: str, follow: Callable[[], Awaitable[None]], wanted: Callable[[], bool],
        words: Callable[[Exception], str] = repr,
    ) -> None:  # fmt: skip
        self._topic, self._follow, self._wanted, self._words = topic, follow, wanted, words
        self._why: str | None = None

    def missing(self) -> str | None:
        """Why the topic can't be read; None when all is well."""
        return self._why if self._wanted() else None

    def well(self) -> None:
        self._why = None

    async def run(self) -> None:
        """Until it is cancelled."""
        failures = 0
        while True:
            if not self._wanted():
                await asyncio.sleep(LOOK_EVERY_S)
                continue
            try:
                await self._follow()
                failures = 0
            except (KafkaError, OSError, TimeoutError) as error:
                said = self._words(error) or type(error).__name__
                self._why = f"{self._topic} can't be read, so commands of connections with limits or `own` wait: {said}"
                log.warning(LogEvent.FOLLOWER_FAILED, topic=self._topic, reason=said)
                await asyncio.sleep(_RETRY_S[min(failures, len(_RETRY_S) - 1)])
                failures += 1
