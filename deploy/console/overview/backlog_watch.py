"""Asks Kafka every half minute what the groups have not read, for the page that says what needs a person."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

import structlog
from aiokafka.errors import KafkaError

from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import LogEvent
from stripeline.deploy.failure import FailureError
from stripeline.deploy.operations.status.backlog import GROUPS, Backlog, read_backlog

_EVERY_S: Final = 30.0
_ASK_S: Final = 20.0
log = structlog.get_logger(__name__)


class BacklogWatch:
    """Asks while `run` is awaited. words: says what an error of Kafka's means."""

    def __init__(self, topics: Topics, client: Mapping[str, Any], words: Callable[[Exception], str] = str) -> None:
        self._topics, self._client, self._words = topics, client, words
        self._found = Backlog()
        self._why: str | None = "Kafka is being asked"

    def backlog(self) -> Backlog:
        """As of the last look; nothing where it failed."""
        return self._found

    def not_known(self) -> Mapping[str, str]:
        """Why that is not known, for the pages."""
        return {} if self._why is None else {GROUPS: self._why}

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(_EVERY_S)

    async def look(self) -> None:
        """Once, within 20 s."""
        try:
            async with asyncio.timeout(_ASK_S):
                self._found, self._why = await read_backlog(self._topics, self._client), None
        except TimeoutError:
            self._fail(f"Kafka did not say it within {_ASK_S:g} s")
        except (KafkaError, FailureError, OSError) as error:
            self._fail(self._words(error) or type(error).__name__)
        except Exception:
            log.exception(LogEvent.FOLLOWER_FAILED, topic=GROUPS)
            self._fail("a fault of Stripeline; the log has the traceback")

    def _fail(self, why: str) -> None:
        self._found, self._why = Backlog(), why
