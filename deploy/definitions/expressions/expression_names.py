"""Judges the names in an expression: its variables, the steps that it uses, their fields, and those of `data`. Pure.

A name that there is not stops every run, or makes a `where` false for ever.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

from stripeline.contracts.definitions import Step
from stripeline.contracts.records import Event
from stripeline.deploy.definitions.expressions.expression_engine import variables
from stripeline.deploy.definitions.nearest import listed, nearest
from stripeline.deploy.definitions.problems import Place, Problem
from stripeline.workers.actions import actions
from stripeline.workers.router.paths import guarded, paths_of

VARIABLES: Final = (*Event.model_fields, "steps")
_TEXT: Final = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")
_BOUND: Final = re.compile(r"\.\s*\w+\s*\(\s*([A-Za-z_]\w*)\s*,(?:\s*([A-Za-z_]\w*)\s*,)?")
"""What a macro such as `exists(item, …)` binds."""
_FIELD: Final = r"(?:\s*\.\s*([A-Za-z_]\w*)|\s*\[\s*['\"]([^'\"]*)['\"]\s*\])"
_STEP_FIELD: Final = re.compile(rf"(?<![\w.])steps{_FIELD}{_FIELD}?")


def check_variables(place: Place, expression: str, fields: Collection[str]) -> Iterator[Problem]:
    """Variables that there are not. `fields`: of the events' data objects, which are often meant."""
    bound = {name for pair in _BOUND.findall(_TEXT.sub("''", expression)) for name in pair}
    for name in sorted(variables(expression) - bound - set(VARIABLES)):
        if name in fields:
            end = f"write data.{name}"
        else:
            end = f"did you mean {found}?" if (found := nearest(name, VARIABLES)) else f"there is {listed(VARIABLES)}"
        yield Problem(place=place, reason=f"there is no variable {name!r}: {end}")


def uses_steps(expression: str) -> bool:
    return "steps" in variables(expression)


def check_steps(place: Place, expression: str, earlier: Sequence[Step]) -> Iterator[Problem]:
    """Steps that have not run by then, and fields that their actions do not give."""
    done: Mapping[str, Step] = {step.id: step for step in earlier}
    for name, field in sorted(set(_uses(expression))):
        step = done.get(name)
        if step is None:
            before = f"before it run {', '.join(done)}" if done else "it is the first"
            near = f"; did you mean steps.{found}?" if (found := nearest(name, done)) else ""
            reason = f"it uses steps.{name}, which has not run when this step begins: {before}{near}"
            yield Problem(place=place, reason=reason)
            continue
        action = actions().get(step.action)
        if action is not None and field and field not in action.output.model_fields:
            fields = ", ".join(action.output.model_fields)
            near = f"; did you mean {found}?" if (found := nearest(field, action.output.model_fields)) else ""
            reason = f"steps.{name} has no field {field!r}: {step.action} gives {fields}{near}"
            yield Problem(place=place, reason=reason)


def _uses(expression: str) -> Iterator[tuple[str, str]]:
    """The steps that an expression uses, each with the field that it takes of it (empty when it takes it whole)."""
    texts = [found.span() for found in _TEXT.finditer(expression)]
    for found in _STEP_FIELD.finditer(expression):
        if not any(start <= found.start() < end for start, end in texts):
            yield found[1] or found[2], found[3] or found[4] or ""


def check_fields(place: Place, expression: str, fields: Collection[str]) -> Iterator[Problem]:
    """Fields of `data` that no example event of the workflow's types has. `fields`: those that they have; maybe none.

    One that is spelled like another is a mistake; any other may be new at Stripe.
    """
    asked = guarded(expression)
    names = {path.steps[0]: path.text for path in paths_of(expression) if path.root == "data" and path.steps}
    for name in sorted(name for name in names if isinstance(name, str)) if fields else ():
        if name in fields or any(text == f"data.{name}" for text in asked):
            continue
        found = nearest(name, fields)
        if found is not None:
            reason = f"no event of these types has data.{name}: did you mean data.{found}?"
            yield Problem(place=place, reason=f"{reason} If it is right, guard it with has(data.{name})")
        else:
            reason = f"no event of these types that we know has data.{name}"
            yield Problem(place=place, reason=reason, warning=True)
