"""Reads Stripe's notices of the last day every few minutes, for the page that says what needs a person."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

import structlog
from aiokafka.errors import KafkaError

from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import LogEvent
from stripeline.deploy.failure import FailureError
from stripeline.deploy.operations.status.facts import Tally
from stripeline.deploy.operations.status.gather import unmade_of_a_day

NOTICES: Final = "Stripe's notices"
_EVERY_S: Final = 120.0
_ASK_S: Final = 20.0
log = structlog.get_logger(__name__)


class NoticeWatch:
    """Reads while `run` is awaited. words: says what an error of Kafka's means."""

    def __init__(self, topics: Topics, client: Mapping[str, Any], words: Callable[[Exception], str] = str) -> None:
        self._topics, self._client, self._words = topics, client, words
        self._found: Tally | None = None
        self._why: str | None = None

    def unmade(self) -> Tally | None:
        """By the type of the object, as of the last look; None before it, and where it failed."""
        return self._found

    def not_known(self) -> Mapping[str, str]:
        """Why that is not known, for the pages."""
        return {} if self._why is None else {NOTICES: self._why}

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(_EVERY_S)

    async def look(self) -> None:
        """Once, within 20 s."""
        try:
            async with asyncio.timeout(_ASK_S):
                self._found, self._why = await unmade_of_a_day(self._topics, self._client), None
        except TimeoutError:
            self._fail(f"Kafka did not say it within {_ASK_S:g} s")
        except (KafkaError, FailureError, OSError) as error:
            self._fail(self._words(error) or type(error).__name__)
        except Exception:
            log.exception(LogEvent.FOLLOWER_FAILED, topic=NOTICES)
            self._fail("a fault of Stripeline; the log has the traceback")

    def _fail(self, why: str) -> None:
        self._found, self._why = None, why
