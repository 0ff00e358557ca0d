"""Starts a run from an event that a person names, also of a workflow that is paused. Pure.

The act's record is the event's own: own effects, hops, test events and the key are what they were when it came. A run
that is known is not started again. A late event that a person names is run; among many, its workflow's rule holds.
"""

from msgspec.structs import replace

from stripeline.contracts import headers as h
from stripeline.contracts.ids import run_id
from stripeline.contracts.internal_records import UnreadableRecordError
from stripeline.contracts.vocabulary import Verdict
from stripeline.workers.router.act_request import ActRequest
from stripeline.workers.router.beginning import start
from stripeline.workers.router.event_record import arrival_of, read_event
from stripeline.workers.router.router_setup import RouterSetup
from stripeline.workers.router.run_outputs import carried_out
from stripeline.workers.router.run_state import Runs
from stripeline.workers.router.runs import Transition
from stripeline.workers.task.decision import Decision, Unstarted


def start_run(setup: RouterSetup, state: Runs, asked: ActRequest, now_ms: int) -> Decision:
    """The run of the act's event. Raises UnreadableRecordError for an act that does not fit its event."""
    act, event = asked.act, read_event(asked.record.value)
    name = act.workflow or ""
    occasion = act.run.removesuffix(f":{name}")
    of_this_event = occasion == event["id"] or occasion.startswith(f"{event['id']}@")
    if not of_this_event or act.run != run_id(occasion, name):
        raise UnreadableRecordError("the act names a run of another event")
    workflow = setup.workflows(h.text(asked.headers, h.TRIGGER) or "").get(name)
    if workflow is None:  # deleted since
        return Decision(Verdict.NO_RUN)
    key = None if act.key is None else act.key.encode("latin-1")
    arrival = arrival_of(setup, event, occasion, asked.headers, key)
    if not act.late_rule:
        arrival = replace(arrival, late_by_ms=None)
    begun = start(setup, state, name, workflow, arrival, now_ms)
    if isinstance(begun, Transition):
        return carried_out(setup, asked.headers, begun, now_ms)
    return Decision(Verdict.NO_RUN, unstarted=(begun,) if isinstance(begun, Unstarted) else ())
