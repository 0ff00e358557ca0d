"""Compares topics as they are with what they must be: each problem, in a sentence with its remedy. Pure.

A problem that stops keeps a process from starting; any other one costs records and not the work, and is a warning of
`/readyz`, as is every one of an optional topic. Advice is what a cluster could do better, such as replicas: neither
holds anything up.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from stripeline.contracts.operator.operator_vocabulary import TopicProblemKind
from stripeline.contracts.topics import PINNED, Topic, Topics
from stripeline.deploy.operations.rights import Operation, Right, grant_text

SAFE_REPLICATION: Final = 3
_FOR_EVER: Final = (
    "or choose a new STRIPELINE_TOPIC_PREFIX: the number is for ever, because keys that change partition lose their"
    " order and their state"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The actual state of a topic. `own`: the settings that were set on the topic itself; `replicas`: the fewest."""

    partitions: int
    config: Mapping[str, str]
    own: Mapping[str, str]
    replicas: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Denied:
    """A topic that the user may not see, or whose settings it may not see: the rights to grant, and to whom."""

    rights: tuple[Right, ...]
    principal: str

    @property
    def hidden(self) -> bool:
        """Whether not even its existence is known."""
        return any(right.operation is Operation.DESCRIBE for right in self.rights)

    @property
    def remedy(self) -> str:
        return grant_text(self.rights, self.principal)


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicProblem:
    """One problem of a topic, with its remedy."""

    topic: str
    kind: TopicProblemKind
    fault: str
    remedy: str
    stops: bool = True
    waits: bool = False
    """It may pass, when a broker comes back."""
    of_workers: bool = False
    """It concerns groups and transactions: ingest works without them."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """The settings that `topics apply` would change; empty if that is not the remedy."""
    denied: Denied | None = None
    """The rights that this user lacks, so that the topic can't be judged."""

    @property
    def missing(self) -> bool:
        return self.kind is TopicProblemKind.MISSING

    @property
    def refuses_apply(self) -> bool:
        """Whether `topics apply` can do nothing about it, and stops before any change."""
        applies = self.missing or bool(self.settings)
        return not applies and (self.stops or self.kind is TopicProblemKind.TOO_FEW_PARTITIONS)

    @property
    def sentence(self) -> str:
        return f"{self.topic} {self.fault}: {self.remedy}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicState:
    """A topic's required state, actual state, problems, and advice."""

    wanted: Topic
    found: Found | Denied | None
    problems: tuple[TopicProblem, ...]
    advice: tuple[TopicProblem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the problems of a topic depend on beside it.

    brokers: how many are alive.
    in_use: how many partition numbers the workers have committed offsets of; 0 on a new installation.
    unread: the records of each topic on partitions that its prefix does not have.
    """

    brokers: int = 1
    in_use: int = 0
    unread: Mapping[str, int] = field(default_factory=dict)


def judged(wanted: Sequence[Topic], found: Mapping[str, Found | Denied], around: Surroundings) -> list[TopicState]:
    """Every topic with its problems."""
    seen = [(topic, found.get(topic.name)) for topic in wanted if topic.shares_count]
    uniform = _one({there.partitions for _, there in seen if isinstance(there, Found)})
    states = (_state(topic, found.get(topic.name), uniform, around) for topic in wanted)
    return [_never_stopping(state) if state.wanted.optional else state for state in states]


def _never_stopping(state: TopicState) -> TopicState:
    return replace(state, problems=tuple(replace(problem, stops=False) for problem in state.problems))


def _state(wanted: Topic, found: Found | Denied | None, uniform: int | None, around: Surroundings) -> TopicState:
    if found is None:
        remedy = "create it with `stripeline topics apply`"
        gone = TopicProblem(topic=wanted.name, kind=TopicProblemKind.MISSING, fault="does not exist", remedy=remedy)
        return TopicState(wanted=wanted, found=None, problems=(gone,))
    if isinstance(found, Denied):
        what = "may not be seen, if it exists" if found.hidden else "has settings that may not be seen"
        denied = TopicProblem(
            topic=wanted.name, kind=TopicProblemKind.DENIED, fault=f"{what}, by {found.principal}",
            remedy=found.remedy, denied=found,
        )  # fmt: skip
        return TopicState(wanted=wanted, found=found, problems=(denied,))
    problems = (
        *_partitions(wanted, found.partitions, uniform, around),
        *_settings(wanted, found),
        *_isr(wanted, found),
    )
    return TopicState(wanted=wanted, found=found, problems=problems, advice=tuple(_advice(wanted, found, around)))


def _partitions(wanted: Topic, there: int, uniform: int | None, around: Surroundings) -> Iterable[TopicProblem]:
    fault = f"has {there} partitions, not {wanted.partitions}"
    if there < wanted.partitions:
        remedy = (
            f"set STRIPELINE_PARTITIONS={there}, {_FOR_EVER}"
            if wanted.shares_count and uniform is not None
            else f"add them with `kafka-topics.sh --alter --topic {wanted.name} --partitions {wanted.partitions}`"
        )
        yield TopicProblem(topic=wanted.name, kind=TopicProblemKind.TOO_FEW_PARTITIONS, fault=fault, remedy=remedy)
    elif there > wanted.partitions:
        yield _grown(wanted, there, fault, uniform, around)


def _grown(wanted: Topic, there: int, fault: str, uniform: int | None, around: Surroundings) -> TopicProblem:
    kind = TopicProblemKind.UNREAD_PARTITIONS
    if wanted.shares_count and around.in_use > wanted.partitions:
        remedy = f"set STRIPELINE_PARTITIONS={around.in_use}: workers have worked on so many"
        return TopicProblem(topic=wanted.name, kind=kind, fault=fault, remedy=remedy)
    if wanted.shares_count and not around.in_use and uniform is not None:
        remedy = f"set STRIPELINE_PARTITIONS={there}, {_FOR_EVER}"
        return TopicProblem(topic=wanted.name, kind=kind, fault=fault, remedy=remedy)
    unread = around.unread.get(wanted.name)
    records = f"the {unread} records on" if unread else "records on"
    return TopicProblem(
        topic=wanted.name, kind=kind, stops=False,
        fault=f"{fault}, and {records} {_numbers(wanted.partitions, there)} are read by nobody",
        remedy=f"let its producers use {_numbers(0, wanted.partitions)}, and move the others there as"
        " docs/operations.md says",
    )  # fmt: skip


def _settings(wanted: Topic, found: Found) -> Iterable[TopicProblem]:
    for name, value in wanted.config.items():
        if name in PINNED and name not in found.config:
            continue  # a service that has no such setting
        if found.config.get(name) != value:
            yield TopicProblem(
                topic=wanted.name,
                kind=TopicProblemKind.SETTING,
                fault=f"has {name}={found.config.get(name)}, not {value}",
                remedy="`stripeline topics apply` sets it",
                settings={name: value},
            )


def _isr(wanted: Topic, found: Found) -> Iterable[TopicProblem]:
    needed = _min_isr(found)
    if found.replicas is not None and needed > found.replicas:
        fault = f"has min.insync.replicas={needed} and {_replicas(found.replicas)}, so Kafka takes no record for it"
        remedy = f"set min.insync.replicas to {max(1, found.replicas - 1)} on it, or give it more replicas"
        yield TopicProblem(topic=wanted.name, kind=TopicProblemKind.TAKES_NOTHING, fault=fault, remedy=remedy)


def _advice(wanted: Topic, found: Found, around: Surroundings) -> Iterable[TopicProblem]:
    replicas, needed = found.replicas, _min_isr(found)
    if replicas is None or needed > replicas:
        return
    more = (
        "use a Kafka of three brokers"
        if around.brokers < SAFE_REPLICATION
        else "kafka-reassign-partitions.sh adds some"
    )
    by_count = {1: ("its records are lost with one disk", f"for production, three replicas: {more}")}
    found_risk = by_count.get(replicas)
    if found_risk is None and needed == 1:
        found_risk = "an acknowledged record may be on one broker only", "set min.insync.replicas=2 on it"
    if found_risk is None and needed == replicas:
        found_risk = "Kafka takes no record for it while one broker is away", f"for production, three replicas: {more}"
    if found_risk is not None:
        risk, remedy = found_risk
        fault = f"has {_replicas(replicas)} and min.insync.replicas={needed}, so {risk}"
        yield TopicProblem(
            topic=wanted.name, kind=TopicProblemKind.REPLICATION, fault=fault, remedy=remedy, stops=False
        )


def former_tiers(waiting: Mapping[str, int]) -> list[TopicProblem]:
    """Topics of tiers that were taken away, with the records that wait in each."""
    return [
        TopicProblem(
            topic=topic,
            kind=TopicProblemKind.FORMER_TIER,
            stops=False,
            fault=f"belongs to no tier of STRIPELINE_RETRY_TIERS, and {records} commands wait in it",
            remedy="executors that were started since then work them off; delete the topic when it is empty",
        )
        for topic, records in waiting.items()
        if records
    ]


def recreated(topic: str, topics: Topics) -> TopicProblem:
    """A topic that was deleted and created again while the process ran."""
    state = topic in {topics.run, topics.ledger}
    return TopicProblem(
        topic=topic, kind=TopicProblemKind.RECREATED, stops=False,
        fault="was deleted and created again while this process ran, so what was on it is lost",
        remedy="keep its owners running, and do what docs/operations.md (A changelog was created again) says"
        if state
        else "it is read from its beginning; have its producers send what was not taken, then restart this process",
    )  # fmt: skip


def paragraph(problems: Sequence[TopicProblem]) -> str:
    """Problems as sentences; one that several topics share is stated once."""
    alike: dict[tuple[str, str], list[str]] = {}
    for problem in problems:
        remedy = "" if problem.denied else problem.remedy
        alike.setdefault((problem.fault, remedy), []).append(problem.topic)
    denied = [problem.denied for problem in problems if problem.denied]
    grants = grant_text([right for one in denied for right in one.rights], denied[0].principal) if denied else ""
    return " ".join(f"{', '.join(names)} {fault}: {remedy or grants}." for (fault, remedy), names in alike.items())


def unpinned(states: Iterable[TopicState]) -> dict[str, dict[str, str]]:
    """Pins that hold by the cluster's default only, by topic: a default may change."""
    missing = {
        state.wanted.name: {
            name: value
            for name, value in state.wanted.config.items()
            if name in PINNED and state.found.config.get(name) == value and state.found.own.get(name) != value
        }
        for state in states
        if isinstance(state.found, Found)
    }
    return {topic: pins for topic, pins in missing.items() if pins}


def _min_isr(found: Found) -> int:
    return int(found.config.get("min.insync.replicas", "1"))


def _replicas(count: int) -> str:
    return "one replica" if count == 1 else f"{count} replicas"


def _numbers(first: int, end: int) -> str:
    return f"partition {first}" if end - first == 1 else f"partitions {first} to {end - 1}"


def _one(counts: Collection[int]) -> int | None:
    return next(iter(counts)) if len(counts) == 1 else None
