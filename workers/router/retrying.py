"""A person retries the step at which a run stopped, as a new command: whether, and with which definition. Pure.

Invariants:
- A step that succeeded is never done again.
- A command that may have been done is never retried: it is replayed, which looks it up at Stripe.
- An act names the command, its revision and the number of the new one: sent twice, it is done once.
- Nothing of the former command is lost: the executor decides between the two (`workers/executor/superseding.py`), and
  until then a result of either counts.
"""

from collections.abc import Callable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from stripeline.contracts.definitions import Workflow
from stripeline.contracts.ids import MAX_NUMBER
from stripeline.contracts.internal_records import FormerCommand, Run, RunStep, StepDefinition
from stripeline.workers.router import runs
from stripeline.workers.router.event_account import unclear
from stripeline.workers.router.expressions import ExpressionError, Holds, holds
from stripeline.workers.router.runs import Transition


class RetryRequest(Struct, frozen=True, kw_only=True):
    """Which command is retried: None where its run stopped before any. `number`: of the new command."""

    command_id: str | None
    revision: int | None
    number: int
    as_started: bool = False


class Present(Struct, frozen=True, kw_only=True):
    """A workflow as it is now; None where it is not there. `account`: a connection's own, None while unknown."""

    workflow: Workflow | None
    account: Callable[[str], str | None] = lambda _: None


class NotRetried(Struct, frozen=True):
    """Why a run is not retried."""

    why: str


def request_of(run: Run, *, as_started: bool = False) -> RetryRequest:
    """What retries a run as it is now."""
    if not run.steps:
        return RetryRequest(command_id=None, revision=None, number=2, as_started=as_started)
    step = run.steps[-1]
    return RetryRequest(
        command_id=step.command_id, revision=step.revision, number=step.number + 1, as_started=as_started
    )


def retry(run: Run, request: RetryRequest, present: Present, now_ms: int) -> Transition | NotRetried | None:
    """The run with its step begun again, or why not; None where the act was done before."""
    now = request_of(run, as_started=request.as_started)
    if run.status in {"running", "succeeded"} or now.number != request.number or now.command_id != request.command_id:
        return None
    if run.status == "cancelled":
        return NotRetried("it was cancelled")
    if now.revision != request.revision:
        return NotRetried(f"{now.command_id} has a newer result than when the retry was asked for")
    if run.context is None or run.definition is None:
        return NotRetried("its event was erased")
    return _begin_again(run, request, present, now_ms) if run.steps else _evaluate_again(run, request, present, now_ms)


def _begin_again(run: Run, request: RetryRequest, present: Present, now_ms: int) -> Transition | NotRetried:
    *done, failed = run.steps
    if failed.status != "failed":
        return NotRetried(
            f"{failed.command_id} may have been done. To have it looked up at Stripe:"
            f" `stripeline dead-letters replay --id {failed.command_id} --yes`"
        )
    if request.number > MAX_NUMBER:
        return NotRetried(f"its step {failed.id!r} was retried too often")
    definition = run.definition if request.as_started else _present_steps(run, done, failed, present)
    if definition is None or isinstance(definition, NotRetried):
        return definition or NotRetried("its event was erased")
    former = FormerCommand(
        id=failed.id, action=failed.action, command_id=failed.command_id, revision=failed.revision,
        status=failed.status, error=failed.error, started_ms=failed.started_ms, finished_ms=failed.finished_ms,
        digest=failed.digest, definition=None if definition == run.definition else run.definition,
    )  # fmt: skip
    before = replace(run, steps=tuple(done), definition=definition, note=None)
    return runs.next_step(before, now_ms, request.number, former)


def _present_steps(
    run: Run, done: Sequence[RunStep], failed: RunStep, present: Present
) -> tuple[StepDefinition, ...] | NotRetried:
    """The workflow's steps as they are now, if they agree with what was done."""
    found = _steps_now(run, present)
    if isinstance(found, NotRetried):
        return found
    for place, step in enumerate(done):
        there = found[place] if place < len(found) else None
        if there is None or (there.id, there.action) != (step.id, step.action):
            return NotRetried(
                f"its step {step.id!r} ({step.action}) is done, and is not step {place + 1} of the workflow any more:"
                " retry it with --as-started, or cancel it"
            )
    if len(found) == len(done):
        return NotRetried(
            f"the workflow has no step in the place of {failed.id!r} any more: retry it with --as-started, or cancel it"
        )
    return found


def _steps_now(run: Run, present: Present) -> tuple[StepDefinition, ...] | NotRetried:
    workflow, event, connection = present.workflow, run.context or {}, run.connection or ""
    if workflow is None:
        return NotRetried(f"there is no workflow {run.workflow!r} of its trigger any more: retry it with --as-started")
    problem = unclear(workflow, event, connection)
    if problem is not None:
        return NotRetried(problem)
    return runs.step_definitions(workflow, event, connection, present.account(connection))


def _evaluate_again(run: Run, request: RetryRequest, present: Present, now_ms: int) -> Transition | NotRetried:
    """A run that stopped before its first step: its `where`, and then its steps, as they are now."""
    if request.as_started:
        return NotRetried(
            "it stopped before its first step, where the workflow as it is now decides: leave out --as-started"
        )
    definition, workflow = _steps_now(run, present), present.workflow
    if workflow is None or isinstance(definition, NotRetried):
        return definition if isinstance(definition, NotRetried) else NotRetried("there is no such workflow")
    event = run.context or {}
    try:
        passes = holds(workflow.where, event) is Holds.YES and workflow.wants(run.event_type)
    except ExpressionError as error:
        return NotRetried(str(error))
    if not passes:
        ended = replace(run, status="cancelled", error=None, definition=None, context=None, finished_ms=now_ms)
        return Transition(run=replace(ended, note="its event does not match the workflow as it is now"))
    return runs.next_step(replace(run, definition=definition, note=None), now_ms)
