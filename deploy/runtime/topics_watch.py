"""Looks at the topics while the process runs: what has changed since its start is said within half a minute.

What keeps the process from its work is a check of `/readyz`; any other problem is a warning, and all of them are a
metric. A look that fails keeps the last one's answer: other checks say that Kafka is away.
"""

import asyncio
import contextlib
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

import structlog
from aiokafka.errors import KafkaError

from stripeline.contracts.operator.operator_vocabulary import TopicProblemKind
from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import LogEvent
from stripeline.deploy.operations.topic_problems import TopicProblem, paragraph, recreated
from stripeline.deploy.operations.topics import Look, look, require
from stripeline.workers.kafka.aiokafka_topic_ids_internals import topic_ids

LOOK_EVERY_S: Final = 15.0
_FIRST_S: Final = 1.0
_LOOK_S: Final = 30.0
_HOLDS_UP: Final = frozenset({TopicProblemKind.MISSING, TopicProblemKind.TOO_FEW_PARTITIONS})
log = structlog.get_logger(__name__)


class TopicsWatch:
    """The topics of one process, as of the last look."""

    def __init__(
        self, topics: Topics, partitions: int, client: Mapping[str, Any], session_timeout_ms: int | None = None
    ) -> None:
        self._topics, self._partitions, self._client = topics, partitions, client
        self._session_timeout_ms = session_timeout_ms
        self._last: Look | None = None
        self._logged: frozenset[str] = frozenset()
        self._ids: dict[str, str] = {}
        self._recreated: dict[str, TopicProblem] = {}
        self.on_recreated: list[Callable[[str], None]] = []

    @property
    def former_tiers(self) -> Sequence[str]:
        """Topics of tiers that were taken away."""
        return () if self._last is None else sorted(self._last.former_tiers)

    @property
    def problems(self) -> Sequence[TopicProblem]:
        return (*self.faults, *self.advice)

    @property
    def advice(self) -> Sequence[TopicProblem]:
        """What the topics could do better."""
        return () if self._last is None else self._last.advice

    @property
    def faults(self) -> Sequence[TopicProblem]:
        return () if self._last is None else (*self._last.problems, *self._recreated.values())

    async def require(self) -> None:
        """The first look. Raises what `stripeline.deploy.operations.topics.require` does."""
        limit = self._session_timeout_ms
        self._note(await require(self._topics, self._partitions, self._client, session_timeout_ms=limit))
        await self._compare_ids()

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await asyncio.sleep(_FIRST_S if self._last is None else LOOK_EVERY_S)
            with contextlib.suppress(KafkaError, OSError, TimeoutError):
                async with asyncio.timeout(_LOOK_S):
                    limit = self._session_timeout_ms
                    found = await look(self._topics, self._partitions, self._client, session_timeout_ms=limit)
                    await self._compare_ids()
                    self._note(found)

    def missing(self, needed: Collection[str]) -> str | None:
        """What of the topics keeps a process from its work, in words. `needed`: those that it can't be without."""
        return _words([one for one in self.problems if one.kind in _HOLDS_UP and one.topic in needed])

    def all_missing(self, topics: Collection[str]) -> str | None:
        """The same, where any one of them would do."""
        held_up = {one.topic for one in self.problems if one.kind in _HOLDS_UP}
        return self.missing(topics) if held_up.issuperset(topics) else None

    def exists(self, topic: str) -> bool:
        """Whether it was there at the last look."""
        return not any(one.missing and one.topic == topic for one in self.problems)

    def warnings(self) -> str | None:
        """What else is wrong with the topics."""
        return _words(self.faults)

    async def _compare_ids(self) -> None:
        """A topic that was created again has its name and another id."""
        ids = await topic_ids([topic.name for topic in self._topics.all(self._partitions)], self._client)
        changed = [topic for topic, now in ids.items() if self._ids.get(topic, now) != now]
        self._ids |= ids
        for topic in changed:
            self._recreated[topic] = recreated(topic, self._topics)
            for tell in self.on_recreated:
                tell(topic)

    def _note(self, found: Look) -> None:
        self._last = found
        said = frozenset(problem.sentence for problem in self.faults)
        for sentence in sorted(said - self._logged):
            log.warning(LogEvent.TOPIC_PROBLEM, problem=sentence)
        self._logged = said


def _words(problems: Sequence[TopicProblem]) -> str | None:
    return paragraph(problems) or None
