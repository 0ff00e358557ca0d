"""Describes, creates and configures topics in Kafka. Makes no decisions."""

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, for_code

from stripeline.contracts.topics import Topic
from stripeline.deploy.failure import FailureError

_REQUEST_TIMEOUT_MS: Final = 10_000
# https://kafka.apache.org/protocol.html: where a value comes from; 1 is what was set on the topic itself.
_SET_ON_TOPIC: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The actual state of a topic. `own`: the settings that were set on the topic itself."""

    partitions: int
    config: Mapping[str, str]
    own: Mapping[str, str]


class AdminError(FailureError):
    """Kafka refused to create or configure a topic."""


class Cluster:
    """The topics of one Kafka."""

    def __init__(self, admin: AIOKafkaAdminClient) -> None:
        self._admin = admin

    async def describe(self, names: Sequence[str]) -> dict[str, Found]:
        """The topics that exist, by name."""
        # Describes all topics: a broker with automatic creation would create a topic that is described by name.
        known = {topic["topic"]: len(topic["partitions"]) for topic in await self._admin.describe_topics()}
        there = [name for name in names if name in known]
        entries = await self._entries([ConfigResource(ConfigResourceType.TOPIC, name) for name in there])
        return {
            name: Found(
                partitions=known[name],
                config={entry["config_names"]: entry["config_value"] for entry in entries[name]},
                own={
                    entry["config_names"]: entry["config_value"]
                    for entry in entries[name]
                    if entry["config_source"] == _SET_ON_TOPIC
                },
            )
            for name in there
            if name in entries
        }

    async def partitions(self, name: str) -> list[int]:
        """The partitions of a topic. Raises FailureError if it does not exist."""
        for topic in await self._admin.describe_topics():
            if topic["topic"] == name:
                return sorted(partition["partition"] for partition in topic["partitions"])
        raise FailureError(f"The topic {name} does not exist. Create it with `stripeline topics apply`.")

    async def auto_creates(self) -> bool:
        """Whether Kafka creates a topic that a client asks for; False if it does not say."""
        cluster = await self._admin.describe_cluster()
        broker = ConfigResource(ConfigResourceType.BROKER, str(cluster["brokers"][0]["node_id"]))
        entries = await self._entries([broker])
        return any(
            entry["config_names"] == "auto.create.topics.enable" and entry["config_value"] == "true"
            for described in entries.values()
            for entry in described
        )

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
                topic_configs=dict(topic.config),
            )
            for topic in topics
        ]
        response = await self._admin.create_topics(new, timeout_ms=_REQUEST_TIMEOUT_MS)
        for name, code, message in response.topic_errors:
            if code not in {0, TopicAlreadyExistsError.errno}:
                raise AdminError(_refused("create", name, code, message))

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
                    raise AdminError(_refused("configure", name, code, message))

    async def _entries(self, resources: Sequence[ConfigResource]) -> dict[str, list[dict[str, Any]]]:
        """Settings by resource, without the resources that Kafka does not describe."""
        if not resources:
            return {}
        answers = await self._admin.describe_configs(list(resources))
        described = [resource for answer in answers for resource in answer.to_object()["resources"]]
        return {one["resource_name"]: one["config_entries"] for one in described if one["error_code"] == 0}


@contextlib.asynccontextmanager
async def connected(client: Mapping[str, Any]) -> AsyncIterator[Cluster]:
    admin = AIOKafkaAdminClient(**client, request_timeout_ms=_REQUEST_TIMEOUT_MS)
    try:
        await admin.start()
        yield Cluster(admin)
    finally:
        await admin.close()


def _refused(verb: str, name: str, code: int, message: str | None) -> str:
    reason = message or for_code(code).__name__
    return f"Kafka refused to {verb} the topic {name}: {reason}. Check the rights of this user, and the settings."
