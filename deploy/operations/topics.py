"""Creates and checks the topics that `stripeline.contracts.topics` defines.

The comparison and its sentences are in `topic_problems`. The partition count never changes: a key that moved to another
partition would lose its order and its state.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from aiokafka.structs import TopicPartition

from stripeline.contracts.operator.operator_vocabulary import TopicProblemKind
from stripeline.contracts.topics import Topics
from stripeline.deploy.definitions import installation
from stripeline.deploy.failure import FailureError
from stripeline.deploy.operations.kafka_abilities import lacking
from stripeline.deploy.operations.kafka_limits import (
    OFFSETS,
    TRANSACTION_LOG,
    InternalTopic,
    KafkaFacts,
    kafka_problems,
)
from stripeline.deploy.operations.topic_problems import (
    Found,
    Surroundings,
    TopicProblem,
    TopicState,
    former_tiers,
    judged,
    paragraph,
    unpinned,
)
from stripeline.deploy.operations.topics_admin import AdminError, Cluster, Layout, connected
from stripeline.workers.kafka.control_table import FormatError, read_all
from stripeline.workers.kafka.partition_reader import log_ends, partition_reader

_DEADLINE_S: Final = 30.0
_LOOKS: Final = 100
_LOOK_AGAIN_S: Final = 0.1

_WHY: Final = (
    "A Kafka that does not keep them can't serve Stripeline: by LogAppendTime a worker knows the broker's clock, and"
    " with another cleanup policy or retention records are lost."
)


class TopicsError(FailureError):
    """Topics, or a Kafka, that can't be used: which, why, and what to do."""


class NotYetError(Exception):
    """Kafka can't serve us now, and may later: a broker is away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """All topics at one moment. `former_tiers`: topics of tiers that were taken away."""

    layout: Layout
    states: Sequence[TopicState]
    former_tiers: Sequence[str]
    problems: Sequence[TopicProblem]

    @property
    def advice(self) -> Sequence[TopicProblem]:
        return [one for state in self.states for one in state.advice]


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """The topics that `apply` created, the settings that it changed, by topic, and the installation of them all."""

    created: tuple[str, ...]
    changed: Mapping[str, Mapping[str, str]]
    installation: installation.Assigned


async def look(
    topics: Topics, partitions: int, client: Mapping[str, Any], *, session_timeout_ms: int | None = None,
    lacks: Sequence[str] = (),
) -> Look:  # fmt: skip
    """Every topic with its problems, and Kafka's own. Raises KafkaError, TimeoutError.

    session_timeout_ms: of a worker's membership; None where the process has none.
    lacks: what Kafka was found to lack.
    """
    async with asyncio.timeout(_DEADLINE_S), connected(client) as cluster:
        found = await _look(cluster, topics, partitions, client)
        of_kafka = kafka_problems(await _facts(cluster, found.layout, lacks), session_timeout_ms)
        return replace(found, problems=[*of_kafka, *found.problems])


async def survey(topics: Topics, partitions: int, client: Mapping[str, Any]) -> Sequence[TopicState]:
    """The required and actual state of every topic. Raises KafkaError, TimeoutError."""
    return (await look(topics, partitions, client)).states


async def check(topics: Topics, partitions: int, client: Mapping[str, Any]) -> list[TopicProblem]:
    """The problems of all topics; a worker may start unless one of them stops it. Raises KafkaError, TimeoutError."""
    return list((await look(topics, partitions, client)).problems)


async def require(
    topics: Topics, partitions: int, client: Mapping[str, Any], *, session_timeout_ms: int | None = None
) -> Look:
    """What there is.

    Raises TopicsError with all problems that keep a process from starting, NotYetError with those that may pass, and
    KafkaError, OSError, TimeoutError.
    """
    lacks = await lacking(client)
    found = await look(topics, partitions, client, session_timeout_ms=session_timeout_ms, lacks=lacks)
    # Ingest has no membership: what concerns groups and transactions must not keep it from taking deliveries.
    problems = [one for one in found.problems if session_timeout_ms is not None or not one.of_workers]
    if stops := [problem for problem in problems if problem.stops and not problem.waits]:
        what = "This Kafka is" if any(one.kind is TopicProblemKind.BROKER for one in stops) else "The topics are"
        raise TopicsError(f"{what} not as they must be. {paragraph(stops)}")
    if waits := [problem for problem in problems if problem.waits]:
        raise NotYetError(paragraph(waits))
    return found


async def auto_creates(client: Mapping[str, Any]) -> bool:
    """Whether Kafka creates a topic for a misspelt name; False if it does not say."""
    async with asyncio.timeout(_DEADLINE_S), connected(client) as cluster:
        settings = await cluster.broker_settings(await cluster.layout())
    return settings.get("auto.create.topics.enable") == "true"


async def _facts(cluster: Cluster, layout: Layout, lacks: Sequence[str]) -> KafkaFacts:
    return KafkaFacts(
        lacks=lacks,
        brokers=len(layout.brokers),
        settings=await cluster.broker_settings(layout),
        internal={
            topic: InternalTopic(
                in_sync=min(in_sync for in_sync, _ in layout.topics[topic]),
                replicas=min(replicas for _, replicas in layout.topics[topic]),
            )
            for topic in (TRANSACTION_LOG, OFFSETS)
            if layout.topics.get(topic)
        },
    )


async def apply(
    topics: Topics, partitions: int, client: Mapping[str, Any], *, replication: int = -1, wanted: str | None = None
) -> Applied:
    """Create missing topics, correct settings, and write the installation's record.

    wanted: the installation's id; None for the one that is stored, or a new one. Raises TopicsError, before any change,
    if that is not enough, and InstallationError.
    """
    async with asyncio.timeout(_DEADLINE_S), connected(client) as cluster:
        found = await _look(cluster, topics, partitions, client)
        refused = [one for one in found.problems if one.refuses_apply]
        if refused:
            raise TopicsError(f"Nothing was changed. {paragraph(refused)}")
        missing = [state.wanted for state in found.states if state.found is None]
        there = {state.wanted.name: state.found for state in found.states if isinstance(state.found, Found)}
        changed = _merged(found.problems)
        await cluster.create(missing, replication=replication)
        await cluster.set(there, changed)
        pinned = await _pinned(cluster, found.states, changed)
        await _kept(cluster, topics, partitions, client)
    async with asyncio.timeout(_DEADLINE_S):
        assigned = await installation.assign(
            topics.control, client, wanted, lambda: _commands_were_sent(topics, partitions, client)
        )
    created = tuple(topic.name for topic in missing)
    return Applied(created=created, changed={**changed, **pinned}, installation=assigned)


async def _commands_were_sent(topics: Topics, partitions: int, client: Mapping[str, Any]) -> bool:
    """Whether any command was ever appended, or taken, however long ago."""
    places = [TopicPartition(topic, at) for topic in (topics.command, topics.ledger) for at in range(partitions)]
    return any((await log_ends(places, client)).values())


async def installation_problem(topics: Topics, client: Mapping[str, Any]) -> TopicProblem | None:
    """What is wrong with the installation's record. Raises ControlError, KafkaError, TimeoutError."""
    try:
        stored = (await read_all(topics.control, client)).installation
    except FormatError as error:
        fault, remedy = f"can't be used: {error}", "see above"
    else:
        if stored is not None:
            return None
        fault, remedy = "has no installation record", "write it with `stripeline topics apply`"
    return TopicProblem(topic=topics.control, kind=TopicProblemKind.INSTALLATION, fault=fault, remedy=remedy)


