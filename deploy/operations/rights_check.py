"""Finds out what a Kafka user may do, without being allowed to describe ACLs: by questions that change nothing.

Since Kafka 2.3 an answer about a topic, a group or the cluster says which operations the user may use (KIP-430). For
the rest there is a question that only a user with the right is not refused. A transactional id of a task is never
asked for: that would fence the task. The id that is asked for has the same start and no partition number, and Kafka
forgets it after seven days.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, assert_never

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    GroupAuthorizationFailedError,
    IncompatibleBrokerVersion,
    KafkaError,
    NotCoordinatorError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
    for_code,
)

from stripeline.deploy.operations.aiokafka_internals import (
    NamedTopic,
    group_operations,
    init_producer_id,
    topic_metadata,
)
from stripeline.deploy.operations.rights import OPERATION_BITS, Operation, ResourceKind, Right
from stripeline.workers.kafka.client_start import start_within

_DEADLINE_S: Final = 30.0
_RETRY_S: Final = 0.2
_TRIES: Final = 20
_TRANSACTION: Final = 1
_UNUSED_ID: Final = "rights-check"
"""Behind the start of the tasks' transactional ids, which end with a partition number."""

_DENIED: Final = (
    TopicAuthorizationFailedError,
    GroupAuthorizationFailedError,
    ClusterAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)
_NOT_YET: Final = (CoordinatorLoadInProgressError, CoordinatorNotAvailableError, NotCoordinatorError)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldRight:
    """A right, and whether this user has it; None where Kafka does not say."""

    right: Right
    held: bool | None


async def held_rights(rights: Iterable[Right], client: Mapping[str, Any]) -> list[HeldRight]:
    """Which of these rights the user of this client has. Raises KafkaError, TimeoutError."""
    asked = tuple(dict.fromkeys(rights))
    admin = AIOKafkaAdminClient(**client)
    try:
        async with asyncio.timeout(_DEADLINE_S):
            await start_within(admin.start(), _DEADLINE_S)
            questions = await _Questions.begun(admin, asked)
            return [HeldRight(right=right, held=await questions.held(right)) for right in asked]
    finally:
        await admin.close()


