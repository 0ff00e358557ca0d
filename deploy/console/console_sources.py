"""What the pages look at and act through: the index, the processes, the definitions, and records in Kafka."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection

from stripeline.contracts.definitions import Definitions
from stripeline.contracts.ids import idempotency_key
from stripeline.contracts.operator.control_records import Pause
from stripeline.contracts.topics import Topics
from stripeline.deploy.console.act_tasks import ActTasks
from stripeline.deploy.console.console_counters import ConsoleCounters
from stripeline.deploy.console.definitions.act_notices import ActNotices
from stripeline.deploy.console.index.catch_up import CatchUp
from stripeline.deploy.console.overview.report_history import ReportHistory
from stripeline.deploy.operations.acts.audit import Act, Signed
from stripeline.deploy.operations.acts.workflow_resume import Resumed
from stripeline.deploy.operations.reading.topic_reader import Read
from stripeline.deploy.operations.status.backlog import Backlog
from stripeline.deploy.operations.status.facts import Tally, WaitingCommands
from stripeline.deploy.operations.status.workers import Workers
from stripeline.deploy.operations.topic_problems import TopicProblem

Found = TypeVar("Found")


class Index(Protocol):
    """The index, as the pages see it."""

    async def ask(self, query: Callable[[Connection], Found]) -> Found:
        """The answer of a query, which only reads."""
        ...

    async def change(self, change: Callable[[Connection], Found]) -> Found:
        """What a change returns, after its transaction. For what the console itself keeps, such as previews."""
        ...

    def catch_up(self) -> CatchUp:
        """How far the index has read."""
        ...

    def version(self) -> int:
        """Grows with each change of the index."""
        ...


class Records(Protocol):
    """Single records in Kafka, fetched when a page is opened."""

    async def at(self, topic: str, partition: int, offset: int) -> Read | None:
        """The record at a place; None where Kafka has it no more. Raises KafkaError, TimeoutError."""
        ...

    async def many(self, places: Sequence[tuple[str, int, int]]) -> Mapping[tuple[str, int, int], Read]:
        """The records at places that Kafka still has. Raises as `at` does."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """All that a page may use.

    client: aiokafka's options, for the functions of `operations`.
    workers: the newest reports, with their ages now.
    definitions: as the control topic has them now.
    missing: what keeps the console from its work, in words; None where nothing does.
    commit: carries out acts on `stripe.act`, dead letters and commands, each with its audit record.
    pausing: pauses and resumes connections and workflows.
    progress: of acts that may take minutes.
    counters: what the console counts of itself, for its metrics.
    faults, advice: what is wrong with the topics, and what they could do better, as of the last look.
    not_known: what could not be looked at, each with the reason.
    backlog: what the groups had not read at the last look.
    unmade: Stripe's notices of the last day, as of the last look; None while they could not be read.
    session_ms: after this time without a report a process owns no task.
    history: what the reports of the last minutes say.
    acting: the acts that are at work in this console.
    """

    topics: Topics
    client: Mapping[str, Any]
    partitions: int
    window_ms: int
    index: Index
    records: Records
    workers: Callable[[], Workers]
    definitions: Callable[[], Definitions]
    missing: Callable[[], str | None]
    commit: "Commit"
    pausing: "Pauses"
    counters: ConsoleCounters = field(default_factory=ConsoleCounters)
    faults: Callable[[], Sequence[TopicProblem]] = tuple
    advice: Callable[[], Sequence[TopicProblem]] = tuple
    not_known: Callable[[], Mapping[str, str]] = dict
    backlog: Callable[[], Backlog] = Backlog
    unmade: Callable[[], Tally | None] = lambda: None
    session_ms: int = 12_000
    history: Callable[[], ReportHistory] = ReportHistory
    acting: ActTasks = field(default_factory=ActTasks)
    progress: ActNotices = field(default_factory=ActNotices)

    def idempotency_key(self, command_id: str | None) -> str | None:
        """Of a command at Stripe; None while the installation is not known."""
        installation = self.definitions().installation
        return None if command_id is None or installation is None else idempotency_key(installation.id, command_id)


class Commit(Protocol):
    """As `commit_acts`, with the topics and the client of this console."""

    async def __call__(self, acts: Sequence[Act], *, rate_per_s: float) -> int: ...


class Pauses(Protocol):
    """As `operations.acts.pausing.Pausing`, which raises what is in `EXPECTED_OF_ACTS`."""

    async def pause_connection(self, name: str, signed: Signed) -> None: ...
    async def resume_connection(self, name: str, signed: Signed) -> bool: ...
    async def waiting(self, name: str, now_ms: int) -> WaitingCommands | None: ...
    async def pause_workflow(self, name: str, signed: Signed) -> Pause: ...
    async def resume_workflow(self, name: str, signed: Signed, take_up_per_s: float | None = None) -> Resumed: ...
