"""What each part of Stripeline must be allowed at Kafka, derived from the topic model. Pure.

One table for all: `topics check --rights` compares it with what a user may, an error of Kafka's is answered with the
right that is missing, and the commands in the documentation are made from it.
https://kafka.apache.org/43/security/authorization-and-acls/ says which request needs which operation. Read, Write,
Delete and Alter of a resource include Describe, and AlterConfigs includes DescribeConfigs.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, assert_never

from stripeline.contracts.topics import Topics

CLUSTER_NAME: Final = "kafka-cluster"


class ResourceKind(StrEnum):
    """What a right is about, as kafka-acls.sh names it."""

    TOPIC = "topic"
    GROUP = "group"
    TRANSACTIONAL_ID = "transactional-id"
    CLUSTER = "cluster"


class Operation(StrEnum):
    """What may be done, as kafka-acls.sh names it."""

    READ = "Read"
    WRITE = "Write"
    CREATE = "Create"
    DESCRIBE = "Describe"
    DESCRIBE_CONFIGS = "DescribeConfigs"
    ALTER_CONFIGS = "AlterConfigs"
    IDEMPOTENT_WRITE = "IdempotentWrite"


OPERATION_BITS: Final[Mapping[Operation, int]] = {
    Operation.READ: 3,
    Operation.WRITE: 4,
    Operation.CREATE: 5,
    Operation.DESCRIBE: 8,
    Operation.DESCRIBE_CONFIGS: 10,
    Operation.ALTER_CONFIGS: 11,
    Operation.IDEMPOTENT_WRITE: 12,
}
"""The places in the bit fields of allowed operations: AclOperation's codes."""


class Purpose(StrEnum):
    """What a Kafka user is for: a process, or a group of commands."""

    INGEST = "ingest"
    ROUTER = "router"
    EXECUTOR = "executor"
    WORKER = "worker"  # router and executor in one process
    CONSOLE = "console"  # what it shows, and what an operator does there
    READING = "reading"  # status, events, runs, dead-letters, get
    COMMANDS = "commands"  # command, dead-letters replay and dismiss, events backfill and remake
    ACTS = "acts"  # runs cancel, start and erase, resume --take-up, events --unmask
    APPLY = "apply"  # apply FILE, delete, pause, resume, keys rotate, endpoints apply and roll
    TOPICS_APPLY = "topics-apply"
    TOPICS_SKIP = "topics-skip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Right:
    """One operation on one resource. optional: why it is good to have, for one that work does not need."""

    resource: ResourceKind
    name: str
    operation: Operation
    prefixed: bool = False
    optional: str = ""

    @property
    def on(self) -> str:
        match self.resource:
            case ResourceKind.CLUSTER:
                return "the cluster"
            case ResourceKind.TOPIC | ResourceKind.GROUP:
                kind = self.resource.value
            case ResourceKind.TRANSACTIONAL_ID:
                kind = "transactional id"
            case _:
                assert_never(self.resource)
        return f"{kind}s that start with {self.name}" if self.prefixed else f"{kind} {self.name}"

    @property
    def text(self) -> str:
        """`Read on topic stripe.run`."""
        return f"{self.operation} on {self.on}"


def rights_of(purpose: Purpose, topics: Topics) -> tuple[Right, ...]:
    """All that a user for this purpose needs, each right once."""
    return tuple(dict.fromkeys(_RIGHTS[purpose](topics)))


def denied_rights(error_code: int, names: Iterable[str], purpose: Purpose, topics: Topics) -> tuple[Right, ...]:
    """What must be granted where Kafka answered with an authorization error about these names; empty for another error.

    Kafka does not say which operation it denied: all that the purpose needs on that resource are named.
    """
    resource = _BY_ERROR.get(error_code)
    if resource is None:
        return ()
    # Kafka names the cluster where a producer may write to no topic at all, and the older ones where it lacks this.
    wanted = Operation.IDEMPOTENT_WRITE if resource is ResourceKind.CLUSTER else None
    asked = [
        right
        for right in rights_of(purpose, topics)
        if right.resource is resource and (right.operation is wanted or not right.optional or wanted is None)
    ]
    about = [right for right in asked if any(right.name == name or _covers(right, name) for name in names)]
    if about or resource is not ResourceKind.TOPIC:
        return tuple(about or asked)
    return tuple(Right(resource=resource, name=name, operation=Operation.DESCRIBE) for name in names)


