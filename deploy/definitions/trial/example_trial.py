"""Tries workflows on example events of their types: how many start a run, and which runs would stop. Pure.

Metadata that a workflow names is there, with the value that it is compared with, or "1": what clients write into it is
not known. A failure that every event of that shape has is refused; one that some examples have is a warning.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final

from stripeline.contracts.definitions import Trigger, Workflow
from stripeline.deploy.definitions.nearest import listed
from stripeline.deploy.definitions.problems import Place, Problem
from stripeline.deploy.definitions.trial.example_data import CREATED, example_events, wanted_types
from stripeline.deploy.definitions.trial.played_workflow import KINDS, Breakage, Played, play
from stripeline.workers.router.paths import Path, paths_of

_COMPARED: Final = re.compile(r"\s*==\s*(?:'([^'\\]*)'|\"([^\"\\]*)\")")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What became of the example events of a workflow's types."""

    workflow: str
    examples: int
    matches: int
    missing: int
    fails: int
    problems: tuple[Problem, ...] = ()

    def row(self) -> dict[str, Any]:
        counts = {"examples": self.examples, "matches": self.matches, "where_missing": self.missing}
        return {"workflow": self.workflow, **counts, "fails": self.fails}

    def __str__(self) -> str:
        fails = f"; {self.fails} of them would stop" if self.fails else ""
        return f"workflow/{self.workflow} matches {self.matches} of {self.examples} example events{fails}"


def try_all(workflows: Mapping[str, Workflow], triggers: Mapping[str, Trigger]) -> list[Trial]:
    """The trials of those workflows whose trigger is known, and whose types are."""
    return [
        trial
        for name, workflow in workflows.items()
        if (trigger := triggers.get(workflow.trigger)) is not None
        and (trial := try_one(name, workflow, trigger)) is not None
    ]


def try_one(name: str, workflow: Workflow, trigger: Trigger) -> Trial | None:
    """None where no example event is of the workflow's types."""
    events = [
        _with_metadata(event, workflow)
        for event in example_events(wanted_types(trigger.kind, workflow, trigger.payload))
    ]
    if not events:
        return None
    played = [play(name, workflow, trigger, event, installation="example", now_ms=CREATED * 1000) for event in events]
    kinds = Counter(one.outcome for one in played)
    types = [event["type"] for event in events]
    return Trial(
        workflow=name, examples=len(events), matches=kinds["starts"] + kinds["stops"], missing=kinds["where_missing"],
        fails=kinds["stops"], problems=tuple(_problems(("workflows", name), workflow, played, types)),
    )  # fmt: skip


def _problems(place: Place, workflow: Workflow, played: Sequence[Played], types: Sequence[str]) -> Iterator[Problem]:
    asked = [one for one in played if one.outcome in {"starts", "stops"}]
    missing = {one.reason for one in played if one.outcome == "where_missing"}
    if missing and not asked and len(missing) == 1 and all(one.outcome == "where_missing" for one in played):
        reason = f"it matches none of {len(played)} example events: {missing.pop()}"
        yield Problem(place=(*place, "where"), reason=reason, warning=True)
    failures: dict[tuple[int | None, str | None, str], list[tuple[Breakage, str]]] = {}
    for one, event_type in zip(played, types, strict=True):
        if (broken := one.breakage) is not None:
            failures.setdefault((broken.step, broken.field, broken.reason), []).append((broken, event_type))
    for (step, field, reason), found in failures.items():
        at = _place(place, workflow, step, field)
        always = len(found) == len(asked) and all(broken.sure for broken, _ in found)
        of_no_kind = step is None and "must be true or false" in reason
        if always or of_no_kind:
            yield Problem(place=at, reason=_in_words(reason))
        else:
            which = listed(dict.fromkeys(event_type for _, event_type in found))
            many = f"{len(found)} of {len(asked)} example events that match would stop here ({which})"
            yield Problem(place=at, reason=f"{many}: {reason}", warning=True)


def _place(place: Place, workflow: Workflow, step: int | None, field: str | None) -> Place:
    if step is None:
        return (*place, "where") if field == "where" else place
    inside = (*place, "steps", step, "input")
    return (*inside, field) if field is not None and field in workflow.steps[step].input else inside


def _in_words(reason: str) -> str:
    """CEL's kinds, and not Python's."""
    return re.sub(r"and is a (\w+)$", lambda found: f"and is {KINDS.get(found[1], found[1])}", reason)


def _with_metadata(event: Mapping[str, Any], workflow: Workflow) -> dict[str, Any]:
    filled = deepcopy(dict(event))
    for source in _sources(workflow):
        for path in paths_of(source):
            if "metadata" in path.steps[:-1]:
                _fill(filled, path, _COMPARED.match(source, path.end))
    return filled


def _fill(event: dict[str, Any], path: Path, compared: re.Match[str] | None) -> None:
    at: Any = event.get(path.root)
    for step in path.steps[:-1]:
        if not isinstance(at, dict) or step not in at:
            return
        at = at[step]
    if isinstance(at, dict) and (compared or path.steps[-1] not in at):
        at[path.steps[-1]] = (compared[1] or compared[2] or "") if compared else "1"


def _sources(workflow: Workflow) -> Iterator[str]:
    """The expressions, `where` last: what it compares with counts."""
    for step in workflow.steps:
        yield from (value[1:] for value in step.input.values() if isinstance(value, str) and value.startswith("="))
    if workflow.where is not None:
        yield workflow.where
