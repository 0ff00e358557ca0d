"""What a worker shows: records and results, transactions, tasks and their state, input partitions, retry tiers."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from stripeline.contracts.vocabulary import (
    CODE_OK,
    UNKNOWN_ACTION,
    Code,
    StateKind,
    UnstartedReason,
    Verdict,
    WorkerEvent,
)
from stripeline.deploy.telemetry.collector import MetricRow, Sample
from stripeline.deploy.telemetry.sources import WorkerView
from stripeline.workers.task.input_partition import InputPartition, Load


def _counted(read: Callable[[WorkerView], Iterable[Sample]]) -> Callable[[WorkerView], Iterator[Sample]]:
    """Samples of a worker, with its role before their labels."""
    return lambda seen: (((seen.role, *labels), value) for labels, value in read(seen))


def _by_task(read: Callable[[Load], float]) -> Callable[[WorkerView], Iterator[Sample]]:
    return lambda seen: (((seen.role, partition), read(load)) for partition, load in seen.loads.items())


def _by_input(
    read: Callable[[WorkerView, InputPartition, int], float | None],
) -> Callable[[WorkerView], Iterator[Sample]]:
    def samples(seen: WorkerView) -> Iterator[Sample]:
        for (topic, partition), (source, end) in seen.inputs.items():
            value = read(seen, source, end)
            if value is not None:
                yield (seen.role, topic, partition), value

    return samples


def _by_tier(read: Callable[[WorkerView, InputPartition, int], float]) -> Callable[[WorkerView], Iterator[Sample]]:
    return lambda seen: (
        ((seen.tiers[topic], partition), read(seen, source, end))
        for (topic, partition), (source, end) in seen.inputs.items()
        if topic in seen.tiers
    )


def _topics(seen: WorkerView) -> Iterable[str]:
    return dict.fromkeys((*(topic for topic, _ in seen.inputs), *seen.counts.lost_offsets))


def _state(seen: WorkerView) -> Iterator[Sample]:
    for partition, load in seen.loads.items():
        for kind, count in load.state.items():
            yield (seen.role, partition, kind), count


def _overdue(seen: WorkerView) -> Iterator[Sample]:
    for partition, load in seen.loads.items():
        due_ms = seen.now_ms if load.head_due_ms is None else load.head_due_ms
        yield (seen.role, partition), max(0.0, (seen.now_ms - due_ms) / 1000)


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
        question="How late are we?",
        action="A few seconds on the command topic. In a tier it is the record that is due next",
    ),
    MetricRow(
        "stripeline_input_blocked_seconds", "gauge", ("role", "topic", "partition"),
        "How long an open transaction of somebody else has held an input partition back; only where it is half a minute"
        " and longer",
        _counted(lambda seen: seen.blocked.items()),
        question="Does a transaction of somebody else hold our work up?",
        action="`/readyz` names the producer, the offset and the command of Kafka that aborts it",
    ),
    MetricRow(
        "stripeline_input_held_seconds", "gauge", ("role", "topic", "partition"),
        "How long the input partition has been held at a batch that no client can read; 0 while it is not",
        lambda seen: (((seen.role, *place), seen.held_s.get(place, 0.0)) for place in seen.inputs),
        question="Is a partition held, at an unreadable batch or for want of a right?",
        action="`/readyz` and the log name the batch; see *A batch that can't be read*",
    ),
    MetricRow(
        "stripeline_lost_offsets_total", "counter", ("role", "topic"),
        "Offsets that Kafka removed before they were read",
        _counted(lambda seen: (((topic,), seen.counts.lost_offsets.get(topic, 0)) for topic in _topics(seen))),
        question="Were records lost before they were read?",
        action="Dead letters with the reason `lost_by_retention` name each range; see *Records that are gone*",
    ),
    MetricRow(
        "stripeline_records_total", "counter", ("role", "topic", "verdict"),
        "Records that were decided, by input topic and verdict",
        _counted(lambda seen: seen.counts.records.items()),
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
        question="Which events start no run although a workflow wants their type?",
        action=f"`{UnstartedReason.HOP_LIMIT}`: our own effects lead to each other: look at what the workflow makes"
        f" and what starts it. `{UnstartedReason.WHERE_MISSING}`: events of other applications on the account, or a"
        f" field that is misspelled. `{UnstartedReason.OWN_EFFECT}`: what the workflow did itself; nothing to do."
        f" `{UnstartedReason.PAUSED}`: the workflow is paused, see *Paused workflows*",
    ),
    MetricRow(
        "stripeline_results_total", "counter", ("action", "code"),
        "Results by action and code",
        lambda seen: seen.counts.results.items(),
        words={"code": (Code,)},
        question="How do commands end?",
        action=f"`{CODE_OK}` is a success. `{Code.AUTH_EXPIRED}`: replace the connection's key, or give it the"
        f" permission, and replay the dead letters (`--code {Code.AUTH_EXPIRED}`). `{Code.INDETERMINATE}`: a person"
        f" must look at Stripe. `{Code.ACCOUNT_CHANGED}`: the connection got another account's key (*Accounts*)."
        f" `{Code.RATE_LIMITED}`, `{Code.PROVIDER_ERROR}`: replay the dead letters later. The"
        f" action `{UNKNOWN_ACTION}`: a producer asks for an action that does not exist",
    ),
    MetricRow(
        "stripeline_result_attempts", "histogram", ("action",),
        "Attempts that a result took",
        lambda seen: seen.counts.attempts.items(),
        question="How many calls does a result take?",
        action="The mean rises when Stripe or the network is in trouble",
    ),
    MetricRow(
        "stripeline_worker_events_total", "counter", ("role", "event"),
        "What happened to the worker",
        _counted(lambda seen: (((event,), count) for event, count in seen.counts.events.items())),
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
        _by_tier(lambda seen, source, end: seen.waiting(source, end)),
        question="How many commands wait in a retry tier?",
        action="A paused connection, a rate limit, or an outage of Stripe: see the metrics of *Stripe*. Exact up to"
        " what was read ahead",
    ),
    MetricRow(
        "stripeline_tier_oldest_command_seconds", "gauge", ("tier", "partition"),
        "Age of the oldest of the next 100 commands of the tier, since it was first appended",
        _by_tier(lambda seen, source, _: seen.first_age_s(source)),
        question="Does a command wait so long that it passes 23 h?",
        action="After 23 h it is not sent again, only looked up. `stripeline status` says whose commands wait, for"
        " what, and when they pass 23 h; `stripeline commands show ID` has one of them",
    ),
    MetricRow(
        "stripeline_tier_overdue_seconds", "gauge", ("tier", "partition"),
        "How long the head of the tier has been due",
        _by_tier(lambda seen, source, _: seen.overdue_s(source)),
        question="Are retries late?",
        action="More than a minute: the executors have no free lanes",
    ),
)  # fmt: skip

_TASKS: Final[tuple[MetricRow[WorkerView], ...]] = (
    MetricRow(
        "stripeline_task_open", "gauge", ("role", "partition"),
        "1 while the task works, 0 while it is being restored or opened anew",
        _counted(lambda seen: (((partition,), is_open) for partition, is_open in seen.open.items())),
        question="Which process works on which partition?",
        action="The sum over all processes is the number of partitions. Less for longer than a restore: `/readyz`",
    ),
    MetricRow(
        "stripeline_task_restore_seconds", "gauge", ("role", "partition"),
        "Time that the last opening of the task took, its restore included",
        _counted(lambda seen: (((partition,), took_s) for partition, took_s in seen.counts.restore_s.items())),
        question="How long is a partition idle when it moves?",
        action="Grows with the state, see *Capacity*",
    ),
    MetricRow(
        "stripeline_task_state_entries", "gauge", ("role", "partition", "kind"),
        "Entries of the state by kind",
        _state,
        words={"kind": (StateKind,)},
        question="How large is the state?",
        action=f"`{StateKind.COMMANDS}`, `{StateKind.OPEN}`, `{StateKind.STOPPED}` and `{StateKind.FINISHED}` (runs)"
        f" take memory. `{StateKind.STOPPED}`: each waits for a person, `stripeline runs list`."
        f" `{StateKind.WAITING}` and `{StateKind.QUEUES}` (keys that wait) return to 0 when the trouble is over",
    ),
    MetricRow(
        "stripeline_task_queue_overdue_seconds", "gauge", ("role", "partition"),
        "Time since the head of the key that waits longest was due",
        _overdue,
        question="Is a key stuck?",
        action="Hours, though no tier is overdue and Stripe answers: Kafka lost the record at the head of the key, and"
        " the commands behind it are re-queued forever. Find it with `stripeline dead-letters list --key KEY` and on"
        " the retry topics; report it",
    ),
    MetricRow(
        "stripeline_task_state_full", "gauge", ("role", "partition"),
        "1 while the state is full and nothing new is taken",
        _by_task(lambda load: load.full),
        question="Is the state at its limit?",
        action="Nothing new is taken: there are too few partitions for this load",
    ),
    MetricRow(
        "stripeline_task_lanes_running", "gauge", ("role", "partition"),
        "Lanes that have a record at work",
        _by_task(lambda load: load.running),
        question="Are the key lanes the bottleneck?",
        action="At the limit while records wait: raise `EXECUTOR_CONCURRENCY`. One while records wait: all of them have"
        " the same key",
    ),
    MetricRow(
        "stripeline_task_lanes_limit", "gauge", ("role", "partition"),
        "Lanes that may have a record at work",
        _by_task(lambda load: load.room),
        question="How many key lanes may run?",
        action="Compare `stripeline_task_lanes_running`",
    ),
    MetricRow(
        "stripeline_task_calls_in_flight", "gauge", ("role", "partition"),
        "Calls to Stripe that are under way, or wait for their connection's turn",
        _by_task(lambda load: load.calls),
        question="Is `EXECUTOR_CONCURRENCY` the bottleneck?",
        action="Compare `stripeline_stripe_calls_in_flight`, which excludes those that wait",
    ),
    MetricRow(
        "stripeline_task_records_held", "gauge", ("role", "partition"),
        "Records that were taken and are not finished",
        _by_task(lambda load: load.records_held),
        question="How many records are in work?",
        action="",
    ),
    MetricRow(
        "stripeline_task_records_waiting", "gauge", ("role", "partition"),
        "Records that were read and not taken yet",
        _by_task(lambda load: load.records_waiting),
        question="How many records were read and wait?",
        action="",
    ),
    MetricRow(
        "stripeline_task_held_bytes", "gauge", ("role", "partition"),
        "Bytes of the records that were taken and are not finished",
        _by_task(lambda load: load.bytes_held),
        question="How much memory do the records in work take?",
        action="Bounded; records of a megabyte reach the bound",
    ),
    MetricRow(
        "stripeline_task_waiting_bytes", "gauge", ("role", "partition"),
        "Bytes of the records that were read and not taken yet",
        _by_task(lambda load: load.bytes_waiting),
        question="How much memory do the waiting records take?",
        action="Bounded; records of a megabyte reach the bound",
    ),
)  # fmt: skip

_COMMITS: Final[tuple[MetricRow[WorkerView], ...]] = (
    MetricRow(
        "stripeline_commit_seconds", "histogram", ("role",),
        "Time of a transaction",
        _counted(lambda seen: [((), seen.counts.commit_s)]),
        question="Is Kafka slow?",
        action="Some milliseconds are normal; after 20 s the broker aborts the transaction",
    ),
    MetricRow(
        "stripeline_commit_records", "histogram", ("role",),
        "Records that a transaction finished",
        _counted(lambda seen: [((), seen.counts.commit_records)]),
        question="Are transactions large enough to be cheap?",
        action="A mean near 1 under load: raise `COMMIT_INTERVAL`",
    ),
)  # fmt: skip

WORKER: Final = (*_WORK, *_TIERS, *_TASKS, *_COMMITS)
