"""Which events start a run of a workflow when a person asks for it, and the acts that do. Pure.

The same decisions as for a live event: the router makes them again when it takes the act, and starts no run that it
knows. So what is sent twice starts once. The act carries the event's record unchanged, in the partition of the event.
"""

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from msgspec.structs import replace

from stripeline.contracts import headers as h
from stripeline.contracts.definitions import Definitions, Workflow
from stripeline.contracts.ids import run_id
from stripeline.contracts.internal_records import UnreadableRecordError, encode
from stripeline.contracts.operator.act_records import RunAct
from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import RunActKind, UnstartedReason
from stripeline.deploy.operations.acts import named_definition
from stripeline.deploy.operations.acts.audit import Act, Signed
from stripeline.deploy.operations.acts.run_act import act_on_run
from stripeline.deploy.operations.reading.topic_reader import Read
from stripeline.workers.router.beginning import start
from stripeline.workers.router.event_record import arrival_of, occasion_at, read_event
from stripeline.workers.router.router_setup import RouterSetup
from stripeline.workers.router.run_state import Runs
from stripeline.workers.router.runs import Arrival, Transition

STARTS: Final = "starts"
_WHY_NOT: Final[Mapping[UnstartedReason, str]] = {
    UnstartedReason.OWN_EFFECT: "does not start: a run of this workflow led to it",
    UnstartedReason.HOP_LIMIT: "does not start: too many of our own effects led to it",
    UnstartedReason.WHERE_MISSING: "does not start: where asks for a field that the event lacks",
    UnstartedReason.LATE: "does not start: it was found later, and the workflow skips such events",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StartCandidate:
    """An event of a workflow's trigger and types, and the run that it has or would start.

    command: of its first step, where one would be sent.
    """

    read: Read
    event_id: str
    event_type: str
    run: str
    fate: str
    command: Mapping[str, Any] | None = None

    @property
    def starts(self) -> bool:
        return self.fate.startswith(STARTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class StartPlan:
    """A workflow, and what the router's decisions about it rest on.

    late_rule: a late event is skipped or held as the workflow says. Else a person wants each event of these.
    """

    name: str
    workflow: Workflow
    setup: RouterSetup
    late_rule: bool = True


def plan_for(topics: Topics, stored: Definitions, name: str, *, late_rule: bool = True) -> StartPlan:
    """Raises FailureError for a workflow that is not there."""
    named_definition.require(stored, "workflow", name)
    workflow = stored.workflows[name]
    installation = "" if stored.installation is None else stored.installation.id
    setup = RouterSetup(
        topics=topics, workflows=lambda _: {name: workflow}, installation=lambda: installation,
        account=stored.account_of,
    )  # fmt: skip
    return StartPlan(name=name, workflow=workflow, setup=setup, late_rule=late_rule)


def candidates(plan: StartPlan, reads: Iterable[Read], known: Container[str], now_ms: int) -> Iterator[StartCandidate]:
    """The events that are the workflow's, in the order in which they are given, each with its fate.

    A repeated delivery of an event is left out. known: the ids of runs that are there.
    """
    seen: set[str] = set()
    for read in reads:
        arrival = _arrival(plan, read)
        if arrival is None:
            continue
        run = run_id(arrival.occasion, plan.name)
        if run in seen:
            continue
        if arrival.late_by_ms is None or plan.workflow.late != "skip":  # its delivery may come behind it
            seen.add(run)
        fate, command = ("has run already", None) if run in known else _fate(plan, arrival, now_ms)
        event = arrival.event
        yield StartCandidate(
            read=read, event_id=event["id"], event_type=event["type"], run=run, fate=fate, command=command
        )  # fmt: skip


def _arrival(plan: StartPlan, read: Read) -> Arrival | None:
    """An event of the workflow's trigger and types; None for any other record."""
    if h.text(read.headers, h.TRIGGER) != plan.workflow.trigger:
        return None
    try:
        event = read_event(read.value)
    except UnreadableRecordError:
        return None  # it has its dead letter
    if not plan.workflow.wants(event["type"]):
        return None
    occasion = occasion_at(event, partition=read.partition, offset=read.offset)
    arrival = arrival_of(plan.setup, event, occasion, read.headers, read.key)
    return arrival if plan.late_rule else replace(arrival, late_by_ms=None)


def _fate(plan: StartPlan, arrival: Arrival, now_ms: int) -> tuple[str, Mapping[str, Any] | None]:
    begun = start(plan.setup, Runs(), plan.name, plan.workflow, arrival, now_ms)
    if begun is None:
        return "does not start: where is false", None
    if not isinstance(begun, Transition):
        return _WHY_NOT[begun.reason], None
    error = begun.run.error
    return STARTS if error is None else f"{STARTS}, and stops at once: {error.message}", begun.command


def acts(topics: Topics, plan: StartPlan, found: Iterable[StartCandidate], signed: Signed) -> Iterator[Act]:
    """One act for each event that starts a run."""
    for one in found:
        if not one.starts:
            continue
        key = None if one.read.key is None else one.read.key.decode("latin-1")
        asked = RunAct(
            act=RunActKind.START, run=one.run, by=signed.by, why=signed.why, at_ms=signed.at_ms, workflow=plan.name,
            key=key, late_rule=plan.late_rule,
        )  # fmt: skip
        headers = (*h.without(one.read.headers.items(), frozenset({h.ACT})), (h.ACT, encode(asked)))
        yield act_on_run(topics, asked, signed, one.read.partition, one.read.value, headers)


def view(one: StartCandidate) -> dict[str, Any]:
    """An event as `runs start --json` shows it."""
    return {
        "event": one.event_id,
        "event_type": one.event_type,
        "at": h.rfc3339(one.read.at_ms),
        "topic": one.read.topic,
        "partition": one.read.partition,
        "offset": one.read.offset,
        "run": one.run,
        "start": one.fate,
    }
