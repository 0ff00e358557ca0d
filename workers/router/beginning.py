"""Whether an event starts a run of a workflow, and the run that it starts. Pure."""

from stripeline.contracts.definitions import Workflow
from stripeline.contracts.ids import run_id
from stripeline.contracts.vocabulary import UnstartedReason
from stripeline.workers.router import late_events, runs
from stripeline.workers.router.event_account import unclear
from stripeline.workers.router.expressions import ExpressionError, Holds, holds
from stripeline.workers.router.own_effects import EventCause, entry_of
from stripeline.workers.router.router_setup import RouterSetup
from stripeline.workers.router.run_state import Runs
from stripeline.workers.router.runs import Arrival, Transition
from stripeline.workers.task.decision import Unstarted


def start(
    setup: RouterSetup, state: Runs, name: str, workflow: Workflow, arrival: Arrival, now_ms: int
) -> Transition | Unstarted | None:
    """The run that an event starts; None where it is not the workflow's, does not pass, or has its run."""
    event = arrival.event
    if not workflow.wants(event["type"]) or state.knows(run_id(arrival.occasion, name)):
        return None
    problem: str | None = None
    try:
        passes = holds(workflow.where, event)
    except ExpressionError as error:
        passes, problem = Holds.YES, str(error)
    if passes is Holds.NO:
        return None
    if passes is Holds.MISSING:
        return Unstarted(name, UnstartedReason.WHERE_MISSING)
    cause = arrival.cause.followed_by(entry_of(setup.installation(), name))
    if not isinstance(cause, EventCause):
        return Unstarted(name, cause)
    run = runs.begin(name, workflow, arrival, cause, now_ms)
    ruled = late_events.ruled(workflow, run, arrival.late_by_ms, now_ms)
    problem = problem or unclear(workflow, event, arrival.connection)
    if ruled is None and problem is not None:
        return Transition(run=runs.stop(run, runs.invalid(problem), now_ms))
    return runs.next_step(run, now_ms) if ruled is None else ruled
