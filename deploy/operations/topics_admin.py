"""Describes, creates and configures topics in Kafka. Makes no decisions.

Kafka leaves out of a list what the user may not see. So topics are asked for by name: one that does not exist, and one
that this user may not see, have different answers.
"""

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    InvalidConfigurationError,
    PolicyViolationError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    for_code,
)
from aiokafka.structs import TopicPartition

from stripeline.contracts.topics import PINNED, Topic
from stripeline.deploy.failure import FailureError
from stripeline.deploy.operations.aiokafka_internals import NamedTopic, topic_metadata
from stripeline.deploy.operations.connection_errors import cleaned
from stripeline.deploy.operations.rights import Operation, ResourceKind, Right
from stripeline.deploy.operations.topic_problems import Denied, Found
from stripeline.workers.kafka.client_start import start_within

_START_S: Final = 60.0
"""More than aiokafka itself waits for one bootstrap address."""
_CREATE_TIMEOUT_MS: Final = 5_000
"""Below the 6 s in which a client wants its answer."""
# https://kafka.apache.org/protocol.html: where a value comes from; 1 is what was set on the topic itself.
_SET_ON_TOPIC: Final = 1
_UNAUTHORIZED: Final = TopicAuthorizationFailedError.errno
_MAY_BE_PINS: Final = frozenset({InvalidConfigurationError.errno, PolicyViolationError.errno})


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The brokers that are alive, and every topic with the replicas in sync of each partition, and all its replicas."""

    brokers: tuple[int, ...]
    topics: Mapping[str, Sequence[tuple[int, int]]]

    def replicas(self, topic: str) -> int | None:
        """Of the partition that has the fewest; None where this user may not see it."""
        return min((replicas for _, replicas in self.topics.get(topic, ())), default=None)


class AdminError(FailureError):
    """Kafka refused to create or configure a topic."""


class Cluster:
    """The topics of one Kafka."""

    def __init__(self, admin: AIOKafkaAdminClient, principal: str) -> None:
        self._admin, self._principal = admin, principal

    async def layout(self) -> Layout:
        """Brokers and topics."""
        cluster = await self._admin.describe_cluster()
        topics = await self._admin.describe_topics()
        return Layout(
            brokers=tuple(broker["node_id"] for broker in cluster["brokers"]),
            topics={
                topic["topic"]: [(len(one["isr"]), len(one["replicas"])) for one in topic["partitions"]]
                for topic in topics
            },
        )

    async def describe(self, layout: Layout, names: Sequence[str]) -> dict[str, Found | Denied]:
        """The topics that exist, by name, and those of which this user may not know it."""
        known, _ = await topic_metadata(self._admin, names)
        partitions = {name: len(topic.partitions) for name, topic in known.items() if topic.partitions}
        hidden = [name for name, topic in known.items() if topic.error_code == _UNAUTHORIZED]
        asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in (*partitions, *hidden)]
        answers = await self._answers(asked)
        found: dict[str, Found | Denied] = {}
        for name, answer in answers.items():
            missing = [Operation.DESCRIBE] if name in hidden else []
            if answer["error_code"] == _UNAUTHORIZED:
                missing.append(Operation.DESCRIBE_CONFIGS)
            if missing:
                found[name] = self._denied(name, *missing)
            elif answer["error_code"] == 0:
                found[name] = _found(partitions[name], layout.replicas(name), answer["config_entries"])
        return found

    async def partitions(self, name: str) -> list[int]:
        """The partitions of a topic. Raises FailureError if it does not exist, or may not be seen."""
        return list((await self.named(name)).partitions)

    async def named(self, name: str) -> NamedTopic:
        """A topic, with the partitions that have no leader. Raises as `partitions` does."""
        found, missing = await self.all_named([name])
        if name in missing:
            raise FailureError(missing[name])
        return found[name]

    async def all_named(self, names: Sequence[str]) -> tuple[Mapping[str, NamedTopic], Mapping[str, str]]:
        """Those of these topics that there are; and of each other, why it is not."""
        found: dict[str, NamedTopic] = {}
        missing: dict[str, str] = {}
        answers, _ = await topic_metadata(self._admin, names)
        for name in names:
            topic = answers.get(name)
            if topic is not None and topic.error_code == _UNAUTHORIZED:
                denied = self._denied(name, Operation.READ)
                missing[name] = f"{denied.principal} may not see the topic {name}, if it exists: {denied.remedy}."
            elif topic is None or not topic.partitions:
                missing[name] = f"The topic {name} does not exist. Create it with `stripeline topics apply`."
            else:
                found[name] = topic
        return found, missing

    def _denied(self, name: str, *operations: Operation) -> Denied:
        rights = tuple(Right(resource=ResourceKind.TOPIC, name=name, operation=operation) for operation in operations)
        return Denied(rights=rights, principal=self._principal)

    async def broker_settings(self, layout: Layout) -> Mapping[str, str]:
        """The settings of one broker; none where it does not say."""
        broker = ConfigResource(ConfigResourceType.BROKER, str(layout.brokers[0]))
        answers = await self._answers([broker])
        return {
            one["config_names"]: one["config_value"]
            for answer in answers.values()
            if not answer["error_code"]
            for one in answer["config_entries"]
        }

    async def committed(self, groups: Sequence[str]) -> Mapping[TopicPartition, int]:
        """What these groups have committed; nothing of a group that this user may not describe."""
        found: dict[TopicPartition, int] = {}
        for group in groups:
            with contextlib.suppress(GroupAuthorizationFailedError):
                offsets = await self._admin.list_consumer_group_offsets(group)
                found |= {place: one.offset for place, one in offsets.items() if one.offset >= 0}
        return found

    async def create(self, topics: Sequence[Topic], *, replication: int) -> None:
        """Create topics. One that exists by now is not an error."""
        if not topics:
            return
        # With an empty assignment this client lets the broker apply its default replication factor, -1.
        new = [
            NewTopic(
                topic.name,
                topic.partitions,
                replication,
                replica_assignments={} if replication == -1 else None,
                topic_configs={**topic.config, **topic.created_with},
            )
            for topic in topics
        ]
        response = await self._admin.create_topics(new, timeout_ms=_CREATE_TIMEOUT_MS)
        refused = {name: code for name, code, _ in response.topic_errors if code}
        unpinned = [_least(topic) for topic in topics if topic.name in refused]
        if refused and _MAY_BE_PINS.issuperset(refused.values()) and any(one not in topics for one in unpinned):
            # A service that lets nobody set a pin, such as Confluent Cloud: its default is checked like a pin.
            await self.create(unpinned, replication=replication)
            return
        for name, code, message in response.topic_errors:
            if code not in {0, TopicAlreadyExistsError.errno}:
                raise AdminError(self._refused("create", Operation.CREATE, name, code, message))

    async def set(self, found: Mapping[str, Found], changes: Mapping[str, Mapping[str, str]]) -> None:
        """Change these settings and keep the others: the request replaces all settings of a topic."""
        if not changes:
            return
        resources = [
            ConfigResource(ConfigResourceType.TOPIC, name, {**found[name].own, **wanted})
            for name, wanted in changes.items()
        ]
        for response in await self._admin.alter_configs(resources):
            for code, message, _, name in response.resources:
                if code:
                    raise AdminError(self._refused("configure", Operation.ALTER_CONFIGS, name, code, message))

    async def _answers(self, resources: Sequence[ConfigResource]) -> dict[str, dict[str, Any]]:
        """The answer about the settings of each resource, by its name: an error code, or the settings."""
        if not resources:
            return {}
        answers = await self._admin.describe_configs(list(resources))
        return {one["resource_name"]: one for answer in answers for one in answer.to_object()["resources"]}

    def _refused(self, verb: str, operation: Operation, name: str, code: int, message: str | None) -> str:
        if code == _UNAUTHORIZED:
            denied = self._denied(name, operation)
            return f"{denied.principal} may not {verb} the topic {name}: {denied.remedy}."
        return f"Kafka refused to {verb} the topic {name}: {cleaned(message or for_code(code).__name__)}."


def _found(partitions: int, replicas: int | None, entries: Sequence[Mapping[str, Any]]) -> Found:
    return Found(
        partitions=partitions,
        replicas=replicas,
        config={entry["config_names"]: entry["config_value"] for entry in entries},
        own={
            entry["config_names"]: entry["config_value"] for entry in entries if entry["config_source"] == _SET_ON_TOPIC
        },
    )


def principal_of(client: Mapping[str, Any]) -> str:
    """The user as Kafka's authorizer calls it, as far as the client's options show it."""
    protocol = str(client.get("security_protocol", "PLAINTEXT"))
    if protocol.startswith("SASL_"):
        user = client.get("sasl_plain_username")
        return f"User:{user}" if user else "the user of the token"
    return "the user of the client certificate" if protocol == "SSL" else "User:ANONYMOUS"


@contextlib.asynccontextmanager
async def connected(client: Mapping[str, Any]) -> AsyncIterator[Cluster]:
    admin = AIOKafkaAdminClient(**client)
    try:
        await start_within(admin.start(), _START_S)
        yield Cluster(admin, principal_of(client))
    finally:
        await admin.close()


def _least(topic: Topic) -> Topic:
    """With the settings only that no default can replace."""
    config = {name: value for name, value in topic.config.items() if name not in PINNED}
    return replace(topic, config=config, created_with={})