class _Questions:
    """The answers, each asked for once."""

    def __init__(
        self, admin: AIOKafkaAdminClient, topics: Mapping[str, NamedTopic], cluster: int | None,
        creatable: Mapping[str, bool], configs: Mapping[str, bool],
    ) -> None:  # fmt: skip
        self._admin, self._topics, self._cluster = admin, topics, cluster
        self._creatable, self._configs = creatable, configs
        self._groups: dict[str, int | None] = {}

    @classmethod
    async def begun(cls, admin: AIOKafkaAdminClient, rights: Sequence[Right]) -> "_Questions":
        names = list(dict.fromkeys(right.name for right in rights if right.resource is ResourceKind.TOPIC))
        create = list(dict.fromkeys(right.name for right in rights if right.operation is Operation.CREATE))
        topics, cluster = await topic_metadata(admin, names)
        return cls(admin, topics, cluster, await _creatable(admin, create), await _configs(admin, names))

    async def held(self, right: Right) -> bool | None:
        match right.resource:
            case ResourceKind.TOPIC:
                return self._of_topic(right)
            case ResourceKind.GROUP:
                return await self._of_group(right)
            case ResourceKind.TRANSACTIONAL_ID:
                return await self._of_transactional_id(right)
            case ResourceKind.CLUSTER:
                return await self._of_cluster(right)
            case _:
                assert_never(right.resource)

    async def _of_cluster(self, right: Right) -> bool | None:
        if right.operation is Operation.IDEMPOTENT_WRITE:
            return await _allowed(lambda: init_producer_id(self._admin, None))
        if right.operation is Operation.DESCRIBE_CONFIGS:
            return await self._of_broker_configs()
        # Without Describe on the cluster the field is 0, which says nothing.
        return _has(self._cluster, right.operation) if self._cluster else None

    def _of_topic(self, right: Right) -> bool | None:
        if right.operation is Operation.CREATE:
            return self._creatable.get(right.name)
        if right.operation is Operation.DESCRIBE_CONFIGS:
            return self._configs.get(right.name)
        topic = self._topics.get(right.name)
        if topic is None:
            return None
        if topic.error_code == TopicAuthorizationFailedError.errno:
            # Each of these includes Describe, which is missing.
            return None if right.operation is Operation.ALTER_CONFIGS else False
        if right.operation is Operation.DESCRIBE:
            return True
        return _has(topic.operations, right.operation)

    async def _of_group(self, right: Right) -> bool | None:
        if right.name not in self._groups:
            self._groups[right.name] = await self._group_field(right.name)
        return _has(self._groups[right.name], right.operation)

    async def _group_field(self, group: str) -> int | None:
        """What the user may with a group: nothing, where it may not even describe it."""
        field: int | None = None

        async def ask() -> int:
            nonlocal field
            error_code, field = await group_operations(self._admin, group)
            return error_code

        return 0 if await _allowed(ask) is False else field

    async def _of_transactional_id(self, right: Right) -> bool | None:
        """Write of the unused id. Not known where the ACLs name the tasks' ids one by one, and so not this one."""
        name = f"{right.name}{_UNUSED_ID}"
        if await _allowed(lambda: self._coordinator(name)) is False:
            return None if await _allowed(lambda: self._coordinator(f"{right.name}0")) else False
        return await _allowed(lambda: self._init(name))

    async def _coordinator(self, transactional_id: str) -> int:
        """Needs Describe on the id, and touches nothing."""
        await self._admin.find_coordinator(transactional_id, coordinator_type=_TRANSACTION)
        return 0

    async def _init(self, transactional_id: str) -> int:
        node = await self._admin.find_coordinator(transactional_id, coordinator_type=_TRANSACTION)
        return await init_producer_id(self._admin, transactional_id, node)

    async def _of_broker_configs(self) -> bool | None:
        node = (await self._admin.describe_cluster())["brokers"][0]["node_id"]
        return (await _configs(self._admin, [str(node)], ConfigResourceType.BROKER)).get(str(node))


async def _creatable(admin: AIOKafkaAdminClient, names: Sequence[str]) -> dict[str, bool]:
    """Which topics the user may create, by a request that is only validated."""
    if not names:
        return {}
    new = [NewTopic(name, 1, -1, replica_assignments={}) for name in names]
    answer = await admin.create_topics(new, validate_only=True)
    return {error[0]: error[1] != TopicAuthorizationFailedError.errno for error in answer.topic_errors}


async def _configs(
    admin: AIOKafkaAdminClient, names: Sequence[str], kind: ConfigResourceType = ConfigResourceType.TOPIC
) -> dict[str, bool]:
    """Of which the user may see the settings. Kafka looks at the right before it looks for the topic."""
    if not names:
        return {}
    answers = await admin.describe_configs([ConfigResource(kind, name) for name in names])
    return {
        one["resource_name"]: not issubclass(for_code(one["error_code"]), _DENIED)
        for answer in answers
        for one in answer.to_object()["resources"]
    }


async def _allowed(ask: Callable[[], Awaitable[int]]) -> bool | None:
    """Whether a question is not refused; None where there is no answer. A coordinator may still be loading."""
    for _ in range(_TRIES):
        try:
            error = for_code(await ask())
        except IncompatibleBrokerVersion:
            return None
        except KafkaError as raised:
            error = type(raised)
        if issubclass(error, _DENIED):
            return False
        if not issubclass(error, _NOT_YET):
            return True if error.errno == 0 else None
        await asyncio.sleep(_RETRY_S)
    return None


def _has(field: int | None, operation: Operation) -> bool | None:
    return None if field is None else bool(field & (1 << OPERATION_BITS[operation]))