def without_implied(rights: Iterable[Right]) -> tuple[Right, ...]:
    """The rights without a Describe, or a DescribeConfigs, that another one of them includes."""
    held = set(rights)
    return tuple(
        right
        for right in dict.fromkeys(rights)
        if not any(replace(right, operation=other) in held for other in _INCLUDED_IN.get(right.operation, ()))
    )


def grant_text(rights: Sequence[Right], principal: str) -> str:
    """`grant Read and DescribeConfigs on topic stripe.run to User:ada`."""
    operations: dict[str, list[str]] = {}
    for right in rights:
        operations.setdefault(right.on, []).append(right.operation.value)
    places: dict[tuple[str, ...], list[str]] = {}
    for on, wanted in operations.items():
        places.setdefault(tuple(dict.fromkeys(wanted)), []).append(on)
    return f"grant {_and([f'{_and(wanted)} on {_and(on)}' for wanted, on in places.items()])} to {principal}"


def _and(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


_BY_ERROR: Final = {
    29: ResourceKind.TOPIC,
    30: ResourceKind.GROUP,
    31: ResourceKind.CLUSTER,
    53: ResourceKind.TRANSACTIONAL_ID,
}
_INCLUDED_IN: Final = {
    Operation.DESCRIBE: (Operation.READ, Operation.WRITE),
    Operation.DESCRIBE_CONFIGS: (Operation.ALTER_CONFIGS,),
}


def _covers(right: Right, name: str) -> bool:
    return right.prefixed and name.startswith(right.name)


def _ingest(topics: Topics) -> Iterable[Right]:
    written = (*topics.events, topics.thin_event, topics.health_event, topics.event_seen, topics.worker)
    return (*_on([topics.control], Operation.READ), *_produces(written), *_checks(topics))


def _router(topics: Topics) -> Iterable[Right]:
    read = (*topics.events, topics.result, topics.act, topics.run)
    written = (topics.command, topics.run, topics.dead_letter)
    return _works(topics, "router", read, written)


def _executor(topics: Topics) -> Iterable[Right]:
    swept = (*topics.events, topics.thin_event, topics.event_seen)  # a sweep looks there, and publishes what is missing
    read = (topics.command, *topics.retries, topics.run, topics.ledger, *swept)
    written = (topics.result, *topics.retries, topics.ledger, topics.dead_letter, topics.audit, topics.control, *swept)
    return _works(topics, "executor", read, written)


def _reading(topics: Topics) -> Iterable[Right]:
    return (*_on(_names(topics), Operation.READ), *_groups(topics, Operation.DESCRIBE), *_checks(topics))


def _console(topics: Topics) -> Iterable[Right]:
    """It follows what it shows, and reports itself. The acts are those of the command line."""
    why = "an operator's acts: a console for viewers and readers alone does without"
    acts = [one for one in (*_commands(topics), *_acts(topics), *_apply(topics)) if one.operation is Operation.WRITE]
    return (*_reading(topics), *_produces([topics.worker]), *(replace(one, optional=why) for one in acts))


def _commands(topics: Topics) -> Iterable[Right]:
    # A dead letter is replayed to where it came from, but never to a tier; backfill and remake publish what never came.
    both = (topics.result, topics.audit, *topics.events, topics.thin_event, topics.event_seen)
    read = (topics.control, topics.dead_letter, topics.health_event, *both)
    return (*_on(read, Operation.READ), *_produces((topics.command, *both)), _invocations(topics))


def _acts(topics: Topics) -> Iterable[Right]:
    """Each invocation writes its records and its audit in transactions of its own.

    A take-up also reads what the routers have finished and applied, and writes the end of the pause.
    """
    return (
        *_on([topics.control, topics.run, topics.act, topics.worker, *topics.events], Operation.READ),
        *_groups(topics, Operation.DESCRIBE),
        *_produces([topics.audit, topics.act, topics.control]),
        _invocations(topics),
    )


def _invocations(topics: Topics) -> Right:
    kind = ResourceKind.TRANSACTIONAL_ID
    return Right(resource=kind, name=acts_id(topics), operation=Operation.WRITE, prefixed=True)


def acts_id(topics: Topics) -> str:
    """How the transactional id of each invocation of an act begins."""
    return f"{topics.prefix}act-"


def _apply(topics: Topics) -> Iterable[Right]:
    return (
        # Who waits for a removed connection, and which process holds the key that seals.
        *_on([topics.control, topics.worker, topics.command, *topics.retries], Operation.READ),
        # Of a paused workflow: how long its events are kept, and which of them started no run.
        *_on(topics.events, Operation.READ, Operation.DESCRIBE_CONFIGS),
        *_on([topics.run], Operation.READ),
        *_groups(topics, Operation.DESCRIBE),
        *_produces([topics.control, topics.audit]),
    )


def _topics_apply(topics: Topics) -> Iterable[Right]:
    return (
        *_on(_names(topics), Operation.CREATE, Operation.ALTER_CONFIGS),
        *_on([topics.control], Operation.READ), *_produces([topics.control]), *_checks(topics),  # the installation's
    )  # fmt: skip


def _topics_skip(topics: Topics) -> Iterable[Right]:
    inputs = (*topics.events, topics.command, topics.result, *topics.retries)
    return (*_on(inputs, Operation.READ), *_produces([topics.audit, topics.control]))


def _works(topics: Topics, role: str, read: Iterable[str], written: Iterable[str]) -> Iterable[Right]:
    """A member of a consumer group with a transactional id per partition, which are named alike."""
    group = f"{topics.prefix}{role}"
    return (
        *_on([*read, topics.control, topics.worker], Operation.READ),  # what others have spent of a limit
        *_produces([*written, topics.worker]),
        Right(resource=ResourceKind.GROUP, name=group, operation=Operation.READ),
        Right(resource=ResourceKind.TRANSACTIONAL_ID, name=f"{group}-", operation=Operation.WRITE, prefixed=True),
        *_checks(topics),
    )


def _produces(names: Iterable[str]) -> Iterable[Right]:
    old = "Kafka before 2.8 wants it for every producer; later ones take Write on a topic for it"
    yield from _on(names, Operation.WRITE)
    cluster, needed = ResourceKind.CLUSTER, Operation.IDEMPOTENT_WRITE
    yield Right(resource=cluster, name=CLUSTER_NAME, operation=needed, optional=old)


def _checks(topics: Topics) -> Iterable[Right]:
    """Every process compares all topics with the model when it starts."""
    yield from _on(_names(topics), Operation.DESCRIBE, Operation.DESCRIBE_CONFIGS)
    why = "shows what the cluster's defaults can break, such as auto.create.topics.enable"
    yield Right(resource=ResourceKind.CLUSTER, name=CLUSTER_NAME, operation=Operation.DESCRIBE_CONFIGS, optional=why)


def _groups(topics: Topics, operation: Operation) -> Iterable[Right]:
    for group in topics.groups:
        yield Right(resource=ResourceKind.GROUP, name=group, operation=operation)


def _names(topics: Topics) -> Sequence[str]:
    return [topic.name for topic in topics.all(1)]


def _on(names: Iterable[str], *operations: Operation) -> Iterable[Right]:
    for name in names:
        for operation in operations:
            yield Right(resource=ResourceKind.TOPIC, name=name, operation=operation)


_RIGHTS: Final[Mapping[Purpose, Callable[[Topics], Iterable[Right]]]] = {
    Purpose.INGEST: _ingest,
    Purpose.ROUTER: _router,
    Purpose.EXECUTOR: _executor,
    Purpose.WORKER: lambda topics: (*_router(topics), *_executor(topics)),
    Purpose.CONSOLE: _console,
    Purpose.READING: _reading,
    Purpose.COMMANDS: _commands,
    Purpose.ACTS: _acts,
    Purpose.APPLY: _apply,
    Purpose.TOPICS_APPLY: _topics_apply,
    Purpose.TOPICS_SKIP: _topics_skip,
}
