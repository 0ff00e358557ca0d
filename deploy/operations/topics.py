"""Creates and checks the topics that `stripeline.contracts.topics` defines.

A pure comparison finds each problem and its remedy. The partition count never changes: a key that moved to another
partition would lose its order and its state.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from stripeline.contracts.topics import Topic, Topics
from stripeline.deploy.failure import FailureError
from stripeline.deploy.operations.rights import grant_text
from stripeline.deploy.operations.topics_admin import Cluster, Denied, Found, connected

_DEADLINE_S = 30.0


class TopicsError(FailureError):
    """Topics that can't be used: which, why, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicProblem:
    """One problem of a topic, with its remedy."""

    topic: str
    fault: str
    remedy: str
    settings: Mapping[str, str] = field(default_factory=dict)
    """The settings that `topics apply` would change; empty if that is not the remedy."""
    missing: bool = False
    denied: Denied | None = None
    """The rights that this user lacks, so that the topic can't be judged."""

    @property
    def sentence(self) -> str:
        return f"{self.topic} {self.fault}: {self.remedy}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicState:
    """A topic's required state, actual state and problems."""

    wanted: Topic
    found: Found | Denied | None
    problems: tuple[TopicProblem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """The topics that `apply` created, and the settings that it changed, by topic."""

    created: tuple[str, ...]
    changed: Mapping[str, Mapping[str, str]]


def judge(wanted: Topic, found: Found | Denied | None) -> tuple[TopicProblem, ...]:
    """The problems of one topic."""
    if found is None:
        remedy = "create it with `stripeline topics apply`"
        return (TopicProblem(topic=wanted.name, fault="does not exist", remedy=remedy, missing=True),)
    if isinstance(found, Denied):
        what = "may not be seen, if it exists" if found.hidden else "has settings that may not be seen"
        fault = f"{what}, by {found.principal}"
        return (TopicProblem(topic=wanted.name, fault=fault, remedy=found.remedy, denied=found),)
    return (*_partitions(wanted, found), *_settings(wanted, found))


def _partitions(wanted: Topic, found: Found) -> tuple[TopicProblem, ...]:
    if found.partitions == wanted.partitions:
        return ()
    remedy = (
        "delete it, and `stripeline topics apply` creates it anew with one"
        if wanted.partitions == 1
        else f"set STRIPELINE_PARTITIONS={found.partitions}, or choose a new STRIPELINE_TOPIC_PREFIX: the number is for"
        " ever, because keys that change partition lose their order and their state"
    )
    fault = f"has {found.partitions} partitions, not {wanted.partitions}"
    return (TopicProblem(topic=wanted.name, fault=fault, remedy=remedy),)


def _settings(wanted: Topic, found: Found) -> tuple[TopicProblem, ...]:
    return tuple(
        TopicProblem(
            topic=wanted.name,
            fault=f"has {name}={found.config.get(name)}, not {value}",
            remedy="`stripeline topics apply` sets it",
            settings={name: value},
        )
        for name, value in wanted.config.items()
        if found.config.get(name) != value
    )


async def survey(topics: Topics, partitions: int, client: Mapping[str, Any]) -> list[TopicState]:
    """The required and actual state of every topic. Raises KafkaError, TimeoutError."""
    async with asyncio.timeout(_DEADLINE_S), connected(client) as cluster:
        return await _states(cluster, topics.all(partitions))


async def check(topics: Topics, partitions: int, client: Mapping[str, Any]) -> list[TopicProblem]:
    """The problems of all topics; empty if a worker may start. Raises KafkaError, TimeoutError."""
    return [problem for state in await survey(topics, partitions, client) for problem in state.problems]


async def require(topics: Topics, partitions: int, client: Mapping[str, Any]) -> None:
    """Raise TopicsError with all problems, unless there are none."""
    problems = await check(topics, partitions, client)
    if problems:
        raise TopicsError(f"The topics are not as they must be. {paragraph(problems)}")


def paragraph(problems: Sequence[TopicProblem]) -> str:
    """Problems as sentences; one that several topics share is stated once."""
    alike: dict[tuple[str, str], list[str]] = {}
    for problem in problems:
        remedy = "" if problem.denied else problem.remedy
        alike.setdefault((problem.fault, remedy), []).append(problem.topic)
    denied = [problem.denied for problem in problems if problem.denied]
    grants = grant_text([right for one in denied for right in one.rights], denied[0].principal) if denied else ""
    return " ".join(f"{', '.join(names)} {fault}: {remedy or grants}." for (fault, remedy), names in alike.items())


async def auto_creates(client: Mapping[str, Any]) -> bool:
    """Whether Kafka creates a topic for a misspelt name; False if it does not say."""
    async with asyncio.timeout(_DEADLINE_S), connected(client) as cluster:
        return await cluster.auto_creates()


async def apply(topics: Topics, partitions: int, client: Mapping[str, Any], *, replication: int = -1) -> Applied:
    """Create missing topics and correct settings. Raises TopicsError, before any change, if that is not enough."""
    async with asyncio.timeout(_DEADLINE_S), connected(client) as cluster:
        states = await _states(cluster, topics.all(partitions))
        problems = [problem for state in states for problem in state.problems]
        refused = [problem for problem in problems if not problem.missing and not problem.settings]
        if refused:
            raise TopicsError(f"Nothing was changed. {paragraph(refused)}")
        missing = [state.wanted for state in states if state.found is None]
        changed = _merged(problems)
        await cluster.create(missing, replication=replication)
        await cluster.set(
            {state.wanted.name: state.found for state in states if isinstance(state.found, Found)}, changed
        )
        await _settled(cluster, topics.all(partitions))
    return Applied(created=tuple(topic.name for topic in missing), changed=changed)


def _merged(problems: Sequence[TopicProblem]) -> dict[str, dict[str, str]]:
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
    """Wait until the broker reports the changes: for a moment it answers with the former state."""
    while any(state.problems for state in await _states(cluster, wanted)):  # noqa: ASYNC110
        await asyncio.sleep(0.05)  # Kafka has no event to wait for
