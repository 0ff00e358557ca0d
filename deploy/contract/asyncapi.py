"""The AsyncAPI 3.0 document: every topic with its records, keys and settings, and who may write or read it. Pure.

https://www.asyncapi.com/docs/reference/specification/v3.0.0 · https://github.com/asyncapi/bindings/tree/master/kafka
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from stripeline.contracts.retry_tiers import DEFAULT_TIERS
from stripeline.contracts.topics import Topic, Topics
from stripeline.deploy.contract.channel import Channel, Message
from stripeline.deploy.contract.channels import ROLES, channels
from stripeline.deploy.contract.published_records import RELEASE, PublishedRecord

Document = dict[str, Any]

_BINDING: Final = "0.5.0"
_ABOUT: Final = """The Kafka topics of Stripeline: Stripe's events in, commands to Stripe out, and their results.

Every operation carries the tag of who may do it. Other teams receive events and results, and send commands; all else is Stripeline's own, and is here so that nothing on a topic is a secret.

Values are JSON in UTF-8. Readers ignore fields and headers that they do not know. A record may come twice: tell events apart by `id`, results by `command_id` and `revision`. Read with `isolation.level=read_committed`. Fields with `x-sensitive` must be masked wherever a person looks. Use the murmur2 partitioner, and keep to one: a key that changes its partition loses its order."""  # noqa: E501  (one line is one paragraph)


def asyncapi(records: Sequence[PublishedRecord]) -> Document:
    """The document, of the default prefix and tiers."""
    by_name = {record.name: record for record in records}
    listed = channels()
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Stripeline",
            "version": RELEASE,
            "description": _ABOUT,
            "license": {"name": "Apache-2.0"},
            "tags": [{"name": name, "description": about} for name, about in ROLES.items()],
        },
        "defaultContentType": "application/json",
        "channels": {channel.name: _channel(channel) for channel in listed},
        "operations": dict(operation for channel in listed for operation in _operations(channel)),
        "components": {
            "messages": {one.name: _message(one, by_name) for channel in listed for one in channel.messages},
            "parameters": _parameters(),
            "schemas": _schemas(records),
        },
    }


def _parameters() -> Document:
    return {
        "prefix": {"description": "STRIPELINE_TOPIC_PREFIX", "default": Topics().prefix},
        "tier": {
            "description": "STRIPELINE_RETRY_TIERS: how long a command waits here",
            "default": DEFAULT_TIERS.split(",")[0],
            "examples": DEFAULT_TIERS.split(","),
        },
    }


def _channel(channel: Channel) -> Document:
    names = ("prefix", "tier") if "{tier}" in channel.address else ("prefix",)
    return {
        "address": channel.address,
        "title": channel.title,
        "description": channel.about,
        "parameters": {name: {"$ref": f"#/components/parameters/{name}"} for name in names},
        "messages": {one.name: {"$ref": f"#/components/messages/{one.name}"} for one in channel.messages},
        "bindings": {"kafka": _topic(channel.topic)},
    }


def _topic(topic: Topic) -> Document:
    numbers = ("retention.ms", "delete.retention.ms", "max.message.bytes")
    settings: Document = {name: int(topic.config[name]) for name in numbers if name in topic.config}
    return {
        "topic": topic.name,
        "partitions": topic.partitions,
        "topicConfiguration": {"cleanup.policy": topic.cleanup.split(","), **settings},
        "bindingVersion": _BINDING,
    }


def _message(message: Message, by_name: Mapping[str, PublishedRecord]) -> Document:
    payload, headers = (by_name.get(name or "") for name in (message.payload, message.headers))
    made: Document = {
        "name": message.name,
        "title": message.title,
        "contentType": message.content_type,
        "payload": _reference(payload) if payload else {"description": message.about},
        "bindings": {"kafka": {"key": message.key, "bindingVersion": _BINDING}},
    }
    if message.about:
        made["description"] = message.about
    if message.correlation:
        made["correlationId"] = {"location": message.correlation}
    if headers:
        made["headers"] = _reference(headers)
        if payload:
            made["examples"] = _examples(payload, headers)
    return made


def _examples(payload: PublishedRecord, headers: PublishedRecord) -> Sequence[Document]:
    carried = headers.examples[min(headers.examples)]
    return [
        {"name": name, "headers": dict(carried), "payload": dict(value)}
        for name, value in sorted(payload.examples.items())
    ]


def _operations(channel: Channel) -> Sequence[tuple[str, Document]]:
    made = [("send", role) for role in channel.writers] + [("receive", role) for role in channel.readers]
    return [(f"{role}.{action}.{channel.name}", _operation(channel, role, action)) for action, role in made]


def _operation(channel: Channel, role: str, action: str) -> Document:
    where = f"#/channels/{channel.name}"
    operation: Document = {
        "action": action,
        "channel": {"$ref": where},
        "summary": f"{role}: {action} {channel.title}",
        "tags": [{"name": role}],
        "messages": [{"$ref": f"{where}/messages/{one.name}"} for one in channel.messages if one.open_to(role, action)],
    }
    if channel.reply and action == "send" and role == "other-teams":
        reply = f"#/channels/{channel.reply}"
        operation["reply"] = {"channel": {"$ref": reply}, "messages": [{"$ref": f"{reply}/messages/{channel.reply}"}]}
    return operation


def _reference(record: PublishedRecord) -> Document:
    return {"$ref": f"#/components/schemas/{record.component}"}


def _schemas(records: Sequence[PublishedRecord]) -> Document:
    """Every record's schema and what they refer to, under one roof."""
    found: Document = {}
    for record in records:
        schema = dict(record.schema())
        for name, definition in schema.pop("$defs", {}).items():
            if found.setdefault(name, _inside(definition)) != _inside(definition):
                raise ValueError(f"two schemas are called {name}, and differ: give one of the models another name")
        bare = {name: value for name, value in schema.items() if name not in {"$schema", "$id", "examples"}}
        found[record.component] = {**_inside(bare), "x-file": f"schemas/{record.file_name}"}
    return found


def _inside(node: Any) -> Any:
    """A schema whose references point into the document."""
    match node:
        case dict():
            return {name: _inside(value) for name, value in node.items()}
        case list():
            return [_inside(value) for value in node]
        case str() if node.startswith("#/$defs/"):
            return f"#/components/schemas/{node.removeprefix('#/$defs/')}"
        case _:
            return node
