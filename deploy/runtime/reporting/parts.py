"""The report of a process, put together from what its parts say of themselves. Pure.

A part is a function from the report so far to the report with the part's own fields:
`shared.report.append(lambda report: replace(report, master_keys=names))`. It is called every few seconds and must not
wait for anything.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from stripeline.contracts.operator.worker_report import ConnectionReport, TaskReport, WorkerReport
from stripeline.contracts.vocabulary import StateKind
from stripeline.deploy.telemetry.sources import WorkerView
from stripeline.ingest.delivery_counters import Buckets, Labels
from stripeline.workers.executor.connection.rate_gate import ConnectionStatus
from stripeline.workers.task.input_partition import InputPartition

Part = Callable[[WorkerReport], WorkerReport]
MAX_WORDS: Final = 2_000
MAX_CONNECTIONS: Final = 500
MAX_REACHED: Final = 500
MAX_DESTINATIONS: Final = 500


def assembled(base: WorkerReport, parts: Iterable[Part]) -> WorkerReport:
    """The report with what each part says."""
    for part in parts:
        base = part(base)
    return base


def in_words(failing: Mapping[str, str]) -> str | None:
    """Checks that fail, as one text of bounded length; None when there are none."""
    words = "; ".join(f"{name}: {text}" for name, text in failing.items())
    return None if not words else words if len(words) <= MAX_WORDS else words[: MAX_WORDS - 1] + "…"


def with_tasks(report: WorkerReport, seen: WorkerView, is_tier: Callable[[str], bool]) -> WorkerReport:
    """A worker's tasks, beside those of the process's other workers."""
    return replace(report, tasks=(*report.tasks, *_tasks(seen, is_tier)))


def with_connections(report: WorkerReport, seen: Iterable[ConnectionStatus]) -> WorkerReport:
    """The connections whose commands wait."""
    waiting = [_connection(one) for one in seen if one.paused or one.paused_accounts or one.line_ms]
    return replace(report, connections=tuple(waiting[:MAX_CONNECTIONS]))


def with_signatures(report: WorkerReport, counted: Iterable[tuple[Labels, float | Buckets]]) -> WorkerReport:
    """The deliveries that ingest verified with the secrets of destinations, by `stripeline_signatures_total`."""
    signed = {
        place: int(count) for (_, place), count in counted if not place.isdigit() and isinstance(count, int | float)
    }
    return replace(report, signed=dict(list(signed.items())[-MAX_DESTINATIONS:]))


def with_reached(report: WorkerReport, seen: Iterable[tuple[Labels, float | Buckets]]) -> WorkerReport:
    """When each trigger and endpoint was reached last, by `stripeline_trigger_reached_timestamp_seconds`."""
    reached = {name: int(at_s * 1000) for (name,), at_s in seen if isinstance(at_s, int | float)}
    newest = sorted(reached.items(), key=lambda one: one[1], reverse=True)
    return replace(report, reached=dict(newest[:MAX_REACHED]))


def _tasks(seen: WorkerView, is_tier: Callable[[str], bool]) -> Iterator[TaskReport]:
    inputs: dict[str, list[tuple[str, InputPartition, int]]] = {}
    for (topic, number), (source, end) in seen.inputs.items():
        inputs.setdefault(number, []).append((topic, source, end))
    for number, load in seen.loads.items():
        own = inputs.get(number, [])
        fresh = [(source, end) for topic, source, end in own if not is_tier(topic)]
        yield TaskReport(
            role=seen.role,
            partition=int(number),
            open=seen.open[number],
            lag=sum(max(0, end - source.watermark.position) for source, end in fresh),
            oldest_ms=int(1000 * max((seen.age_s(source) for source, _ in fresh), default=0.0)),
            calls=load.calls,
            in_hand=load.records_held,
            waiting=load.state.get(StateKind.WAITING, 0),
            stopped=load.state.get(StateKind.STOPPED),
            waiting_keys=load.state.get(StateKind.QUEUES, 0),
            tier_heads=_heads(seen, number, [(topic, source) for topic, source, _ in own if is_tier(topic)]),
        )


def _heads(seen: WorkerView, number: str, tiers: Sequence[tuple[str, InputPartition]]) -> Mapping[str, int]:
    found = {topic: seen.head_ms((topic, number), source) for topic, source in tiers}
    return {topic: due_ms for topic, due_ms in found.items() if due_ms is not None}


def _connection(one: ConnectionStatus) -> ConnectionReport:
    return ConnectionReport(
        connection=one.connection, paused=one.paused, paused_accounts=one.paused_accounts, line_ms=int(one.line_ms)
    )
