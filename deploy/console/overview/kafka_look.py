"""Asks Kafka something again and again, for the page that says what needs a person: what it found, or why not."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Generic, TypeVar

import structlog
from aiokafka.errors import KafkaError

from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import LogEvent
from stripeline.deploy.failure import FailureError
from stripeline.deploy.operations.status.backlog import GROUPS, Backlog, read_backlog
from stripeline.deploy.operations.status.facts import Tally
from stripeline.deploy.operations.status.gather import unmade_of_a_day

NOTICES: Final = "Stripe's notices"
_BACKLOG_EVERY_S: Final = 30.0
_NOTICES_EVERY_S: Final = 120.0
_ASK_S: Final = 20.0
log = structlog.get_logger(__name__)
Found = TypeVar("Found")


class KafkaLook(Generic[Found]):
    """Looks while `run` is awaited.

    name: of what is looked for, on the pages. nothing: what is shown where it is not known.
    words: says what an error of Kafka's means. why: what the pages say before the first look.
    """

    def __init__(
        self, name: str, read: Callable[[], Awaitable[Found]], *, every_s: float, nothing: Found,
        words: Callable[[Exception], str] = str, why: str | None = None,
    ) -> None:  # fmt: skip
        self._name, self._read, self._every_s, self._words = name, read, every_s, words
        self._found = self._nothing = nothing
        self._why = why

    def found(self) -> Found:
        """As of the last look; nothing where it failed."""
        return self._found

    def not_known(self) -> Mapping[str, str]:
        """Why that is not known, for the pages."""
        return {} if self._why is None else {self._name: self._why}

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(self._every_s)

    async def look(self) -> None:
        """Once, within 20 s."""
        try:
            async with asyncio.timeout(_ASK_S):
                self._found, self._why = await self._read(), None
        except TimeoutError:
            self._fail(f"Kafka did not say it within {_ASK_S:g} s")
        except (KafkaError, FailureError, OSError) as error:
            self._fail(self._words(error) or type(error).__name__)
        except Exception:
            log.exception(LogEvent.FOLLOWER_FAILED, topic=self._name)
            self._fail("a fault of Stripeline; the log has the traceback")

    def _fail(self, why: str) -> None:
        self._found, self._why = self._nothing, why


def backlog_look(topics: Topics, client: Mapping[str, Any], words: Callable[[Exception], str]) -> KafkaLook[Backlog]:
    """What the groups have not read."""
    return KafkaLook(
        GROUPS, lambda: read_backlog(topics, client), every_s=_BACKLOG_EVERY_S, nothing=Backlog(), words=words,
        why="Kafka is being asked",
    )  # fmt: skip


def notices_look(
    topics: Topics, client: Mapping[str, Any], words: Callable[[Exception], str]
) -> KafkaLook[Tally | None]:
    """The events of the last day that Stripe failed to make, by the type of the object."""

    async def read() -> Tally | None:
        return await unmade_of_a_day(topics, client)

    return KafkaLook(NOTICES, read, every_s=_NOTICES_EVERY_S, nothing=None, words=words)
