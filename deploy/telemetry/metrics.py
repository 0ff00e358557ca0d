"""The table of metrics: all of our own that /metrics shows. A new one is a row here, and one in docs/operations.md.

Names and base units as Prometheus has them (https://prometheus.io/docs/practices/naming/). Labels are names of ours or
of the operator's (roles, topics, partitions, triggers, connections, codes): never an id, a key or a secret.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from stripeline.deploy.telemetry.collector import Row, Sample
from stripeline.deploy.telemetry.deliveries import Deliveries
from stripeline.deploy.telemetry.sources import ProcessView, WorkerView
from stripeline.workers.executor.rate_gate import Standing
from stripeline.workers.stripe.api import StripeApi
from stripeline.workers.task.input_partition import Input, Load

OF_INGEST: Final[tuple[Row[Deliveries], ...]] = (
    # Does Stripe reach us, and what becomes of it? `refused` is 4xx, `not_taken` 503. An unknown trigger has no name.
    Row("stripeline_deliveries_total", "counter", ("trigger", "verdict", "reason"),
        "Deliveries by what became of them", lambda seen: seen.verdicts.items()),
    # May the old secret of a roll be removed? When only secret 0, the first of the ring, still counts up.
    Row("stripeline_signatures_total", "counter", ("trigger", "secret"),
        "Genuine signatures by the place of their secret in the trigger's ring; 0 is the first",
        lambda seen: (((trigger, str(place)), count) for (trigger, place), count in seen.secrets.items())),
    # Is Kafka fast enough for Stripe's patience? From the whole body to acks=all.
    Row("stripeline_publish_seconds", "histogram", ("topic",),
        "Time from the whole body to Kafka's acknowledgement",
        lambda seen: (((seen.topic(topic),), took) for (topic,), took in seen.publish_s.items())),
    # Is our clock wrong? Positive where it is ahead of Stripe's.
    Row("stripeline_delivery_clock_skew_seconds", "gauge", ("trigger",),
        "Age of the last genuine delivery whose time was outside the tolerance",
        lambda seen: (((trigger,), skew_s) for trigger, skew_s in seen.skew_s.items())),
    # Does somebody hold connections open, or send what is no HTTP?
    Row("stripeline_connections_closed_total", "counter", ("reason",),
        "Connections that we closed before they sent a request",
        lambda seen: (((reason,), count) for reason, count in seen.closed.items())),
)  # fmt: skip


def _counted(read: Callable[[WorkerView], Iterable[Sample]]) -> Callable[[WorkerView], Iterator[Sample]]:
    """Samples of a worker, with its role before their labels."""
    return lambda seen: (((seen.role, *labels), value) for labels, value in read(seen))


def _by_task(read: Callable[[Load], float]) -> Callable[[WorkerView], Iterator[Sample]]:
    return lambda seen: (((seen.role, partition), read(load)) for partition, load in seen.loads.items())


def _by_input(read: Callable[[WorkerView, Input, int], float | None]) -> Callable[[WorkerView], Iterator[Sample]]:
    def samples(seen: WorkerView) -> Iterator[Sample]:
        for (topic, partition), (source, end) in seen.inputs.items():
            value = read(seen, source, end)
            if value is not None:
                yield (seen.role, topic, partition), value

    return samples


def _by_tier(read: Callable[[WorkerView, Input, int], float]) -> Callable[[WorkerView], Iterator[Sample]]:
    return lambda seen: (
        ((seen.tiers[topic], partition), read(seen, source, end))
        for (topic, partition), (source, end) in seen.inputs.items()
        if topic in seen.tiers
    )


def _state(seen: WorkerView) -> Iterator[Sample]:
    for partition, load in seen.loads.items():
        for kind, count in load.state.items():
            yield (seen.role, partition, kind), count


def _overdue(seen: WorkerView) -> Iterator[Sample]:
    for partition, load in seen.loads.items():
        due_ms = seen.now_ms if load.head_due_ms is None else load.head_due_ms
        yield (seen.role, partition), max(0.0, (seen.now_ms - due_ms) / 1000)


OF_A_WORKER: Final[tuple[Row[WorkerView], ...]] = (
    # How much is done, and how? A rising share of `retried`, `unreadable` or `internal_error` is a question.
    Row("stripeline_records_total", "counter", ("role", "topic", "verdict"),
        "Records that were decided, by input topic and verdict", _counted(lambda seen: seen.counts.records.items())),
    # How do commands end? `OK`, or the code of the error table; another team's unknown action is called `unknown`.
    Row("stripeline_results_total", "counter", ("action", "code"),
        "Results by action and code", lambda seen: seen.counts.results.items()),
    # How hard is it to get a result?
    Row("stripeline_result_attempts", "histogram", ("action",),
        "Attempts that a result took", lambda seen: seen.counts.attempts.items()),
    # Is Kafka slow for us? A transaction takes some milliseconds.
    Row("stripeline_commit_seconds", "histogram", ("role",),
        "Time of a transaction", _counted(lambda seen: [((), seen.counts.commit_s)])),
    # Are transactions shared by enough records to be cheap?
    Row("stripeline_commit_records", "histogram", ("role",),
        "Records that a transaction finished", _counted(lambda seen: [((), seen.counts.commit_records)])),
    # Is the group quiet? Rebalances (assigned, revoked), fenced and failed tasks, lost sessions, the watchdog.
    Row("stripeline_worker_events_total", "counter", ("role", "event"),
        "What happened to the worker",
        _counted(lambda seen: (((event,), count) for event, count in seen.counts.events.items()))),
    # How long is a partition without work after it moved?
    Row("stripeline_task_restore_seconds", "gauge", ("role", "partition"),
        "Time that the last opening of the task took, its restore included",
        _counted(lambda seen: (((partition,), took_s) for partition, took_s in seen.counts.restore_s.items()))),
    # Which partitions does this process work on? The sum over all processes is the number of partitions.
    Row("stripeline_task_open", "gauge", ("role", "partition"),
        "1 while the task works, 0 while it is being restored or opened anew",
        _counted(lambda seen: (((partition,), is_open) for partition, is_open in seen.open.items()))),
    # How much memory does the state need? commands, waiting, queues (keys that wait); open and finished runs.
    Row("stripeline_task_state_entries", "gauge", ("role", "partition", "kind"),
        "Entries of the state by kind", _state),
    # Is a key stuck? Its commands go round behind a head that does not come back.
    Row("stripeline_task_queue_overdue_seconds", "gauge", ("role", "partition"),
        "Time since the head of the key that waits longest was due", _overdue),
    # Has the state reached its limit?
    Row("stripeline_task_state_full", "gauge", ("role", "partition"),
        "1 while the state is full and nothing new is taken", _by_task(lambda load: load.full)),
    # How much is in hand?
    Row("stripeline_task_records_waiting", "gauge", ("role", "partition"),
        "Records that were read and not taken yet", _by_task(lambda load: load.records_waiting)),
    Row("stripeline_task_waiting_bytes", "gauge", ("role", "partition"),
        "Bytes of the records that were read and not taken yet", _by_task(lambda load: load.bytes_waiting)),
    Row("stripeline_task_records_held", "gauge", ("role", "partition"),
        "Records that were taken and are not finished", _by_task(lambda load: load.records_held)),
    Row("stripeline_task_held_bytes", "gauge", ("role", "partition"),
        "Bytes of the records that were taken and are not finished", _by_task(lambda load: load.bytes_held)),
    # Are the lanes the bottleneck? Running at the limit while records wait says so.
    Row("stripeline_task_lanes_running", "gauge", ("role", "partition"),
        "Lanes that have a record at work", _by_task(lambda load: load.running)),
    Row("stripeline_task_lanes_limit", "gauge", ("role", "partition"),
        "Lanes that may have a record at work", _by_task(lambda load: load.room)),
    Row("stripeline_task_calls_in_flight", "gauge", ("role", "partition"),
        "Calls to Stripe that are under way, or wait for their connection's turn", _by_task(lambda load: load.calls)),
    # Do we keep up? Offsets between the low watermark and the end; transaction markers count, so it is an upper bound.
    Row("stripeline_consumer_lag_records", "gauge", ("role", "topic", "partition"),
        "Offsets from the low watermark to the end of the input partition",
        _by_input(lambda _, source, end: max(0, end - source.watermark.position))),
    # How long has the oldest one been there? In a tier it is the one that is due next.
    Row("stripeline_oldest_waiting_seconds", "gauge", ("role", "topic", "partition"),
        "Age of the oldest record that was read and not taken, since it was appended",
        _by_input(lambda seen, source, _: seen.age_s(source))),
    # How much waits for another attempt, a look-up, its connection or its key? Exact up to what was read ahead.
    Row("stripeline_tier_records", "gauge", ("tier", "partition"),
        "Records that wait in a retry tier", _by_tier(lambda seen, source, end: seen.waiting(source, end))),
    # Are retries late? 0 while the head of the tier is not due.
    Row("stripeline_tier_overdue_seconds", "gauge", ("tier", "partition"),
        "How long the head of the tier has been due", _by_tier(lambda seen, source, _: seen.overdue_s(source))),
)  # fmt: skip

OF_STRIPE: Final[tuple[Row[StripeApi], ...]] = (
    # What does Stripe answer? The HTTP status; `refused`, `lost` or `unreadable` where there was none.
    Row("stripeline_stripe_calls_total", "counter", ("action", "kind", "status"),
        "Requests to Stripe, attempts and look-ups, by what came back", lambda stripe: stripe.answers.items()),
    # Is Stripe slow? Without the time that a call waited for its connection's turn.
    Row("stripeline_stripe_call_seconds", "histogram", ("action", "kind"),
        "Time of a request to Stripe", lambda stripe: stripe.seconds.items()),
    # Is EXECUTOR_CONCURRENCY the bottleneck?
    Row("stripeline_stripe_calls_in_flight", "gauge", (),
        "Requests to Stripe that are under way", lambda stripe: [((), stripe.busy)]),
)  # fmt: skip


def _rates(standings: Iterable[Standing]) -> Iterator[Sample]:
    for standing in standings:
        for endpoint, (rate, ceiling) in standing.rates.items():
            yield (standing.connection, endpoint), rate / ceiling


OF_A_GATE: Final[tuple[Row[list[Standing]], ...]] = (
    # Does a connection wait for a new key?
    Row("stripeline_connection_paused", "gauge", ("connection",),
        "1 while Stripe refuses the connection's key", lambda seen: (((one.connection,), one.paused) for one in seen)),
    # Does a connection need a higher limit?
    Row("stripeline_connection_line_seconds", "gauge", ("connection",),
        "How long a command that lines up now waits for its connection's turn",
        lambda seen: (((one.connection,), one.line_ms / 1000) for one in seen)),
    # Did Stripe slow us down? 1 is this process's whole share of the limit; each 429 halves it, a minute restores it.
    Row("stripeline_connection_rate_ratio", "gauge", ("connection", "endpoint"),
        "Share of its limit that a connection uses now; the account's own has no endpoint", _rates),
)  # fmt: skip


def _ready(missing: Mapping[str, str | None]) -> Iterator[Sample]:
    return (((check,), words is None) for check, words in missing.items())


OF_A_PROCESS: Final[tuple[Row[ProcessView], ...]] = (
    # Can it do its work? /readyz says in words what it can't.
    Row("stripeline_ready", "gauge", ("check",),
        "1 where the check of /readyz passes", lambda seen: _ready(seen.missing)),
    # Is the CPU the bottleneck, or does something block? Heartbeats share the loop.
    Row("stripeline_event_loop_lag_seconds", "histogram", (),
        "Lateness of a timer of the event loop", lambda seen: [((), seen.lag.lag_s)]),
    Row("stripeline_event_loop_lag_worst_seconds", "gauge", (),
        "The worst lateness of the last one to two minutes", lambda seen: [((), seen.lag.worst_s)]),
    # Is this host's clock wrong? Workers go by the broker's; signatures are checked by this one.
    Row("stripeline_broker_clock_skew_seconds", "gauge", (),
        "How far this host's clock is ahead of the broker's; known once something was written",
        lambda seen: [((), seen.skew_s)]),
    # Which version runs?
    Row("stripeline_build_info", "gauge", ("version",), "1, with the version", lambda seen: [((seen.version,), 1)]),
)  # fmt: skip

ROWS: Final = (*OF_INGEST, *OF_A_WORKER, *OF_STRIPE, *OF_A_GATE, *OF_A_PROCESS)
