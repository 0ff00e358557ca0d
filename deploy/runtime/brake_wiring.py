"""What the brakes ask of the control table, and of the tasks of their process."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from stripeline.contracts.definitions import BRAKE
from stripeline.contracts.limits import HourlyLimits
from stripeline.contracts.operator.spending import BrakeKind
from stripeline.deploy.runtime.shared import Shared
from stripeline.deploy.telemetry.metrics.brake_rows import BRAKES
from stripeline.workers.executor.connection.brakes import Brakes
from stripeline.workers.executor.ledger import Ledger
from stripeline.workers.kafka.control_table import ControlTable
from stripeline.workers.kafka.group_member import Worker
from stripeline.workers.task.decision import TaskState

S = TypeVar("S", bound=TaskState)


def brakes_of(shared: Shared, worker: Callable[[], Worker[Ledger]]) -> Brakes:
    """The brakes of an executor's connections. They show their limits on the admin port."""
    table = shared.table
    brakes = Brakes(
        limits=lambda name: limits_of_connection(table, name),
        released=lambda name: released_ms(table, "connection", name),
        ledgers=lambda: open_states(worker()),
        partitions=shared.settings.partitions,
    )
    shared.metrics.show(
        BRAKES, lambda: list(brakes.status(list(table.connections), shared.clock.now_ms()))
    )  # fmt: skip
    return brakes


def limits_of_connection(table: ControlTable, name: str) -> HourlyLimits | None:
    connection = table.connections.get(name)
    return None if connection is None else connection.limits


def released_ms(table: ControlTable, kind: BrakeKind, name: str) -> int:
    """When a person last resumed what its limit had paused, by the broker's clock; 0 where nobody has."""
    place = table.definitions.places.get(f"{BRAKE}/{kind}/{name}")
    return 0 if place is None else place.appended_ms


def open_states(worker: Worker[S]) -> Mapping[int, S]:
    """The states of the tasks that are restored; one that is being restored does not know yet what it has begun."""
    return {number: task.restored.state for number, task in worker.tasks.items() if task.open}
