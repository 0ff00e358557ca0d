"""The contract as the console's tables: topics, records, and what is wrong with a topic. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from stripeline.contracts.action import Action
from stripeline.contracts.errors import BESIDE_THE_CARD, CARD, Meaning
from stripeline.contracts.masking import MASK, mask
from stripeline.contracts.topics import Topic, Topics
from stripeline.deploy.console.details.schema_rows import SchemaRow, schema_rows
from stripeline.deploy.contract.channel import Channel, Message
from stripeline.deploy.contract.channels import channel_by_topic
from stripeline.deploy.contract.compatibility_rules import Side
from stripeline.deploy.contract.published_records import PublishedRecord
from stripeline.deploy.contract.schemas import neat
from stripeline.deploy.operations.status.finding import Severity, duration
from stripeline.deploy.operations.topic_problems import TopicProblem

_SEALED: Final = re.compile(r"\bsealed:[\w:.+/=-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicRow:
    """One topic of this installation. keeps: how long its records stay."""

    topic: Topic
    channel: Channel
    keeps: str
    writers: str
    readers: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicTrouble:
    """What is wrong with a topic, or could be better, with what corrects it."""

    severity: Severity
    topic: str
    sentence: str
    is_listed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionTable:
    """An action's fields, and the failures that the card lists for it."""

    action: Action
    inputs: Sequence[SchemaRow]
    outputs: Sequence[SchemaRow]


def topic_rows(topics: Topics, partitions: int) -> Sequence[TopicRow]:
    """Every topic, in the order of the data flow."""
    by_topic = channel_by_topic(topics)
    return [_row(topic, by_topic[topic.name]) for topic in topics.all(partitions)]


def _row(topic: Topic, channel: Channel) -> TopicRow:
    writers, readers = (_roles(roles) for roles in (channel.writers, channel.readers))
    return TopicRow(topic=topic, channel=channel, keeps=keeps(topic), writers=writers, readers=readers)


def _roles(roles: Sequence[str]) -> str:
    return ", ".join(role.replace("-", " ") for role in roles)


def keeps(topic: Topic) -> str:
    """`each for 7 d`, or what compaction leaves."""
    for_ = "" if topic.retention_ms is None else f"for {duration(topic.retention_ms)}"
    if "compact" not in topic.cleanup.split(","):
        return f"each record {for_}" if for_ else "each record"
    return f"the newest record of each key {for_}".strip()


def key_words(message: Message) -> str:
    """What a record's key means."""
    return "none" if message.key.get("type") == "null" else str(message.key.get("description", ""))


def topic_troubles(
    faults: Sequence[TopicProblem], advice: Sequence[TopicProblem], rows: Sequence[TopicRow]
) -> Sequence[TopicTrouble]:
    """What stops the work first, then what costs records, then advice."""
    listed = {row.topic.name for row in rows}
    graded = [(Severity.STOPS if one.stops else Severity.PERSON, one) for one in faults]
    graded += [(Severity.NOTE, one) for one in advice]
    return [
        TopicTrouble(severity=severity, topic=one.topic, sentence=one.sentence, is_listed=one.topic in listed)
        for severity, one in sorted(graded, key=lambda pair: pair[0])
    ]


def action_tables(known: Mapping[str, Action]) -> Sequence[ActionTable]:
    return [
        ActionTable(
            action=action,
            inputs=schema_rows(neat(action.input, side=Side.READ)),
            outputs=schema_rows(neat(action.output, side=Side.WRITTEN)),
        )
        for _, action in sorted(known.items())
    ]


def error_rows() -> Sequence[tuple[int, Meaning]]:
    """Each status of Stripe that has a meaning, with the meaning."""
    return sorted((CARD | BESIDE_THE_CARD).items())


def carriers(record: PublishedRecord, rows: Sequence[TopicRow]) -> Sequence[TopicRow]:
    """The topics that have a record as the value or the headers of a message."""
    return [row for row in rows if record.folder in {name for one in row.channel.messages for name in _names(one)}]


def _names(message: Message) -> Iterator[str]:
    yield from (name for name in (message.payload, message.headers) if name is not None)


def example_of(record: PublishedRecord) -> tuple[str, Any] | None:
    """The first example and its name, made up, with its secrets masked as on every page."""
    first = next(iter(sorted(record.examples.items())), None)
    return None if first is None else (first[0], _without_sealed(mask(first[1])))


def _without_sealed(value: Any) -> Any:
    match value:
        case str():
            return _SEALED.sub(f"sealed:{MASK}", value)
        case dict():
            return {key: _without_sealed(held) for key, held in value.items()}
        case list():
            return [_without_sealed(held) for held in value]
        case _:
            return value
