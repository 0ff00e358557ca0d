"""What the brakes ask of the control table, of the tasks of their process, and of the reports of the others."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from functools import partial
from typing import TypeVar

from msgspec.structs import replace

from stripeline.contracts.limits import HourlyLimits
from stripeline.contracts.operator.control_keys import BRAKE
from stripeline.contracts.operator.spending import BrakeKind, TaskSpending
from stripeline.contracts.operator.worker_report import WorkerReport
from stripeline.deploy.runtime.shared import Shared
from stripeline.deploy.runtime.workflow_pauser import WorkflowPauser
from stripeline.deploy.telemetry.metrics.brake_rows import BRAKES
from stripeline.workers.brakes.peers import Peers
from stripeline.workers.executor.connection.brakes import Brakes
from stripeline.workers.executor.connection.own_runs import OwnRuns
from stripeline.workers.executor.ledger import Ledger
from stripeline.workers.kafka.control_table import ControlTable
from stripeline.workers.kafka.followers.follower import Follower
from stripeline.workers.kafka.followers.peer_reports import PeerReports
from stripeline.workers.kafka.followers.run_follower import RunFollower
from stripeline.workers.kafka.group_member import Worker
from stripeline.workers.task.decision import TaskState

S = TypeVar("S", bound=TaskState)


def limits_of_connection(table: ControlTable, name: str) -> HourlyLimits | None:
    connection = table.connections.get(name)
    return None if connection is None else connection.limits


def takes_only_own(table: ControlTable, name: str) -> bool:
    connection = table.connections.get(name)
    return connection is not None and connection.commands == "own"


def released_ms(table: ControlTable, kind: BrakeKind, name: str) -> int:
    """When a person last resumed what its limit had paused, by the broker's clock; 0 where nobody has."""
    place = table.definitions.places.get(f"{BRAKE}/{kind}/{name}")
    return 0 if place is None else place.appended_ms


def open_states(worker: Worker[S]) -> Mapping[int, S]:
    """The states of the tasks that are restored; one that is being restored does not know yet what it has begun."""
    return {number: task.restored.state for number, task in worker.tasks.items() if task.open}


def brakes_of(shared: Shared, worker: Callable[[], Worker[Ledger]]) -> tuple[Brakes, Follower]:
    """The brakes of an executor's connections, and what reads what the others have spent."""
    table, peers = shared.table, Peers()
    brakes = Brakes(
        limits=partial(limits_of_connection, table),
        released=partial(released_ms, table, "connection"),
        ledgers=lambda: open_states(worker()),
        peers=peers,
        partitions=shared.settings.partitions,
    )
    wanted = shared.selections.limited_connections
    return brakes, peer_reports(shared, "limits of connections", peers, lambda: bool(wanted()))


def show_brakes(shared: Shared, brakes: Brakes, worker: Worker[Ledger]) -> None:
    """In the metrics, and in the reports that the others read."""
    limited, now_ms = shared.selections.limited_connections, shared.clock.now_ms
    shared.metrics.show(BRAKES, lambda: list(brakes.status(limited(), now_ms())))
    shared.report.append(lambda report: _with_connections_spent(report, limited(), open_states(worker)))


def peer_reports(shared: Shared, name: str, peers: Peers, wanted: Callable[[], bool]) -> Follower:
    follower = PeerReports(
        shared.settings.topics.worker, shared.client, peers, wanted=wanted, now_ms=shared.clock.now_ms,
        words=shared.words,
    ).follower  # fmt: skip
    shared.warnings[name] = follower.missing
    return follower


def own_runs_of(shared: Shared, worker: Callable[[], Worker[Ledger]]) -> tuple[OwnRuns, Follower]:
    """The runs whose commands connections with `commands: own` take, and what reads them."""
    runs = OwnRuns()
    follower = RunFollower(
        shared.settings.topics.run, shared.client, runs,
        wanted=lambda: bool(shared.selections.own_connections()),
        numbers=lambda: list(worker().tasks), now_ms=shared.clock.now_ms, words=shared.words,
    ).follower  # fmt: skip
    shared.warnings["own commands"] = follower.missing
    return runs, follower


@contextlib.asynccontextmanager
async def following(*followers: Follower | WorkflowPauser) -> AsyncIterator[None]:
    """Run what works beside the worker, and end it with the block."""
    running = [asyncio.create_task(one.run(), name="follower") for one in followers]
    try:
        yield
    finally:
        for one in running:
            one.cancel()
        await asyncio.wait(running, timeout=5.0)


def _with_connections_spent(
    report: WorkerReport, names: Collection[str], ledgers: Mapping[int, Ledger]
) -> WorkerReport:
    return with_spent(
        report,
        (
            TaskSpending(kind="connection", partition=number, names={name: ledger.spending(name) for name in names})
            for number, ledger in ledgers.items()
            if names
        ),
    )


def with_spent(report: WorkerReport, spent: Iterable[TaskSpending]) -> WorkerReport:
    return replace(report, spent=(*report.spent, *spent))
