"""Judges workflows beyond their shape: actions, inputs, expressions and what they refer to. Finds all problems.

What is wrong here would otherwise stop a run at the first real payment.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from stripeline.contracts.action import Action, whole_number_fields
from stripeline.contracts.definitions import Step, Trigger, Workflow
from stripeline.deploy.definitions.event_types import check_types
from stripeline.deploy.definitions.expressions.expression_engine import compile_error
from stripeline.deploy.definitions.expressions.expression_names import (
    check_fields,
    check_steps,
    check_variables,
    uses_steps,
)
from stripeline.deploy.definitions.expressions.look_alikes import as_expression
from stripeline.deploy.definitions.nearest import listed, nearest
from stripeline.deploy.definitions.problems import Place, Problem
from stripeline.deploy.definitions.secrets import REFERENCE
from stripeline.deploy.definitions.shape import wanted
from stripeline.deploy.definitions.trial.example_data import data_fields, wanted_types
from stripeline.workers.actions import actions
from stripeline.workers.router.number_forms import as_number, exact_forms, whole_path

_WHOLE = re.compile(r"(\.|_)(amount(_\w+)?|created|quantity)$")
"""The end of a path to what Stripe always gives as a whole number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownNames:
    """What workflows may refer to.

    triggers: those of the file and the stored ones. connections: all names.
    allowed: types that Stripe is known to have.
    complete: nothing else is there; else a name that is missing may be stored.
    """

    triggers: Mapping[str, Trigger] = field(default_factory=dict)
    connections: Collection[str] = ()
    allowed: Collection[str] = ()
    complete: bool = True


def check_workflow(place: Place, workflow: Workflow, around: KnownNames) -> Iterator[Problem]:
    """Everything that is wrong with one workflow, or doubtful."""
    trigger = around.triggers.get(workflow.trigger)
    fields: frozenset[str] = frozenset()
    if trigger is not None:
        yield from check_types((*place, "types"), workflow.types, trigger, around.allowed)
        fields = data_fields(wanted_types(trigger.kind, workflow, trigger.payload))
    elif around.complete:
        yield Problem(place=(*place, "trigger"), reason=unknown("trigger", workflow.trigger, around.triggers))
    if workflow.where is not None:
        yield from _where((*place, "where"), workflow.where, fields)
    for position, step in enumerate(workflow.steps):
        at = (*place, "steps", position)
        if around.complete and step.connection is not None and step.connection not in around.connections:
            reason = unknown("connection", step.connection, around.connections)
            yield Problem(place=(*at, "connection"), reason=reason)
        yield from _step(at, step, workflow.steps[:position], fields)


def unknown(kind: str, name: str, there: Collection[str]) -> str:
    """Why a name can't be used, with those that can."""
    choice = f"there is {listed(sorted(there))}" if there else "there is none yet"
    near = f"; did you mean {found}?" if (found := nearest(name, there)) else ""
    return f"there is no {kind} {name!r}, neither in this file nor on the control topic: {choice}{near}"


def _where(place: Place, where: str, fields: Collection[str]) -> Iterator[Problem]:
    if where.lstrip().startswith("="):
        yield Problem(
            place=place, reason=f"it is always an expression: leave the = out, {where.lstrip()[1:].strip()!r}"
        )
        return
    yield from _expression(place, where, fields)
    if uses_steps(where):
        yield Problem(place=place, reason="it is asked before any step has run: it can't use `steps`")


def _step(place: Place, step: Step, earlier: Sequence[Step], fields: Collection[str]) -> Iterator[Problem]:
    action = actions().get(step.action)
    if action is None:
        near = f"; did you mean {found}?" if (found := nearest(step.action, actions())) else ""
        reason = f"{step.action!r} is no action: choose one of {', '.join(sorted(actions()))}{near}"
        yield Problem(place=(*place, "action"), reason=reason)
    else:
        yield from _input((*place, "input"), step.input, action)
        yield from _numbers((*place, "input"), step.input, action)
    for at, text in _texts((*place, "input"), step.input):
        if REFERENCE.search(text):
            yield Problem(place=at, reason="an input is not read from the environment: only secrets are")
        elif text.startswith("="):
            yield from _expression(at, text[1:], fields)
            yield from check_steps(at, text[1:], earlier)
        elif (meant := as_expression(text)) is not None and (action is None or not _is_number(action, at)):
            reason = f"it looks like an expression, but without = the text itself is sent: write {meant}"
            yield Problem(place=at, reason=reason, warning=True)


def _is_number(action: Action, place: Place) -> bool:
    """A text there is refused as an input already."""
    return place[-1] in whole_number_fields(action.input)


def _input(place: Place, given: Mapping[str, Any], action: Action) -> Iterator[Problem]:
    """An input against its action's fields; what an expression will give is not known yet."""
    computed = {name for name, value in given.items() if any(text.startswith("=") for _, text in _texts((), value))}
    try:
        action.input.model_validate(dict(given))
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_input=False, include_context=False):
            name = str(problem["loc"][0]) if problem["loc"] else ""
            if problem["type"] == "extra_forbidden":
                fields = ", ".join(action.input.model_fields)
                near = f"; did you mean {found}?" if (found := nearest(name, action.input.model_fields)) else ""
                reason = f"{action.key} has no input {name!r}: it has {fields}{near}"
                yield Problem(place=(*place, name), reason=reason)
            elif problem["type"] == "missing":
                yield Problem(place=place, reason=f"{action.key} needs the input {name!r}")
            elif name not in computed:
                reason = wanted(problem["type"], problem["msg"])
                meant = as_expression(given[name]) if isinstance(given.get(name), str) else None
                reason = f"{reason}; as an expression: {meant}" if meant else reason
                yield Problem(place=(*place, *problem["loc"]), reason=reason)


def _numbers(place: Place, given: Mapping[str, Any], action: Action) -> Iterator[Problem]:
    """Expressions that surely give no whole number where one is wanted."""
    for name in sorted(whole_number_fields(action.input) & given.keys()):
        written = given[name]
        if not isinstance(written, str) or not written.startswith("="):
            continue
        path = whole_path(written[1:])
        if path is not None and "metadata" in path.steps:
            yield Problem(place=(*place, name), reason=f'{as_number(path)}, as in "=int({path.text})"')


def _texts(place: Place, value: Any) -> Iterator[tuple[Place, str]]:
    """Every text in a value, with its place."""
    match value:
        case str():
            yield place, value
        case Mapping():
            for name, held in value.items():
                yield from _texts((*place, name), held)
        case list() | tuple():
            for position, held in enumerate(value):
                yield from _texts((*place, position), held)
        case _:
            return


def _expression(place: Place, expression: str, fields: Collection[str]) -> Iterator[Problem]:
    wrong = compile_error(expression)
    if wrong is not None:
        yield Problem(place=place, reason=f"the expression can't be read: {wrong}")
    for form in exact_forms(expression):
        if form.mixed and _WHOLE.search(form.path):
            yield Problem(place=place, reason=str(form))
    yield from check_variables(place, expression, fields)
    yield from check_fields(place, expression, fields)
