"""The ids of topics, which aiokafka 0.14 does not ask for: the protocol's Metadata request of version 10.

A topic that is deleted and created again has its former name and another id. `SHAPES` as in `aiokafka_internals`.
"""

import base64
from collections.abc import Iterable, Mapping
from io import BytesIO
from typing import Any, Final

from aiokafka.protocol.api import Request, Response
from aiokafka.protocol.api import RequestStruct as RequestVersion
from aiokafka.protocol.types import (
    AbstractType,
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

from stripeline.workers.kafka.aiokafka_internals import bare_client

SHAPES: Final[Mapping[str, str | tuple[str, ...]]] = {
    "aiokafka.AIOKafkaClient.get_random_node": "(self)",
    "aiokafka.AIOKafkaClient.bootstrap": "(self)",
    "aiokafka.protocol.api.Request.prepare": "(self, versions)",
    "aiokafka.protocol.types.CompactArray.decode": "(self, data)",
    "aiokafka.protocol.types.TaggedFields.decode": "(cls, data)",
}
"""By dotted name: a function's parameters, `property`, or the attributes that a constructor sets."""

_UUID_BYTES: Final = 16
_NO_ID: Final = "A" * 22
"""All zeros: a topic of a Kafka, or a service, without ids."""


class Uuid(AbstractType[str]):  # type: ignore[misc]
    """The id of a topic: 16 bytes, here in base64, as Kafka's own tools show it."""

    @classmethod
    def decode(cls, data: BytesIO) -> str:
        return base64.urlsafe_b64encode(data.read(_UUID_BYTES)).decode().rstrip("=")

    @classmethod
    def encode(cls, value: str) -> bytes:
        return base64.urlsafe_b64decode(value + "==") if value else bytes(_UUID_BYTES)


class MetadataResponse_v10(Response):  # type: ignore[misc]  # noqa: N801  (named as aiokafka names them)
    """https://kafka.apache.org/protocol.html: the first one with topic ids."""

    API_KEY = 3
    API_VERSION = 10
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(
                ("node_id", Int32),
                ("host", CompactString()),
                ("port", Int32),
                ("rack", CompactString()),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_id", CompactString()),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("topic", CompactString()),
                ("topic_id", Uuid),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", CompactArray(Int32)),
                        ("isr", CompactArray(Int32)),
                        ("offline_replicas", CompactArray(Int32)),
                        ("tags", TaggedFields),
                    ),
                ),
                ("authorized_operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_authorized_operations", Int32),
        ("tags", TaggedFields),
    )


class MetadataRequest_v10(RequestVersion):  # type: ignore[misc]  # noqa: N801
    FLEXIBLE_VERSION = True
    API_KEY = 3
    API_VERSION = 10
    RESPONSE_TYPE = MetadataResponse_v10
    SCHEMA = Schema(
        ("topics", CompactArray(("topic_id", Uuid), ("name", CompactString()), ("tags", TaggedFields))),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class TopicIdsRequest(Request[MetadataRequest_v10]):  # type: ignore[misc]
    """Metadata of topics by name, with their ids; creates none."""

    API_KEY = 3

    def __init__(self, names: Iterable[str]) -> None:
        self._names = sorted(names)

    def build(self, request_struct_class: Any) -> Any:
        return request_struct_class([("", name, {}) for name in self._names], False, False, False, {})


async def topic_ids(names: Iterable[str], client_options: Mapping[str, Any]) -> Mapping[str, str]:
    """The ids of the topics that exist; of none where Kafka is older than 2.8. Raises KafkaError."""
    try:
        async with bare_client(client_options) as client:
            answer = await client.send(client.get_random_node(), TopicIdsRequest(names))
    except NotImplementedError:  # a Kafka that does not know this version
        return {}
    found = answer.to_object()["topics"]
    return {one["topic"]: one["topic_id"] for one in found if not one["error_code"] and one["topic_id"] != _NO_ID}
