"""Creates and checks the topics as `stripeline.contracts.topics` has them. Decides no fact about a topic itself.

What is wrong is found by a pure comparison and said in a sentence that mends it. It never changes the number of
partitions: a key that moved to another partition would lose its order and its state.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from stripeline.contracts.topics import Topic, Topics
from stripeline.deploy.failure import FailureError
from stripeline.deploy.operations.topics_admin import Cluster, Found, connected

_DEADLINE_S = 30.0


class TopicsError(FailureError):
    """Topics that can't be used as they are: which, why, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong with a topic, with the sentence that mends it."""

    topic: str
    fault: str
    mend: str
    settings: Mapping[str, str] = field(default_factory=dict)
    """What `topics apply` would set; empty for what it can't mend so."""
    missing: bool = False

    @property
    def sentence(self) -> str:
        return f"{self.topic} {self.fault}: {self.mend}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicState:
    """A topic as it must be, as it is, and what is wrong with it."""

    wanted: Topic
    found: Found | None
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What `apply` has done: topics created, and settings mended by topic."""

    created: tuple[str, ...]
    mended: Mapping[str, Mapping[str, str]]


def judge(wanted: Topic, found: Found | None) -> tuple[Problem, ...]:
    """What is wrong with one topic."""
    if found is None:
        mend = "create it with `stripeline topics apply`"
        return (Problem(topic=wanted.name, fault="does not exist", mend=mend, missing=True),)
    return (*_partitions(wanted, found), *_settings(wanted, found))


def _partitions(wanted: Topic, found: Found) -> tuple[Problem, ...]:
    if found.partitions == wanted.partitions:
        return ()
    mend = (
        "delete it, and `stripeline topics apply` creates it anew with one"
        if wanted.partitions == 1
        else f"set STRIPELINE_PARTITIONS={found.partitions}, or choose a new STRIPELINE_TOPIC_PREFIX: the number is for"
        " ever, because keys that change partition lose their order and their state"
    )
    fault = f"has {found.partitions} partitions, not {wanted.partitions}"
    return (Problem(topic=wanted.name, fault=fault, mend=mend),)


def _settings(wanted: Topic, found: Found) -> tuple[Problem, ...]:
    return tuple(
        Problem(
            topic=wanted.name,
            fault=f"has {name}={found.config.get(name)}, not {value}",
            mend="`stripeline topics apply` sets it",
            settings={name: value},
        )
        for name, value in wanted.config.items()
        if found.config.get(name) != value
    )


async def survey(topics: Topics, partitions: int, client: Mapping[str, Any]) -> list[TopicState]:
    """Every topic as it must be beside what it is. Raises KafkaError, TimeoutError."""
    async with asyncio.timeout(_DEADLINE_S), connected(client) as cluster:
        return await _states(cluster, topics.all(partitions))


async def check(topics: Topics, partitions: int, client: Mapping[str, Any]) -> list[Problem]:
    """What is wrong with the topics; empty when a worker may start. Raises KafkaError, TimeoutError."""
    return [problem for state in await survey(topics, partitions, client) for problem in state.problems]


async def require(topics: Topics, partitions: int, client: Mapping[str, Any]) -> None:
    """Raise TopicsError, with every sentence, unless the topics are as they must be."""
    problems = await check(topics, partitions, client)
    if problems:
        raise TopicsError(f"The topics are not as they must be. {paragraph(problems)}")


def paragraph(problems: Sequence[Problem]) -> str:
    """Problems as sentences; what is wrong with many topics alike is said once."""
    alike: dict[tuple[str, str], list[str]] = {}
    for problem in problems:
        alike.setdefault((problem.fault, problem.mend), []).append(problem.topic)
    return " ".join(f"{', '.join(names)} {fault}: {mend}." for (fault, mend), names in alike.items())


async def auto_creates(client: Mapping[str, Any]) -> bool:
    """Whether Kafka creates a topic at a misspelt name; False where it does not tell."""
    async with asyncio.timeout(_DEADLINE_S), connected(client) as cluster:
        return await cluster.auto_creates()


async def apply(topics: Topics, partitions: int, client: Mapping[str, Any], *, replication: int = -1) -> Applied:
    """Create what is missing and mend settings. Raises TopicsError, before any change, for what can't be mended."""
    async with asyncio.timeout(_DEADLINE_S), connected(client) as cluster:
        states = await _states(cluster, topics.all(partitions))
        problems = [problem for state in states for problem in state.problems]
        refused = [problem for problem in problems if not problem.missing and not problem.settings]
        if refused:
            raise TopicsError(f"Nothing was changed. {paragraph(refused)}")
        missing = [state.wanted for state in states if state.found is None]
        mended = _merged(problems)
        await cluster.create(missing, replication=replication)
        await cluster.set({state.wanted.name: state.found for state in states if state.found}, mended)
        await _settled(cluster, topics.all(partitions))
    return Applied(created=tuple(topic.name for topic in missing), mended=mended)


def _merged(problems: Sequence[Problem]) -> dict[str, dict[str, str]]:
    merged: dict[str, dict[str, str]] = {}
    for problem in problems:
        if problem.settings:
            merged.setdefault(problem.topic, {}).update(problem.settings)
    return merged


async def _states(cluster: Cluster, wanted: Sequence[Topic]) -> list[TopicState]:
    found = await cluster.describe([topic.name for topic in wanted])
    return [
        TopicState(wanted=topic, found=found.get(topic.name), problems=judge(topic, found.get(topic.name)))
        for topic in wanted
    ]


async def _settled(cluster: Cluster, wanted: Sequence[Topic]) -> None:
    """Wait until the broker shows what it has taken: for a moment it answers with the topics as they were."""
    while any(state.problems for state in await _states(cluster, wanted)):  # noqa: ASYNC110
        await asyncio.sleep(0.05)  # Kafka has no event to wait for
