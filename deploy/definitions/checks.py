"""Judges workflows beyond their shape: actions, inputs, expressions and what they refer to. Pure; finds all problems.

What is wrong here would otherwise stop a run at the first real payment.
"""

import importlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any

from pydantic import ValidationError

from stripeline.contracts.action import Action, whole_number_fields
from stripeline.contracts.definitions import Connection, Step, Trigger, Workflow
from stripeline.contracts.families import families
from stripeline.deploy.definitions.problems import Place, Problem
from stripeline.deploy.definitions.secrets import REFERENCE
from stripeline.workers.actions import actions
from stripeline.workers.router.number_forms import as_number, exact_forms, whole_path

CompileError = Callable[[str], str | None]

_TEXT = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")
_BY_INDEX = re.compile(r"\bsteps\s*\[\s*['\"]([^'\"]*)['\"]\s*\]")
_STEP_FIELD = re.compile(r"(?<![\w.])steps\s*\.\s*([A-Za-z_]\w*)(?:\s*\.\s*([A-Za-z_]\w*))?")


_WHOLE = re.compile(r"(\.|_)(amount(_\w+)?|created|quantity)$")
"""The end of a path to what Stripe always gives as a whole number."""


def compile_error(expression: str) -> str | None:
    """Why an expression does not compile; None when it does."""
    # Loads the CEL engine: only when it is needed.
    module: ModuleType = importlib.import_module("stripeline.workers.router.expressions")
    check: CompileError = module.compile_error
    return check(expression)


def check_workflow(
    place: Place, workflow: Workflow, triggers: Mapping[str, Trigger], connections: Mapping[str, Connection]
) -> Iterator[Problem]:
    """Everything that is wrong with one workflow."""
    trigger = triggers.get(workflow.trigger)
    if trigger is None:
        yield Problem(place=(*place, "trigger"), reason=unknown("trigger", workflow.trigger, triggers))
    else:
        yield from _types((*place, "types"), workflow.types, trigger)
    if workflow.where is not None:
        yield from _expression((*place, "where"), workflow.where)
        if _refers(workflow.where):
            yield Problem(place=(*place, "where"), reason="it is asked before any step has run: it can't use `steps`")
    for position, step in enumerate(workflow.steps):
        yield from _step((*place, "steps", position), step, workflow.steps[:position], connections)


def unknown(kind: str, name: str, there: Mapping[str, Any]) -> str:
    """Why a name can't be used, with those that can."""
    choice = f"there is {', '.join(sorted(there))}" if there else "there is none yet"
    return f"there is no {kind} {name!r}, neither in this file nor on the control topic: {choice}"


def _types(place: Place, types: Sequence[str], trigger: Trigger) -> Iterator[Problem]:
    prefix = families()[trigger.kind].prefix
    for position, name in enumerate(types):
        if name != "*" and not name.startswith(prefix):
            reason = f"{name!r} never fires: the trigger is {trigger.kind}, whose types start with {prefix}"
            yield Problem(place=(*place, position), reason=reason)


def _step(
    place: Place, step: Step, earlier: Sequence[Step], connections: Mapping[str, Connection]
) -> Iterator[Problem]:
    if step.connection is not None and step.connection not in connections:
        yield Problem(place=(*place, "connection"), reason=unknown("connection", step.connection, connections))
    action = actions().get(step.action)
    if action is None:
        reason = f"{step.action!r} is no action: choose one of {', '.join(sorted(actions()))}"
        yield Problem(place=(*place, "action"), reason=reason)
    else:
        yield from _input((*place, "input"), step.input, action)
        yield from _numbers((*place, "input"), step.input, action)
    for where, text in _texts((*place, "input"), step.input):
        if REFERENCE.search(text):
            yield Problem(place=where, reason="an input is not read from the environment: only secrets are")
        elif text.startswith("="):
            yield from _expression(where, text[1:])
            yield from _references(where, text[1:], earlier)


def _input(place: Place, given: Mapping[str, Any], action: Action) -> Iterator[Problem]:
    """An input against its action's fields; what an expression will give is not known yet."""
    computed = {name for name, value in given.items() if any(text.startswith("=") for _, text in _texts((), value))}
    try:
        action.input.model_validate(dict(given))
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_input=False, include_context=False):
            name = str(problem["loc"][0])
            if problem["type"] == "extra_forbidden":
                fields = ", ".join(action.input.model_fields)
                yield Problem(place=(*place, name), reason=f"{action.key} has no input {name!r}: it has {fields}")
            elif problem["type"] == "missing":
                yield Problem(place=place, reason=f"{action.key} needs the input {name!r}")
            elif name not in computed:
                yield Problem(place=(*place, *problem["loc"]), reason=problem["msg"])


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


def _expression(place: Place, expression: str) -> Iterator[Problem]:
    wrong = compile_error(expression)
    if wrong is not None:
        yield Problem(place=place, reason=f"the expression can't be read: {wrong}")
    for form in exact_forms(expression):
        if form.mixed and _WHOLE.search(form.path):
            yield Problem(place=place, reason=str(form))


def _refers(expression: str) -> list[tuple[str, str]]:
    """The steps that an expression uses, each with the field that it takes of it (empty when it takes it whole)."""
    by_index = [(name, "") for name in _BY_INDEX.findall(expression)]
    return by_index + _STEP_FIELD.findall(_TEXT.sub("''", expression))


def _references(place: Place, expression: str, earlier: Sequence[Step]) -> Iterator[Problem]:
    done = {step.id: step for step in earlier}
    for name, field in _refers(expression):
        step = done.get(name)
        if step is None:
            before = f"before it run {', '.join(done)}" if done else "it is the first"
            yield Problem(
                place=place, reason=f"it uses steps.{name}, which has not run when this step begins: {before}"
            )
            continue
        action = actions().get(step.action)
        if action is not None and field and field not in action.output.model_fields:
            fields = ", ".join(action.output.model_fields)
            yield Problem(place=place, reason=f"steps.{name} has no field {field!r}: {step.action} gives {fields}")
