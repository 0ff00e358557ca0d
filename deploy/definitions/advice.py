"""What a workflow does that its author may not mean: no error, so `apply` says it and goes on. Pure."""

import re
from collections.abc import Iterator, Mapping

from stripeline.contracts.definitions import Step, Trigger, Workflow
from stripeline.contracts.families import families
from stripeline.deploy.definitions.problems import Place, Problem
from stripeline.workers.actions import actions
from stripeline.workers.router.number_forms import exact_forms
from stripeline.workers.router.paths import Path, guard_of, guarded, paths_of

_UNEQUAL = re.compile(r"\s*(!=(?!\s*null\b)|==\s*false\b)")
_UNEQUAL_BEFORE = re.compile(r"!=\s*$|\bfalse\s*==\s*$")
_NULL_BEFORE = re.compile(r"\bnull\s*!=\s*$")
_NOT = re.compile(r"!\s*(?!=)")


def advice(workflows: Mapping[str, Workflow], triggers: Mapping[str, Trigger]) -> Iterator[Problem]:
    """One warning for each doubt about these workflows. `triggers`: those that they may refer to."""
    for name, workflow in workflows.items():
        for place, words in _doubts(workflow, triggers.get(workflow.trigger)):
            yield Problem(place=("workflows", name, *place), reason=words, warning=True)


def _doubts(workflow: Workflow, trigger: Trigger | None) -> Iterator[tuple[Place, str]]:
    for words in _unguarded(workflow.where or ""):
        yield ("where",), words
    for position, step in enumerate(workflow.steps):
        for name, words in _fractions(step):
            yield ("steps", position, "input", name), words
        for words in _own_effect(workflow, step, trigger) if trigger is not None else ():
            yield ("steps", position), words


def _own_effect(workflow: Workflow, step: Step, trigger: Trigger) -> Iterator[str]:
    """An action that makes what the trigger's types match."""
    action = actions().get(step.action)
    if action is None or action.method != "POST":
        return
    created = f"{action.makes}.created"
    if created.startswith(families()[trigger.kind].prefix) and workflow.wants(created):
        yield (
            f"step {step.id} makes what {created} is about, and {created} starts this workflow: what it makes itself"
            " does not start it, only what others make"
        )


def _unguarded(where: str) -> Iterator[str]:
    """Paths that the expression negates, and which an event may lack: the whole `where` is false then."""
    asked, negated, said = guarded(where), list(_negated(where)), set[str]()
    for path in paths_of(where):
        before = where[: path.start]
        unequal = _UNEQUAL.match(where, path.end) or (
            _UNEQUAL_BEFORE.search(before) and not _NULL_BEFORE.search(before)
        )
        inside = any(start <= path.start < end for start, end in negated)
        if not path.steps or path.text in asked | said or not (unequal or inside):
            continue
        said.add(path.text)
        yield _without(path, where)


def _without(path: Path, where: str) -> str:
    guard = guard_of(path)
    return (
        f"an event without {path.text} does not start it, although it negates; write"
        f' "{guard} && ({where})" to say so, or "!({guard}) || ({where})" to start it'
    )


def _negated(where: str) -> Iterator[tuple[int, int]]:
    """What each `!` negates: the parentheses behind it, or all up to the next operator."""
    for found in _NOT.finditer(where):
        at = found.end()
        if where[at : at + 1] == "=" or where[at : at + 3] == "has":
            continue
        yield at, _end_of(where, at)


def _end_of(where: str, at: int) -> int:
    if where[at : at + 1] != "(":
        return at + 1
    depth = 0
    for position in range(at, len(where)):
        depth += {"(": 1, ")": -1}.get(where[position], 0)
        if depth == 0:
            return position
    return len(where)


def _fractions(step: Step) -> Iterator[tuple[str, str]]:
    for name, written in step.input.items():
        if isinstance(written, str) and written.startswith("="):
            for form in exact_forms(written[1:]):
                if not form.mixed:  # else it is refused
                    yield name, str(form)
