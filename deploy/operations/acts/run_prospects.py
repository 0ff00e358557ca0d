"""Retries and cancels runs, as a person asks: what would happen to each, and the records that ask the router for it.

The router decides about each act again, by the same functions, when it reads it: between the two, a run may move.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, assert_never

from stripeline.contracts.definitions import Definitions
from stripeline.contracts.internal_records import Run, encode
from stripeline.contracts.operator.act_records import RunAct
from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import RunActKind
from stripeline.deploy.operations.acts.audit import Act, Signed
from stripeline.deploy.operations.acts.run_act import act_on_run
from stripeline.workers.router.retrying import NotRetried, Present, request_of, retry
from stripeline.workers.router.runs import Transition


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundRun:
    """A run, and the partition of its task."""

    run: Run
    partition: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Prospect:
    """What an act would do to a run. `act`: None where it would do nothing. `command`: what it would send."""

    found: FoundRun
    words: str
    act: RunAct | None = None
    command: Mapping[str, Any] | None = None


Plan = Callable[[FoundRun, Signed], Prospect]


def retry_plan(definitions: Definitions, *, as_started: bool) -> Plan:
    """What a retry would do, with the workflows as they are now."""

    def plan(found: FoundRun, signed: Signed) -> Prospect:
        run = found.run
        workflow = definitions.workflows.get(run.workflow)
        there = workflow if workflow is not None and workflow.trigger == run.trigger else None
        request = request_of(run, as_started=as_started)
        match retry(run, request, Present(workflow=there, account=definitions.account_of), signed.at_ms):
            case None:
                return Prospect(found=found, words=f"nothing: it is {run.status}")
            case NotRetried(why):
                return Prospect(found=found, words=f"refused: {why}")
            case Transition() as transition:
                words = _outcome(transition)
                if transition.run.status == "stopped":
                    return Prospect(found=found, words=words)
                asked = RunAct(
                    act=RunActKind.RETRY, run=run.run_id, by=signed.by, why=signed.why, at_ms=signed.at_ms,
                    command_id=request.command_id, revision=request.revision, number=request.number,
                    as_started=as_started,
                )  # fmt: skip
                return Prospect(found=found, words=words, act=asked, command=transition.command)
            case never:
                assert_never(never)

    return plan


def _outcome(transition: Transition) -> str:
    run, command = transition.run, transition.command
    if command is not None:
        again = " again" if run.steps[-1].number > 1 else ""
        return f"step {run.step!r} begins{again}, as {command['command_id']}"
    why = run.note or (run.error.message if run.error is not None else "")
    return f"refused: {why}" if run.status == "stopped" else f"it ends: {why}"


def cancel_plan(found: FoundRun, signed: Signed) -> Prospect:
    """What a cancellation would do."""
    run = found.run
    if run.status in {"succeeded", "cancelled"}:
        return Prospect(found=found, words=f"nothing: it is {run.status}")
    asked = RunAct(act=RunActKind.CANCEL, run=run.run_id, by=signed.by, why=signed.why, at_ms=signed.at_ms)
    return Prospect(found=found, words=_cancelled(run), act=asked)


def _cancelled(run: Run) -> str:
    step = run.steps[-1] if run.steps else None
    if step is None or step.status != "running":
        return "no more steps"
    return f"no more steps; {step.command_id} is withdrawn unless it was attempted"


def acts_of(topics: Topics, prospects: Sequence[Prospect], signed: Signed) -> list[Act]:
    """The acts that are to be committed, in the order in which their runs started."""
    asked = [(one.found, one.act) for one in prospects if one.act is not None]
    asked.sort(key=lambda pair: (pair[0].run.started_ms, pair[0].run.run_id))
    return [act_on_run(topics, act, signed, found.partition, encode(act)) for found, act in asked]


def view(prospect: Prospect) -> dict[str, Any]:
    """A row of the dry run."""
    run = prospect.found.run
    return {
        "run": run.run_id,
        "workflow": run.workflow,
        "status": run.status,
        "step": run.step,
        "code": None if run.error is None else run.error.code,
        "would": prospect.words,
    }
