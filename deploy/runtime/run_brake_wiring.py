"""What the brakes of workflows ask of the control table, of the tasks of their process, and of the others' reports."""

from collections.abc import Callable, Collection, Iterator
from functools import partial

from stripeline.contracts.operator.spending import TaskSpending
from stripeline.deploy.runtime.brake_wiring import open_states, peer_reports, released_ms, with_spent
from stripeline.deploy.runtime.shared import Shared
from stripeline.deploy.telemetry.metrics.brake_rows import BRAKES
from stripeline.workers.brakes.peers import Peers
from stripeline.workers.brakes.rolling_hour import of_seconds
from stripeline.workers.kafka.control_table import ControlTable
from stripeline.workers.kafka.followers.follower import Follower
from stripeline.workers.kafka.group_member import Worker
from stripeline.workers.router.run_brakes import RunBrakes
from stripeline.workers.router.run_state import Runs


def run_brakes_of(shared: Shared, worker: Callable[[], Worker[Runs]]) -> tuple[RunBrakes, Follower]:
    """The brakes of a router's workflows, and what reads how many runs the others have started."""
    table, peers = shared.table, Peers()
    brakes = RunBrakes(
        released=partial(released_ms, table, "workflow"), states=lambda: open_states(worker()), peers=peers
    )  # fmt: skip
    wanted = shared.selections.limited_workflows
    return brakes, peer_reports(shared, "limits of workflows", peers, lambda: bool(wanted()))


def show_run_brakes(shared: Shared, brakes: RunBrakes, worker: Worker[Runs]) -> None:
    """In the metrics, and in the reports that the others read."""
    limited, now_ms = shared.selections.limited_workflows, shared.clock.now_ms
    shared.metrics.show(BRAKES, lambda: list(brakes.status(limited(), now_ms())))
    shared.report.append(lambda report: with_spent(report, _started(shared.table, limited(), worker)))


def _started(table: ControlTable, limited: Collection[str], worker: Worker[Runs]) -> Iterator[TaskSpending]:
    released = {name: released_ms(table, "workflow", name) for name in limited}
    for number, state in open_states(worker).items() if released else ():
        names = {name: of_seconds(state.started(name), at_ms) for name, at_ms in released.items()}
        yield TaskSpending(kind="workflow", partition=number, names=names)
