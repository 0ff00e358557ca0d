"""The run state machine: an event starts a run, each result takes it one step on, an error stops it. Pure.

    running(step 1) → … → running(step n) → succeeded
         │ an error result, or a broken expression
         ▼
      stopped(step i)  ── a later revision of that step's result → running(step i + 1) or succeeded
         │ a person's retry
         ▼
      running(step i, as command n; the former one is kept)
         │ └── a result of command n → as above        │ the executor refuses command n, since the former has not failed
         │                                             └──► stopped(step i) again, with the former command
         └── a success of the former → running(step i + 1) or succeeded; the executor refuses command n

A person's cancellation ends a run in any state: results are still recorded, and take it nowhere.

A run carries the definition that it started with and its event, so what the operator changes meanwhile is for the next
run, or for a retry.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from stripeline.contracts.definitions import Workflow
from stripeline.contracts.ids import command_id, run_id
from stripeline.contracts.internal_records import FormerCommand, RecordedError, Run, RunStep, StepDefinition
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
    late_by_ms: of one that was missed and found later, where its workflow decides about that.
    key: of the event's record.
    """

    event: dict[str, Any]
    occasion: str
    connection: str
    own: str | None
    cause: EventCause
    key: bytes | None = None
    late_by_ms: int | None = None


def begin(name: str, workflow: Workflow, arrival: Arrival, cause: EventCause, now_ms: int) -> Run:
    """A run before its first step. cause: of what it will do."""
    event, connection = arrival.event, arrival.connection
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
        definition=step_definitions(workflow, event, connection, arrival.own),
        context=event,
        account=event_account(event),
        connection=connection,
        key=run if arrival.key is None else arrival.key.decode("latin-1"),
        chain=cause.chain,
        hops=cause.hops,
    )


def step_definitions(
    workflow: Workflow, event: Mapping[str, Any], connection: str, own: str | None
) -> tuple[StepDefinition, ...]:
    """A workflow's steps for one event. `connection`: the trigger's; `own`: the account of that, if it is known."""
    foreign = foreign_account(event, own)
    return tuple(
        StepDefinition(
            connection=step.connection or connection, id=step.id, action=step.action, input=dict(step.input),
            account=step_account(step, connection, foreign),
        )
        for step in workflow.steps
    )  # fmt: skip


def next_step(run: Run, now_ms: int, number: int = 1, former: FormerCommand | None = None) -> Transition:
    """The next step's command, or the end of the run.

    number: of the command among those of its step. former: the command of that step that it is to supersede.
    """
    definition, context = run.definition or (), run.context or {}
    if len(run.steps) == len(definition):
        done = replace(run, status="succeeded", step=None, error=None, definition=None, context=None)
        return Transition(run=replace(done, finished_ms=now_ms))
    step = definition[len(run.steps)]
    entry = _started(run, step, now_ms, number, former)
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
    supersedes = None if former is None else former.command_id
    beside = {
        "account": step.account,
        "supersedes": supersedes,
        "livemode": context.get("livemode"),
        "chain": run.chain,
        "hops": run.hops,
    }
    command |= {name: value for name, value in beside.items() if value is not None}
    return Transition(run=running, command=command)


def _started(run: Run, step: StepDefinition, now_ms: int, number: int, former: FormerCommand | None) -> RunStep:
    return RunStep(
        id=step.id,
        action=step.action,
        command_id=command_id(run.run_id, step.id, number),
        revision=None,
        status="running",
        output=None,
        error=None,
        started_ms=now_ms,
        finished_ms=None,
        number=number,
        former=former,
    )


def apply_result(run: Run, result: StepResult, now_ms: int) -> Transition | None:
    """A run after a result of its step; None for a result that it does not wait for."""
    step = run.steps[-1] if run.steps else None
    former = None if step is None else step.former
    if former is not None and result.command_id == former.command_id:
        return _of_former(run, former, result, now_ms)
    if step is None or result.command_id != step.command_id:
        return None
    if former is not None and result.error is not None and result.error.code == Code.RETRY_REFUSED:
        return Transition(run=taken_back(run, former, step.number, result.error.message, now_ms))
    return _of_step(run, result, now_ms)


def _of_step(run: Run, result: StepResult, now_ms: int) -> Transition | None:
    *earlier, step = run.steps
    if step.revision is not None and result.revision <= step.revision:
        return None
    ended = replace(
        step, revision=result.revision, status=result.status, output=result.output, error=result.error,
        finished_ms=result.finished_ms, former=None,
    )  # fmt: skip
    updated = replace(run, steps=(*earlier, ended))
    if run.status == "cancelled":
        return Transition(run=updated)
    if result.status != "succeeded":
        return Transition(run=stop(updated, result.error, now_ms))
    return next_step(updated, now_ms)


def _of_former(run: Run, former: FormerCommand, result: StepResult, now_ms: int) -> Transition | None:
    """A run whose step has a newer command, after a result of the former one, which is recorded as it is.

    A success is the step's: the executor refuses the newer command, because the former was done.
    """
    if former.revision is not None and result.revision <= former.revision:
        return None
    *earlier, step = run.steps
    if result.status == "succeeded":
        return apply_result(taken_back(run, former, step.number, None, now_ms), result, now_ms)
    known = replace(
        former, revision=result.revision, status=result.status, error=result.error, finished_ms=result.finished_ms
    )
    return Transition(run=replace(run, steps=(*earlier, replace(step, former=known))))


def taken_back(run: Run, former: FormerCommand, number: int, note: str | None, now_ms: int) -> Run:
    """A run as it was before a retry that came to nothing: it waits for its former command. `number`: used so far."""
    step = RunStep(
        id=former.id,
        action=former.action,
        command_id=former.command_id,
        revision=former.revision,
        status=former.status,
        output=None,
        error=former.error,
        started_ms=former.started_ms,
        finished_ms=former.finished_ms,
        digest=former.digest,
        number=number,
    )
    taken = replace(run, step=former.id, steps=(*run.steps[:-1], step), note=note)
    if run.status == "cancelled":
        return taken
    return stop(replace(taken, definition=former.definition or run.definition), former.error, now_ms)


def refuse_command(transition: Transition, message: str, now_ms: int) -> Transition:
    """A step whose command can't be sent: the run stops there."""
    return _stop_at_last_step(transition.run, invalid(message), now_ms)


def _stop_at_last_step(run: Run, error: RecordedError, now_ms: int) -> Transition:
    *earlier, step = run.steps
    if step.former is not None:  # the newer command was not sent
        note = f"not retried: {error.message}"
        return Transition(run=taken_back(run, step.former, step.number - 1, note, now_ms))
    failed = replace(step, status="failed", error=error, finished_ms=now_ms)
    return Transition(run=stop(replace(run, steps=(*earlier, failed)), error, now_ms))


def stop(run: Run, error: RecordedError | None, now_ms: int) -> Run:
    return replace(run, status="stopped", error=error, finished_ms=now_ms)


def broken(error: ExpressionError) -> RecordedError:
    return invalid(str(error))


def invalid(message: str) -> RecordedError:
    """What an expression says may repeat the event's texts."""
    return RecordedError(code=Code.VALIDATION_ERROR.value, message=mask_text(message), retryable=False)
