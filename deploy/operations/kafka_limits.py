"""Judges whether this Kafka can serve Stripeline: what it must be able to do, and limits of its below ours. Pure.

A limit is compared only where this user may see it. A broker's `message.max.bytes` is none: our topics have their own
`max.message.bytes`, and a service that caps it refuses to create them, or shows another value than it was given.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from stripeline.contracts.operator.operator_vocabulary import TopicProblemKind
from stripeline.contracts.topics import CARRIED_MAX_BYTES
from stripeline.deploy.operations.topic_problems import TopicProblem
from stripeline.workers.kafka.transaction import TRANSACTION_TIMEOUT_MS
from stripeline.workers.task.watermark import MAX_METADATA_BYTES

TRANSACTION_LOG: Final = "__transaction_state"
OFFSETS: Final = "__consumer_offsets"


@dataclass(frozen=True, slots=True, kw_only=True)
class InternalTopic:
    """One of Kafka's own topics. `in_sync`: replicas of the partition that has the fewest; `replicas` likewise."""

    replicas: int
    in_sync: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaFacts:
    """A Kafka as it is.

    settings: a broker's; none where this user may not see them.
    lacks: requests that Stripeline needs and the broker does not know.
    """

    brokers: int
    settings: Mapping[str, str] = field(default_factory=dict)
    internal: Mapping[str, InternalTopic] = field(default_factory=dict)
    lacks: Sequence[str] = ()


def kafka_problems(facts: KafkaFacts, session_timeout_ms: int | None) -> list[TopicProblem]:
    """Why this Kafka can't serve us, or not well."""
    return [*_lacks(facts), *_limits(facts.settings, session_timeout_ms), *_replication(facts)]


def _lacks(facts: KafkaFacts) -> Iterable[TopicProblem]:
    if facts.lacks:
        yield _problem(
            f"lacks {', '.join(facts.lacks)}: events are written idempotently, and results, state and offsets in one"
            " transaction",
            "use Apache Kafka 2.4 or later, or a service with transactions; docs/connect-to-kafka.md names some",
            of_workers=False,
        )


def _limits(settings: Mapping[str, str], session_timeout_ms: int | None) -> Iterable[TopicProblem]:
    for name, least, why in (
        ("transaction.max.timeout.ms", TRANSACTION_TIMEOUT_MS, "the timeout of a task's transactions"),
        ("offset.metadata.max.bytes", MAX_METADATA_BYTES, "what a commit says beside its offset, in bytes"),
        ("socket.request.max.bytes", 2 * CARRIED_MAX_BYTES, "the largest request, in bytes"),
        ("group.max.session.timeout.ms", session_timeout_ms, "STRIPELINE_SESSION_TIMEOUT in milliseconds"),
    ):
        if least is not None and (value := _number(settings, name)) is not None and value < least:
            remedy = f"set it to {least} at least on every broker"
            if name.startswith("group."):
                remedy += f", or STRIPELINE_SESSION_TIMEOUT to {value}ms at most"
            yield _problem(f"has {name}={value}, below {least}, {why}", remedy)
    least = _number(settings, "group.min.session.timeout.ms")
    if least is not None and session_timeout_ms is not None and least > session_timeout_ms:
        yield _problem(
            f"has group.min.session.timeout.ms={least}, above {session_timeout_ms}, STRIPELINE_SESSION_TIMEOUT in"
            " milliseconds",
            f"set STRIPELINE_SESSION_TIMEOUT to {least}ms at least, or lower it on every broker",
        )


def _replication(facts: KafkaFacts) -> Iterable[TopicProblem]:
    """A topic of Kafka's own that can't be created or written to: it may pass, when a broker comes back."""
    for topic, prefix, min_isr, effect in (
        (TRANSACTION_LOG, "transaction.state.log", "transaction.state.log.min.isr", "no transaction can begin"),
        (OFFSETS, "offsets.topic", "min.insync.replicas", "no worker can join its group"),
    ):
        there, wanted = facts.internal.get(topic), _number(facts.settings, f"{prefix}.replication.factor")
        if there is None and wanted is not None and wanted > facts.brokers:
            yield _problem(
                f"has {prefix}.replication.factor={wanted} and {_brokers(facts.brokers)}, so {effect}",
                f"start the others, or set it to {facts.brokers} on a Kafka that stays so small",
                waits=True,
            )
        needed = _number(facts.settings, min_isr)
        if there is not None and needed is not None and there.in_sync < needed:
            remedy = (
                f"set it to {there.replicas} at most, or give {topic} more replicas"
                if there.replicas < needed
                else "start the brokers that are away"
            )
            yield _problem(
                f"has {min_isr}={needed} and {there.in_sync} of {topic}'s replicas in sync, so {effect}",
                remedy,
                waits=True,
            )


def _problem(fault: str, remedy: str, *, waits: bool = False, of_workers: bool = True) -> TopicProblem:
    return TopicProblem(
        topic="Kafka", kind=TopicProblemKind.BROKER, fault=fault, remedy=remedy, waits=waits, of_workers=of_workers
    )


def _number(settings: Mapping[str, str], name: str) -> int | None:
    value = settings.get(name)
    return int(value) if value is not None and value.lstrip("-").isdigit() else None


def _brokers(count: int) -> str:
    return "one broker is alive" if count == 1 else f"{count} brokers are alive"
