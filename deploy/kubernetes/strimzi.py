"""The topics and the Kafka users as resources of Strimzi, from the topic model and the table of rights. Pure.

The rights of a user are exactly those of its purpose. A right that another one includes is left out, as Kafka does.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any, Final

from stripeline.contracts.topics import Topic, Topics
from stripeline.deploy.operations.rights import Purpose, ResourceKind, Right, rights_of, without_implied

API_VERSION: Final = "kafka.strimzi.io/v1"
PROCESSES: Final = (Purpose.INGEST, Purpose.ROUTER, Purpose.EXECUTOR, Purpose.CONSOLE, Purpose.TOPICS_APPLY)
"""Whom an installation needs. People may have users of their own."""

Resource = Mapping[str, Any]
_OBJECT_NAME: Final = re.compile(r"[a-z0-9]([-.a-z0-9]*[a-z0-9])?")
_KINDS: Final[Mapping[ResourceKind, str]] = {
    ResourceKind.TOPIC: "topic",
    ResourceKind.GROUP: "group",
    ResourceKind.TRANSACTIONAL_ID: "transactionalId",
    ResourceKind.CLUSTER: "cluster",
}


def topic_resources(topics: Topics, partitions: int, cluster: str, *, replication: int = -1) -> list[Resource]:
    """A KafkaTopic for each topic. replication: -1 leaves it to the cluster's default."""
    return [_topic(topic, cluster, replication) for topic in topics.all(partitions)]


def user_resources(
    purposes: Iterable[Purpose], topics: Topics, cluster: str, *, authentication: str, optional: bool = False
) -> list[Resource]:
    """A KafkaUser for each purpose. optional: with what is good to have, such as an operator's acts on the console."""
    return [_user(purpose, topics, cluster, authentication, optional) for purpose in purposes]


def user_name(purpose: Purpose, topics: Topics) -> str:
    """`stripeline-router`; with a prefix of its own also that, since two installations may share a namespace."""
    prefix = "" if topics.prefix == Topics().prefix else f"-{_installation(topics.prefix)}"
    return f"stripeline{prefix}-{purpose}"


def _topic(topic: Topic, cluster: str, replication: int) -> Resource:
    replicas = {} if replication < 0 else {"replicas": replication}
    spec = {
        "topicName": topic.name,
        "partitions": topic.partitions,
        **replicas,
        "config": {**topic.config, **topic.created_with},
    }
    return _resource("KafkaTopic", _object_name(topic.name), cluster, spec)


def _user(purpose: Purpose, topics: Topics, cluster: str, authentication: str, optional: bool) -> Resource:
    rights = [right for right in rights_of(purpose, topics) if optional or not right.optional]
    spec = {
        "authentication": {"type": authentication},
        "authorization": {"type": "simple", "acls": _acls(without_implied(rights))},
    }
    return _resource("KafkaUser", user_name(purpose, topics), cluster, spec)


def _acls(rights: Sequence[Right]) -> list[Resource]:
    """One for each resource, with its operations."""
    operations: dict[tuple[ResourceKind, str, bool], list[str]] = {}
    for right in rights:
        operations.setdefault((right.resource, right.name, right.prefixed), []).append(right.operation.value)
    return [{"resource": _on(*key), "operations": found, "host": "*"} for key, found in operations.items()]


def _on(kind: ResourceKind, name: str, prefixed: bool) -> Resource:
    if kind is ResourceKind.CLUSTER:
        return {"type": _KINDS[kind]}
    return {"type": _KINDS[kind], "name": name, "patternType": "prefix" if prefixed else "literal"}


def _resource(kind: str, name: str, cluster: str, spec: Resource) -> Resource:
    metadata = {"name": name, "labels": {"strimzi.io/cluster": cluster}}
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}


def _installation(prefix: str) -> str:
    """`acme` of the prefix `acme.`. Any other prefix gets a digest: `acme` without the dot is another installation."""
    stem = prefix.removesuffix(".")
    return stem if stem != prefix and _OBJECT_NAME.fullmatch(stem) else _with_digest(prefix)


def _object_name(name: str) -> str:
    """A name that Kubernetes takes. One that had to be changed gets a digest: `A_b` and `a-b` stay two."""
    return name if _OBJECT_NAME.fullmatch(name) else _with_digest(name)


def _with_digest(name: str) -> str:
    plain = re.sub(r"[^-.a-z0-9]+", "-", name.lower()).strip("-.")
    return f"{plain}-{sha256(name.encode()).hexdigest()[:8]}".lstrip("-")