async def _pinned(
    cluster: Cluster, states: Sequence[TopicState], changed: Mapping[str, Mapping[str, str]]
) -> dict[str, dict[str, str]]:
    """Pin what holds by the cluster's default only. A service that lets nobody pin it keeps its default."""
    there = {state.wanted.name: state.found for state in states if isinstance(state.found, Found)}
    pins = {topic: {**changed.get(topic, {}), **values} for topic, values in unpinned(states).items()}
    try:
        await cluster.set(there, pins)
    except AdminError:
        return {}
    return pins


def _merged(problems: Sequence[TopicProblem]) -> dict[str, dict[str, str]]:
    merged: dict[str, dict[str, str]] = {}
    for problem in problems:
        if problem.settings:
            merged.setdefault(problem.topic, {}).update(problem.settings)
    return merged


async def _look(cluster: Cluster, topics: Topics, partitions: int, client: Mapping[str, Any]) -> Look:
    wanted = topics.all(partitions)
    layout = await cluster.layout()
    found = await cluster.describe(layout, [topic.name for topic in wanted])
    counts = {name: topic.partitions for name, topic in found.items() if isinstance(topic, Found)}
    grown = [topic for topic in wanted if counts.get(topic.name, 0) > topic.partitions]
    former = sorted(name for name in layout.topics if topics.is_retry(name) and name not in topics.retries)
    committed = await cluster.committed(topics.groups) if grown or former else {}
    added = {topic.name: range(topic.partitions, counts[topic.name]) for topic in grown}
    waiting = {name: range(len(layout.topics[name])) for name in former}
    unread = await _records(client, added, {})
    around = Surroundings(
        brokers=len(layout.brokers),
        in_use=max((tp.partition + 1 for tp in committed if tp.topic in found), default=0),
        unread=unread,
    )
    states = judged(wanted, found, around)
    tiers = former_tiers(await _records(client, waiting, committed))
    problems = [*(problem for state in states for problem in state.problems), *tiers]
    return Look(layout=layout, states=states, former_tiers=former, problems=problems)


async def _records(
    client: Mapping[str, Any], partitions: Mapping[str, range], committed: Mapping[TopicPartition, int]
) -> dict[str, int]:
    """How many offsets of these partitions nobody has passed, by topic."""
    places = [TopicPartition(topic, number) for topic, numbers in partitions.items() for number in numbers]
    if not places:
        return {}
    async with partition_reader(client) as reader:
        first, ends = await reader.first_offsets(places), await reader.end_offsets(places)
    return {
        topic: sum(
            max(0, ends[place] - max(first[place], committed.get(place, 0))) for place in places if place.topic == topic
        )
        for topic in partitions
    }


async def _kept(cluster: Cluster, topics: Topics, partitions: int, client: Mapping[str, Any]) -> None:
    """Wait until the broker reports the changes: for a moment it answers with the former state."""
    problems: list[TopicProblem] = []
    for _ in range(_LOOKS):
        found = (await _look(cluster, topics, partitions, client)).problems
        problems = [one for one in found if one.stops or one.missing or one.settings]
        if not problems:
            return
        await asyncio.sleep(_LOOK_AGAIN_S)
    raise TopicsError(f"Kafka took these settings and does not keep them. {paragraph(problems)} {_WHY}")
