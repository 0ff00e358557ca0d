"""What a worker shows of its tasks: whether they are open, their state, what they have in hand, their transactions."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from stripeline.contracts.vocabulary import StateKind
from stripeline.deploy.telemetry.board import Board
from stripeline.deploy.telemetry.collector import MetricRow, Sample
from stripeline.deploy.telemetry.sources import WorkerView
from stripeline.workers.task.input_partition import Load


def counted(read: Callable[[WorkerView], Iterable[Sample]]) -> Callable[[WorkerView], Iterator[Sample]]:
    """Samples of a worker, with its role before their labels."""
    return lambda seen: (((seen.role, *labels), value) for labels, value in read(seen))


def _by_task(read: Callable[[Load], float]) -> Callable[[WorkerView], Iterator[Sample]]:
    return lambda seen: (((seen.role, partition), read(load)) for partition, load in seen.loads.items())


def _by_partition(read: Callable[[WorkerView, str], float]) -> Callable[[WorkerView], Iterator[Sample]]:
    return lambda seen: (((seen.role, partition), read(seen, partition)) for partition in seen.loads)


def _state(seen: WorkerView) -> Iterator[Sample]:
    for partition, load in seen.loads.items():
        for kind, count in load.state.items():
            yield (seen.role, partition, kind), count


def _overdue(seen: WorkerView) -> Iterator[Sample]:
    for partition, load in seen.loads.items():
        due_ms = seen.now_ms if load.head_due_ms is None else load.head_due_ms
        yield (seen.role, partition), max(0.0, (seen.now_ms - due_ms) / 1000)


TASKS: Final[tuple[MetricRow[WorkerView], ...]] = (
    MetricRow(
        "stripeline_task_open", "gauge", ("role", "partition"),
        "1 while the task works, 0 while it is being restored or opened again",
        counted(lambda seen: (((partition,), is_open) for partition, is_open in seen.open.items())),
        question="Which process works on which partition?",
        action="The sum over all processes is the number of partitions. Less for longer than a restore: `/readyz`",
    ),
    MetricRow(
        "stripeline_task_restore_seconds", "gauge", ("role", "partition"),
        "Time that the last opening of the task took, its restore included",
        counted(lambda seen: (((partition,), took_s) for partition, took_s in seen.counts.restore_s.items())),
        over="max",
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
        board=Board.MONEY, over="max",
        question="Is a key stuck?",
        action="Hours, though no tier is overdue and Stripe answers: Kafka lost the record at the head of the key, and"
        " the commands behind it are re-queued forever. Find it with `stripeline dead-letters list --key KEY` and on"
        " the retry topics; report it",
    ),
    MetricRow(
        "stripeline_task_state_full", "gauge", ("role", "partition"),
        "1 while the state is full and nothing new is taken",
        _by_task(lambda load: load.full),
        over="max",
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
        "stripeline_task_records_ready", "gauge", ("role", "partition"),
        "Records that are ready and not started; a command in a tier is ready once it is due",
        _by_partition(lambda seen, partition: seen.ready(partition).count),
        question="Would more processes help?",
        action="The figure to scale on, with the next one: 0 when idle, transactions or not. It excludes what waits for"
        " a connection's rate, a pause, or Stripe's answer",
    ),
    MetricRow(
        "stripeline_task_oldest_ready_seconds", "gauge", ("role", "partition"),
        "How long the oldest record that was read and not taken has been ready; 0 where there is none",
        _by_partition(lambda seen, partition: seen.ready(partition).age_s(seen.now_ms)),
        over="max",
        question="How late does work start?",
        action="Seconds for minutes: start more processes, or see *Capacity*",
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

COMMITS: Final[tuple[MetricRow[WorkerView], ...]] = (
    MetricRow(
        "stripeline_commit_seconds", "histogram", ("role",),
        "Time of a transaction",
        counted(lambda seen: [((), seen.counts.commit_s)]),
        question="Is Kafka slow?",
        action="Some milliseconds are normal; after 20 s the broker aborts the transaction",
    ),
    MetricRow(
        "stripeline_commit_records", "histogram", ("role",),
        "Records that a transaction finished",
        counted(lambda seen: [((), seen.counts.commit_records)]),
        question="Are transactions large enough to be cheap?",
        action="A mean near 1 under load: raise `COMMIT_INTERVAL`",
    ),
)  # fmt: skip
