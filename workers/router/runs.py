"""The run state machine: an event starts a run, each result takes it one step on, an error stops it. Pure.

    running(step 1) → … → running(step n) → succeeded
         │ an error result, or a broken expression
         ▼
      stopped(step i)  ── a later revision of that step's result → running(step i + 1) or succeeded

A run carries the definition that it started with and its event, so what the operator changes meanwhile is for the next
run.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from stripeline.contracts.definitions import Workflow
from stripeline.contracts.ids import command_id, run_id
from stripeline.contracts.internal_records import RecordedError, Run, RunStep, StepDefinition
from stripeline.contracts.masking import mask_text
from stripeline.contracts.records import Status
from stripeline.contracts.vocabulary import Code
from stripeline.workers.actions import whole_numbers_of
from stripeline.workers.router.event_account import event_account, foreign_account, step_account
from stripeline.workers.router.expressions import ExpressionError, require_whole_numbers, resolve
from stripeline.workers.router.own_effects import EventCause


class Transition(Struct, frozen=True, kw_only=True):
    """A run's next state, and the command that it asks for, if it asks for one."""

    run: Run
    command: Mapping[str, Any] | None = None


class ResultRun(Struct, frozen=True, kw_only=True):
    """The run that a result belongs to."""

    run_id: str = ""


class StepResult(Struct, frozen=True, kw_only=True):
    """What the router reads of a result, `contracts.records.Result`."""

    command_id: str
    revision: int
    status: Status
    output: dict[str, Any] | None = None
    error: RecordedError | None = None
    finished_ms: int | None = msgspec.field(default=None, name="finished_at")
    run: ResultRun | None = None


class Arrival(Struct, frozen=True, kw_only=True):
    """An event, and what it says to all workflows alike.

    occasion: the event's id, or that of one delivery of it.
    connection: the trigger's.
    own: the account of that, if it is known.
    key: of the event's record.
    """

    event: dict[str, Any]
    occasion: str
    connection: str
    own: str | None
    cause: EventCause
    key: bytes | None = None


def begin(name: str, workflow: Workflow, arrival: Arrival, cause: EventCause, now_ms: int) -> Run:
    """A run before its first step. cause: of what it will do."""
    event, connection = arrival.event, arrival.connection
    foreign = foreign_account(event, arrival.own)
    steps = (
        StepDefinition(
            connection=step.connection or connection, id=step.id, action=step.action, input=dict(step.input),
            account=step_account(step, connection, foreign),
        )
        for step in workflow.steps
    )  # fmt: skip
    run = run_id(arrival.occasion, name)
    return Run(
        run_id=run,
        workflow=name,
        trigger=workflow.trigger,
        event_id=event["id"],
        event_type=event["type"],
        status="running",
        step=None,
        error=None,
        steps=(),
        started_ms=now_ms,
        finished_ms=None,
        definition=tuple(steps),
        context=event,
        account=event_account(event),
        connection=connection,
        key=run if arrival.key is None else arrival.key.decode("latin-1"),
        chain=cause.chain,
        hops=cause.hops,
    )


def next_step(run: Run, now_ms: int) -> Transition:
    """The next step's command, or the end of the run."""
    definition, context = run.definition or (), run.context or {}
    if len(run.steps) == len(definition):
        done = replace(run, status="succeeded", step=None, error=None, definition=None, context=None)
        return Transition(run=replace(done, finished_ms=now_ms))
    step = definition[len(run.steps)]
    entry = _started(run, step, now_ms)
    running = replace(run, status="running", step=step.id, error=None, finished_ms=None, steps=(*run.steps, entry))
    try:
        outputs = {earlier.id: earlier.output for earlier in run.steps}
        given = resolve(step.input, {**context, "steps": outputs})
        require_whole_numbers(step.input, given, whole_numbers_of(step.action))
    except ExpressionError as error:
        return _stop_at_last_step(running, broken(error), now_ms)
    command = {
        "command_id": entry.command_id,
        "action": step.action,
        "connection": step.connection,
        "input": given,
        "run": {"run_id": run.run_id, "workflow": run.workflow, "step": step.id},
    }
    beside = {"account": step.account, "livemode": context.get("livemode"), "chain": run.chain, "hops": run.hops}
    command |= {name: value for name, value in beside.items() if value is not None}
    return Transition(run=running, command=command)


def _started(run: Run, step: StepDefinition, now_ms: int) -> RunStep:
    return RunStep(
        id=step.id,
        action=step.action,
        command_id=command_id(run.run_id, step.id),
        revision=None,
        status="running",
        output=None,
        error=None,
        started_ms=now_ms,
        finished_ms=None,
    )


def apply_result(run: Run, result: StepResult, now_ms: int) -> Transition | None:
    """A run after a result of its step; None for a result that it does not wait for."""
    if not run.steps or run.steps[-1].command_id != result.command_id:
        return None
    *earlier, step = run.steps
    if step.revision is not None and result.revision <= step.revision:
        return None
    ended = replace(
        step, revision=result.revision, status=result.status, output=result.output, error=result.error,
        finished_ms=result.finished_ms,
    )  # fmt: skip
    updated = replace(run, steps=(*earlier, ended))
    if run.status == "cancelled":
        return Transition(run=updated)
    if result.status != "succeeded":
        return Transition(run=stop(updated, result.error, now_ms))
    return next_step(updated, now_ms)


def refuse_command(transition: Transition, message: str, now_ms: int) -> Transition:
    """A step whose command can't be sent: the run stops there."""
    return _stop_at_last_step(transition.run, invalid(message), now_ms)


def _stop_at_last_step(run: Run, error: RecordedError, now_ms: int) -> Transition:
    *earlier, step = run.steps
    failed = replace(step, status="failed", error=error, finished_ms=now_ms)
    return Transition(run=stop(replace(run, steps=(*earlier, failed)), error, now_ms))


def stop(run: Run, error: RecordedError | None, now_ms: int) -> Run:
    return replace(run, status="stopped", error=error, finished_ms=now_ms)


def broken(error: ExpressionError) -> RecordedError:
    return invalid(str(error))


def invalid(message: str) -> RecordedError:
    """What an expression says may repeat the event's texts."""
    return RecordedError(code=Code.VALIDATION_ERROR.value, message=mask_text(message), retryable=False)
