"""What a process shows of itself on /metrics. One row a metric, read when asked: nothing is counted on a hot path."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from workers.adapters.worker import Worker
from workers.inbox import Load

# Name, what it tells, and where it comes from. Each is told for a role and a partition.
_OF_A_TASK: tuple[tuple[str, str, Callable[[Load], float]], ...] = (
    ("records_waiting", "Records that were read and not taken yet", lambda load: load.records_waiting),
    ("waiting_bytes", "Bytes of the records that were read and not taken yet", lambda load: load.bytes_waiting),
    ("records_held", "Records that were taken and are not finished", lambda load: load.records_held),
    ("held_bytes", "Bytes of the records that were taken and are not finished", lambda load: load.bytes_held),
    (
        "calls_in_flight",
        "Calls to Stripe that are under way, or wait for their connection's turn",
        lambda load: load.calls,
    ),
    ("state_full", "1 while the state is full and nothing new is taken", lambda load: load.full),
)


@dataclass(frozen=True, slots=True)
class WorkerMetrics(Collector):
    """The metrics of one worker's tasks."""

    worker: Worker[Any]

    def collect(self) -> Iterator[GaugeMetricFamily]:
        role = self.worker.job.name
        loads = {str(number): task.load for number, task in self.worker.tasks.items()}
        for name, tells, read in _OF_A_TASK:
            metric = GaugeMetricFamily(f"stripeline_task_{name}", tells, labels=("role", "partition"))
            for partition, load in loads.items():
                metric.add_metric((role, partition), read(load))
            yield metric
        yield _state(role, {partition: load.state for partition, load in loads.items()})


def _state(role: str, states: Mapping[str, Mapping[str, int]]) -> GaugeMetricFamily:
    tells = "Entries of the state: known commands and keys that wait, or open and finished runs"
    metric = GaugeMetricFamily("stripeline_task_state_entries", tells, labels=("role", "partition", "kind"))
    for partition, sizes in states.items():
        for kind, count in sizes.items():
            metric.add_metric((role, partition, kind), count)
    return metric


def watch(registry: CollectorRegistry, worker: Worker[Any]) -> None:
    """Show a worker's tasks on a registry."""
    registry.register(WorkerMetrics(worker))
