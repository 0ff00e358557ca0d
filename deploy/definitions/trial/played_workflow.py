"""What one workflow does with one event, step by step: the router's own state machine, with made-up results. Pure.

A step's result is the example of its action's output, with what its input says laid over it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from pydantic import ValidationError

from stripeline.contracts.action import Action, RefusedInput
from stripeline.contracts.definitions import Trigger, Workflow
from stripeline.contracts.ids import occasion_of, run_id
from stripeline.contracts.internal_records import Run, StepDefinition
from stripeline.contracts.vocabulary import UnstartedReason
from stripeline.workers.actions import actions, objects_made, whole_numbers_of
from stripeline.workers.router import runs
from stripeline.workers.router.event_account import unclear
from stripeline.workers.router.expressions import (
    ExpressionError,
    Holds,
    MissingError,
    compiled,
    holds,
    require_whole_numbers,
    resolve,
)
from stripeline.workers.router.own_effects import EventCause, cause_of, entry_of
from stripeline.workers.router.paths import paths_of, value_at
from stripeline.workers.router.runs import Arrival, ResultRun, StepResult, Transition

Outcome = Literal["starts", "stops", "other_type", "where_false", "where_missing", "own_effect", "hop_limit"]
_UNSTARTED: Final[Mapping[UnstartedReason, Outcome]] = {
    UnstartedReason.OWN_EFFECT: "own_effect",
    UnstartedReason.HOP_LIMIT: "hop_limit",
    UnstartedReason.WHERE_MISSING: "where_missing",
}
_WRONG_KIND: Final = {
    "string_type": "a text", "int_type": "a whole number", "int_from_float": "a whole number",
    "bool_type": "true or false",
}  # fmt: skip
KINDS: Final[Mapping[str, str]] = {
    "str": "a text", "int": "a whole number", "float": "a fraction", "bool": "true or false", "NoneType": "null",
    "dict": "an object", "list": "a list",
}  # fmt: skip
"""Python's kinds, as CEL has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayedStep:
    """A command as it would be sent. problem: why the action refuses its input."""

    id: str
    action: str
    connection: str
    account: str | None
    command_id: str
    input: Mapping[str, Any]
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakage:
    """Where a run stops. step: its position, None for `where`. field: the input's, where it is one's fault.

    sure: every event of this shape ends so, since nothing of what it reads is missing or null.
    """

    reason: str
    step: int | None = None
    field: str | None = None
    sure: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What becomes of one event in one workflow. reason: why nothing starts, or why the run stops.

    late: what becomes of it instead, were it missed and found later.
    """

    workflow: str
    outcome: Outcome
    reason: str | None = None
    run: str | None = None
    steps: tuple[PlayedStep, ...] = ()
    breakage: Breakage | None = None
    late: Literal["skip", "hold"] | None = None


def play(
    name: str, workflow: Workflow, trigger: Trigger, event: dict[str, Any], *, installation: str, now_ms: int
) -> Played:
    """What becomes of an event. It is of the trigger's connection's own account, unless it says otherwise."""
    played = _delivered(name, workflow, trigger, event, installation, now_ms)
    late = None if workflow.late == "run" or played.run is None else workflow.late
    return replace(played, late=late)


def _delivered(
    name: str, workflow: Workflow, trigger: Trigger, event: dict[str, Any], installation: str, now_ms: int
) -> Played:
    if not workflow.wants(event["type"]):
        return Played(workflow=name, outcome="other_type", reason=f"its types are {', '.join(workflow.types)}")
    passes, broken = _where(workflow.where, event)
    if passes is not Holds.YES:
        outcome: Outcome = "where_missing" if passes is Holds.MISSING else "where_false"
        return Played(workflow=name, outcome=outcome, reason=broken.reason if broken else None)
    cause = cause_of(event, objects_made()).followed_by(entry_of(installation, name))
    if not isinstance(cause, EventCause):
        return Played(workflow=name, outcome=_UNSTARTED[cause])
    # Where in a partition a test event will be is not known.
    occasion = occasion_of(event["id"], livemode=event.get("livemode"), partition=0, offset=0)
    if broken is None and (why := unclear(workflow, event, trigger.connection)) is not None:
        broken = Breakage(reason=why)
    if broken is not None:
        return Played(workflow=name, outcome="stops", reason=broken.reason, run=run_id(occasion, name), breakage=broken)
    arrival = Arrival(event=event, occasion=occasion, connection=trigger.connection, own=None, cause=cause)
    return _played(runs.begin(name, workflow, arrival, cause, now_ms), event, now_ms)


def _where(where: str | None, event: Mapping[str, Any]) -> tuple[Holds, Breakage | None]:
    """Whether it passes, and why not or why it fails."""
    try:
        passes = holds(where, event)
    except ExpressionError as error:
        return Holds.YES, Breakage(reason=str(error), field="where", sure=_all_there(where or "", event))
    if passes is not Holds.MISSING or where is None:
        return passes, None
    try:
        compiled(where).evaluate(event)
    except MissingError as error:
        return passes, Breakage(reason=str(error))
    return passes, None


def _played(run: Run, event: Mapping[str, Any], now_ms: int) -> Played:
    definition, steps = run.definition or (), list[PlayedStep]()
    transition: Transition | None = runs.next_step(run, now_ms)
    while transition is not None and transition.command is not None:
        command, step = transition.command, definition[len(steps)]
        action = actions()[step.action]
        refused = action.request(command["input"])
        problem = refused.message if isinstance(refused, RefusedInput) else None
        steps.append(
            PlayedStep(
                id=step.id, action=step.action, connection=step.connection, account=step.account,
                command_id=command["command_id"], input=command["input"], problem=problem,
            )
        )  # fmt: skip
        if problem is not None:
            broken = _refused(action, step.input, command["input"], len(steps) - 1)
            return _stopped(run, steps, broken)
        result = StepResult(
            command_id=command["command_id"], revision=0, status="succeeded", run=ResultRun(run_id=run.run_id),
            output=example_output(action, command["input"]),
        )  # fmt: skip
        transition = runs.apply_result(transition.run, result, now_ms)
    if transition is not None and transition.run.status == "stopped":
        return _stopped(run, steps, _broken(transition.run, definition[len(steps)], event, len(steps)))
    return Played(workflow=run.workflow, outcome="starts", run=run.run_id, steps=tuple(steps))


def _stopped(run: Run, steps: list[PlayedStep], broken: Breakage) -> Played:
    return Played(
        workflow=run.workflow, outcome="stops", reason=broken.reason, run=run.run_id, steps=tuple(steps),
        breakage=broken,
    )  # fmt: skip


def _refused(action: Action, written: Mapping[str, Any], given: Mapping[str, Any], position: int) -> Breakage:
    """An input that its action refuses: of the wrong kind for every event, or of a value that this one has."""
    try:
        action.input.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field, value = str(first["loc"][0]) if first["loc"] else None, first["input"]
        wanted = _WRONG_KIND.get(first["type"])
        if wanted is None or field is None or field not in written:
            return Breakage(reason=f"{field}: {first['msg']}", step=position, field=field)
        kind = KINDS.get(type(value).__name__, type(value).__name__)
        reason = f"{written[field]!r} gives {kind}, and {wanted} is wanted"
        return Breakage(reason=reason, step=position, field=field, sure=value is not None)
    return Breakage(reason="its action refuses it", step=position)


def _broken(run: Run, step: StepDefinition, event: Mapping[str, Any], position: int) -> Breakage:
    """The first field of a step whose expression fails."""
    context = {**event, "steps": {earlier.id: earlier.output for earlier in run.steps}}
    for name, written in step.input.items():
        try:
            value = resolve(written, context)
            require_whole_numbers({name: written}, {name: value}, whole_numbers_of(step.action) & {name})
        except ExpressionError as error:
            sure = not isinstance(error, MissingError) and all(_all_there(one, event) for one in _expressions(written))
            return Breakage(reason=str(error), step=position, field=name, sure=sure)
    return Breakage(reason=run.error.message if run.error else "", step=position)


def _expressions(written: Any) -> Iterator[str]:
    match written:
        case str() if written.startswith("="):
            yield written[1:]
        case Mapping():
            for held in written.values():
                yield from _expressions(held)
        case list() | tuple():
            for held in written:
                yield from _expressions(held)
        case _:
            pass


def _all_there(expression: str, event: Mapping[str, Any]) -> bool:
    return all(value_at(path, event) is not None for path in paths_of(expression) if not path.guard)


def example_output(action: Action, given: Mapping[str, Any]) -> dict[str, Any]:
    """A result as a later step may meet it."""
    fields = action.output.model_fields
    extra = action.output.model_config.get("json_schema_extra")
    listed = extra.get("examples") if isinstance(extra, dict) else None
    example = listed[0] if isinstance(listed, list) and listed and isinstance(listed[0], dict) else {}
    said = {name: value for name, value in given.items() if name in fields and value is not None}
    return {**dict.fromkeys(fields, "example"), **example, **said}
