"""The words for an error of Kafka's in the log and in `/readyz`, the same as the command prints.

A right that is missing is named at once. Why Kafka can't be reached takes a connection by hand: it is looked for in the
background, one at a time, is logged once per finding, and until then the library's own words stand. So no component
waits for it.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import structlog
from aiokafka.errors import KafkaConnectionError, NoBrokersAvailable, NodeNotReadyError

from stripeline.contracts.vocabulary import LogEvent
from stripeline.deploy.operations.connection_errors import cleaned
from stripeline.deploy.operations.connection_probe import why_unreachable
from stripeline.deploy.operations.denials import denial
from stripeline.deploy.operations.rights import Purpose
from stripeline.deploy.settings.settings import Settings

log = structlog.get_logger(__name__)

_FRESH_S: Final = 30.0
_AGAIN_AFTER_S: Final = 5.0
UNREACHABLE: Final = (KafkaConnectionError, NoBrokersAvailable, NodeNotReadyError, TimeoutError, OSError)
"""What says that Kafka did not answer, and not why."""


class KafkaErrors:
    """Called with an error, it returns the words."""

    def __init__(self, settings: Settings, client: Mapping[str, Any], purposes: Sequence[Purpose]) -> None:
        self._settings, self._client, self._purposes = settings, client, purposes
        self._cause: str | None = None
        self._found_s = float("-inf")
        self._probe: asyncio.Task[str | None] | None = None

    def __call__(self, error: BaseException) -> str:
        if (text := self._denial(error)) is not None:
            return text
        if isinstance(error, UNREACHABLE):
            self._look()
            if self._cause is not None and time.monotonic() - self._found_s < _FRESH_S:
                return self._cause
        return cleaned(str(error) or type(error).__name__)

    async def cause(self, error: BaseException, within_s: float) -> str:
        """The words, once the cause is found, at most `within_s` later."""
        if isinstance(error, UNREACHABLE) and self._denial(error) is None:
            probe = self._look()
            if probe is not None:
                await asyncio.wait((probe,), timeout=within_s)
        return self(error)

    async def close(self) -> None:
        if self._probe is not None:
            self._probe.cancel()
            await asyncio.wait((self._probe,))

    def _denial(self, error: BaseException) -> str | None:
        return denial(error, self._purposes, self._settings.topics, self._client)

    def _look(self) -> "asyncio.Task[str | None] | None":
        """Begin to look for the cause, unless that was just done; the task that does it."""
        running = self._probe is not None and not self._probe.done()
        if not running and time.monotonic() - self._found_s >= _AGAIN_AFTER_S:
            self._probe = asyncio.create_task(self._looked(), name="why Kafka can't be reached")
        return self._probe

    async def _looked(self) -> str | None:
        try:
            found = await why_unreachable(self._settings, self._client)
        except Exception as error:  # noqa: BLE001  it explains an error, and must not become one
            found = None
            log.debug(LogEvent.KAFKA_UNREACHABLE, reason=f"not explained: {type(error).__name__}")
        if found is not None and found != self._cause:
            log.warning(LogEvent.KAFKA_UNREACHABLE, reason=found)
        self._cause, self._found_s = found, time.monotonic()
        return found
