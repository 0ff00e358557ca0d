"""What a worker shows: records and results, input partitions, retry tiers."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from stripeline.contracts.vocabulary import (
    CODE_OK,
    UNKNOWN_ACTION,
    Code,
    DeadLetterReason,
    UnstartedReason,
    Verdict,
    WorkerEvent,
)
from stripeline.deploy.telemetry.board import Board
from stripeline.deploy.telemetry.collector import MetricRow, Sample
from stripeline.deploy.telemetry.metrics.task_rows import COMMITS, TASKS, counted
from stripeline.deploy.telemetry.sources import WorkerView
from stripeline.workers.task.input_partition import InputPartition


def _by_input(
    read: Callable[[WorkerView, InputPartition, int], float | None],
) -> Callable[[WorkerView], Iterator[Sample]]:
    def samples(seen: WorkerView) -> Iterator[Sample]:
        for (topic, partition), (source, end) in seen.inputs.items():
            value = read(seen, source, end)
            if value is not None:
                yield (seen.role, topic, partition), value

    return samples


def _by_tier(
    read: Callable[[WorkerView, tuple[str, str], InputPartition], float],
) -> Callable[[WorkerView], Iterator[Sample]]:
    return lambda seen: (
        ((seen.tiers[topic], partition), read(seen, (topic, partition), source))
        for (topic, partition), (source, _) in seen.inputs.items()
        if topic in seen.tiers
    )


def _topics(seen: WorkerView) -> Iterable[str]:
    return dict.fromkeys((*(topic for topic, _ in seen.inputs), *seen.counts.lost_offsets))


_WORK: Final[tuple[MetricRow[WorkerView], ...]] = (
    MetricRow(
        "stripeline_consumer_lag_records", "gauge", ("role", "topic", "partition"),
        "Offsets from the low watermark to the end of the input partition",
        _by_input(lambda _, source, end: max(0, end - source.watermark.position)),
        question="Do we keep up?",
        action="Grows on all partitions: start more processes, or see *Capacity*. On one: a hot key, or its task is in"
        " trouble (`/readyz`). Transaction markers count, so it is an upper bound",
    ),
    MetricRow(
        "stripeline_oldest_waiting_seconds", "gauge", ("role", "topic", "partition"),
        "Age of the oldest record that was read and not taken, since it was appended",
        _by_input(lambda seen, source, _: seen.age_s(source)),
        over="max",
        question="How late are we?",
        action="A few seconds. Commands that wait for their turn or their time are in"
        " `stripeline_tier_oldest_command_seconds`",
    ),
    MetricRow(
        "stripeline_input_blocked_seconds", "gauge", ("role", "topic", "partition"),
        "How long an open transaction of somebody else has held an input partition back; only where it is half a minute"
        " and longer",
        counted(lambda seen: seen.blocked.items()),
        over="max",
        question="Does a transaction of somebody else hold our work up?",
        action="`/readyz` names the producer, the offset and the command of Kafka that aborts it",
    ),
    MetricRow(
        "stripeline_input_held_seconds", "gauge", ("role", "topic", "partition"),
        "How long the input partition has been held at a batch that no client can read; 0 while it is not",
        lambda seen: (((seen.role, *place), seen.held_s.get(place, 0.0)) for place in seen.inputs),
        over="max",
        question="Is a partition held, at an unreadable batch or for want of a right?",
        action="`/readyz` and the log name the batch; see *A batch that can't be read*",
    ),
    MetricRow(
        "stripeline_lost_offsets_total", "counter", ("role", "topic"),
        "Offsets that Kafka removed before they were read",
        counted(lambda seen: (((topic,), seen.counts.lost_offsets.get(topic, 0)) for topic in _topics(seen))),
        board=Board.MONEY,
        question="Were records lost before they were read?",
        action="Dead letters with the reason `lost_by_retention` name each range; see *Records that are gone*",
    ),
    MetricRow(
        "stripeline_records_total", "counter", ("role", "topic", "verdict"),
        "Records that were decided, by input topic and verdict",
        counted(lambda seen: seen.counts.records.items()),
        words={"verdict": (Verdict,)},
        question="What is decided?",
        action=f"`{Verdict.UNREADABLE}`, `{Verdict.ID_REUSED}`: a producer breaks the contract, see the dead letters."
        f" `{Verdict.BROKEN}`: a fault of Stripeline, report it; the dead letter has the reason `internal_error`",
    ),
    MetricRow(
        "stripeline_runs_not_started_total", "counter", ("workflow", "reason"),
        "Events of a workflow's types that its `where`, our own effects or a pause kept from starting a run",
        lambda seen: seen.counts.unstarted.items(),
        words={"reason": (UnstartedReason,)},
        board=Board.MONEY,
        question="Which events start no run although a workflow wants their type?",
        action=f"`{UnstartedReason.HOP_LIMIT}`: our own effects lead to each other: look at what the workflow makes"
        f" and what starts it. `{UnstartedReason.WHERE_MISSING}`: events of other applications on the account, or a"
        f" field that is misspelled. `{UnstartedReason.OWN_EFFECT}`: what the workflow did itself; nothing to do."
        f" `{UnstartedReason.PAUSED}`: the workflow is paused, see *Paused workflows*."
        f" `{UnstartedReason.LATE}`: events that were missed and found later, which the workflow skips",
    ),
    MetricRow(
        "stripeline_results_total", "counter", ("action", "code"),
        "Results by action and code",
        lambda seen: seen.counts.results.items(),
        words={"code": (Code,)},
        board=Board.MONEY,
        question="How do commands end?",
        action=f"`{CODE_OK}` is a success. `{Code.AUTH_EXPIRED}`: replace the connection's key, or give it the"
        f" permission, and replay the dead letters (`--code {Code.AUTH_EXPIRED}`). `{Code.INDETERMINATE}`: a person"
        f" must look at Stripe. `{Code.ACCOUNT_CHANGED}`: the connection got another account's key (*Accounts*)."
        f" `{Code.RATE_LIMITED}`, `{Code.PROVIDER_ERROR}`: replay the dead letters later. The"
        f" action `{UNKNOWN_ACTION}`: a producer asks for an action that does not exist",
    ),
    MetricRow(
        "stripeline_dead_letters_total", "counter", ("role", "reason"),
        "Dead letters that were written, by reason",
        counted(lambda seen: (((reason,), count) for reason, count in seen.counts.dead_letters.items())),
        words={"reason": (DeadLetterReason,)},
        board=Board.MONEY,
        question="Does something need a person?",
        action="`stripeline dead-letters list --reason REASON`; see *Dead letters*",
    ),
    MetricRow(
        "stripeline_result_attempts", "histogram", ("action",),
        "Attempts that a result took",
        lambda seen: seen.counts.attempts.items(),
        board=Board.STRIPE,
        question="How many calls does a result take?",
        action="The mean rises when Stripe or the network is in trouble",
    ),
    MetricRow(
        "stripeline_worker_events_total", "counter", ("role", "event"),
        "What happened to the worker",
        counted(lambda seen: (((event,), count) for event, count in seen.counts.events.items())),
        words={"event": (WorkerEvent,)},
        question="Is the consumer group stable?",
        action=f"`{WorkerEvent.ASSIGNED}`, `{WorkerEvent.REVOKED}`: rebalances. `{WorkerEvent.FENCED}`: two processes"
        f" had one partition, normal for a moment in a rebalance. `{WorkerEvent.TASK_FAILED}`,"
        f" `{WorkerEvent.SESSION_FAILED}`: the log has the error. `{WorkerEvent.WATCHDOG}`: see *How it heals*",
    ),
)  # fmt: skip

_TIERS: Final[tuple[MetricRow[WorkerView], ...]] = (
    MetricRow(
        "stripeline_tier_records", "gauge", ("tier", "partition"),
        "Records that wait in a retry tier",
        _by_tier(lambda seen, place, source: seen.waiting(source, seen.inputs[place][1]) + seen.in_room(place)),
        board=Board.STRIPE,
        question="How many commands wait in a retry tier?",
        action="A paused connection, a rate limit, or an outage of Stripe: see the metrics of *Stripe*. Exact up to"
        " what was read ahead",
    ),
    MetricRow(
        "stripeline_tier_oldest_command_seconds", "gauge", ("tier", "partition"),
        "Age of the oldest of the next 100 commands of the tier, since it was first appended",
        _by_tier(lambda seen, place, source: seen.first_age_s(place, source)),
        board=Board.MONEY, over="max",
        question="Does a command wait so long that it passes 23 h?",
        action="After 23 h it is not sent again, only looked up. `stripeline status` says whose commands wait, for"
        " what, and when they pass 23 h; `stripeline commands show ID` has one of them",
    ),
    MetricRow(
        "stripeline_tier_overdue_seconds", "gauge", ("tier", "partition"),
        "How long the head of the tier has been due",
        _by_tier(lambda seen, place, source: seen.overdue_s(place, source)),
        board=Board.STRIPE, over="max",
        question="Are retries late?",
        action="More than a minute: the executors have no free lanes",
    ),
)  # fmt: skip

WORKER: Final = (*_WORK, *_TIERS, *TASKS, *COMMITS)
