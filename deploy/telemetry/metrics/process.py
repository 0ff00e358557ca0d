"""What every process shows: readiness, the event loop, the clock, its version."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from stripeline.contracts.operator.operator_vocabulary import TopicProblemKind
from stripeline.deploy.operations.topic_problems import TopicProblem
from stripeline.deploy.telemetry.collector import MetricRow, Sample
from stripeline.deploy.telemetry.sources import ProcessView


def _ready(missing: Mapping[str, str | None]) -> Iterator[Sample]:
    return (((check,), words is None) for check, words in missing.items())


def _by_kind(problems: Sequence[TopicProblem]) -> Mapping[tuple[str, ...], int]:
    return Counter((problem.topic, problem.kind) for problem in problems)


PROCESS: Final[tuple[MetricRow[ProcessView], ...]] = (
    MetricRow(
        "stripeline_ready", "gauge", ("check",),
        "1 where the check of /readyz passes",
        lambda seen: _ready(seen.missing),
        over="min",
        question="Can the process work?",
        action="0: `/readyz` says what is missing",
    ),
    MetricRow(
        "stripeline_control_table_age_seconds", "gauge", (),
        "Time since the process last had all of the control topic",
        lambda seen: [((), seen.control_age_s)],
        over="max",
        question="Do the definitions that the process uses hold?",
        action="Below a second. From 30 s on `/readyz` warns and says why, from 300 s on the process is not ready: a"
        " rolled secret, a revoked key or a deleted trigger has no effect in it",
    ),
    MetricRow(
        "stripeline_topic_problems", "gauge", ("topic", "kind"),
        "What is wrong with Kafka or one of its topics, as of the last look, every 15 s",
        lambda seen: [(labels, count) for labels, count in _by_kind(seen.topics).items()],
        over="max",
        question="Did somebody change a topic?",
        action="`stripeline topics check` says what is wrong and what to do. See *Topics that change*",
        words={"kind": (TopicProblemKind,)},
    ),
    MetricRow(
        "stripeline_event_loop_lag_seconds", "histogram", (),
        "Lateness of a timer of the event loop",
        lambda seen: [((), seen.lag.lag_s)],
        question="Is the CPU the bottleneck?",
        action="Above 0.1 s most of the time: start more processes",
    ),
    MetricRow(
        "stripeline_event_loop_lag_worst_seconds", "gauge", (),
        "The worst lateness of the last one to two minutes",
        lambda seen: [((), seen.lag.worst_s)],
        over="max",
        question="Does something block the event loop?",
        action="Heartbeats share the loop: near the session timeout the process loses its partitions",
    ),
    MetricRow(
        "stripeline_broker_clock_skew_seconds", "gauge", (),
        "How far this host's clock is ahead of the broker's; known once something was written",
        lambda seen: [((), seen.skew_s)],
        over="max",
        question="Is this host's clock wrong?",
        action="Set it. Workers use the broker's clock, signatures are checked against the host's",
    ),
    MetricRow(
        "stripeline_partitions", "gauge", (),
        "Partitions of each topic, as the process is set: STRIPELINE_PARTITIONS",
        lambda seen: [((), seen.partitions)],
        over="max",
        question="How many partitions must each role work on?",
        action="Compare the sum of `stripeline_task_open`. All processes have the same number",
    ),
    MetricRow(
        "stripeline_build_info", "gauge", ("version",),
        "1, with the version",
        lambda seen: [((seen.version,), 1)],
        question="Which version runs?",
        action="",
    ),
)  # fmt: skip
