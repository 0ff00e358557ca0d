"""What `stripeline status` looks at, as values. Pure. None, or a word in `not_looked_at`: it could not be read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from stripeline.contracts.definitions import Definitions
from stripeline.contracts.topics import Topics
from stripeline.deploy.operations.status.workers import Instance, Workers
from stripeline.deploy.operations.topic_problems import TopicProblem


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingCommands:
    """The commands that wait for one connection, in a tier or on the command topic.

    first_ms: when the oldest of them was first appended.
    attempted: how many may have been attempted: their 23 hours run.
    horizon_ms: when the first of those is past its 23 hours.
    passed: how many are past them.
    example: the id of one that is past them, or will be first.
    """

    connection: str
    count: int
    first_ms: int
    attempted: int = 0
    horizon_ms: int | None = None
    passed: int = 0
    example: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Counted things by a word, such as dead letters by reason. oldest_ms: the oldest's time; more: there are more."""

    by: Mapping[str, int]
    oldest_ms: int | None = None
    more: bool = False

    @property
    def total(self) -> int:
        return sum(self.by.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """Records of an input that no process of its role has ever read. topic, with the numbers of its partitions."""

    role: str
    topic: str
    partitions: tuple[int, ...]
    records: int


def event_retention_ms(topics: Topics) -> int:
    """The shortest retention of an event topic: as the model wants it, which the topics are compared with."""
    return min(topic.retention_ms or 0 for topic in topics.all(1) if topic.name in topics.events)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """An installation at one moment.

    session_ms: after this time without a report a process owns no task: its group gives them to others.
    kafka_away: why Kafka does not answer; nothing else is known then.
    advice: what the topics could do better.
    unmade_events: Stripe's notices of the last day that it failed to make events, by the type of their objects.
    backlog: records that were not taken, by role, as Kafka has it.
    not_looked_at: what could not be read, with the reason.
    """

    now_ms: int
    kafka: str
    prefix: str
    version: str
    partitions: int
    session_ms: int = 12_000
    kafka_away: str | None = None
    problems: Sequence[TopicProblem] = ()
    advice: Sequence[TopicProblem] = ()
    workers: Workers | None = None
    definitions: Definitions | None = None
    dead_letters: Tally | None = None
    stopped_runs: Tally | None = None
    waiting: Sequence[WaitingCommands] | None = None
    unmade_events: Tally | None = None
    unread: Sequence[Unread] = ()
    backlog: Mapping[str, int] = field(default_factory=dict)
    event_retention_ms: int = 7 * 86_400_000
    not_looked_at: Mapping[str, str] = field(default_factory=dict)

    @property
    def instances(self) -> Sequence[Instance]:
        """The processes that have reported; none where the reports could not be read."""
        return () if self.workers is None else self.workers.instances

    @property
    def live(self) -> Sequence[Instance]:
        """Those of them that report."""
        return () if self.workers is None else self.workers.live
