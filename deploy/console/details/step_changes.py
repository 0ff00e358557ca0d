"""What a workflow's steps are now beside those that a run has. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from stripeline.contracts.internal_records import StepDefinition


@dataclass(frozen=True, slots=True, kw_only=True)
class StepChange:
    """A field of a step that differs; before or after is None where there is no such step or field."""

    step: str
    field: str
    before: Any = None
    after: Any = None


def step_changes(then: Sequence[StepDefinition], now: Sequence[StepDefinition]) -> Sequence[StepChange]:
    """Field by field, in the order of the run's steps, then those that were added."""
    return [*_changes(then, now), *_order(then, now)]


def _changes(then: Sequence[StepDefinition], now: Sequence[StepDefinition]) -> Iterator[StepChange]:
    former, present = ({one.id: _fields(one) for one in steps} for steps in (then, now))
    for step in dict.fromkeys((*former, *present)):
        before, after = former.get(step, {}), present.get(step, {})
        for name in dict.fromkeys((*before, *after)):
            if before.get(name) != after.get(name):
                yield StepChange(step=step, field=name, before=before.get(name), after=after.get(name))


def _fields(step: StepDefinition) -> dict[str, Any]:
    named = {"action": step.action, "connection": step.connection, "account": step.account}
    return {name: value for name, value in named.items() if value is not None} | {
        f"input.{name}": value for name, value in step.input.items()
    }


def _order(then: Sequence[StepDefinition], now: Sequence[StepDefinition]) -> Iterator[StepChange]:
    both = {one.id for one in then} & {one.id for one in now}
    before, after = ([one.id for one in steps if one.id in both] for steps in (then, now))
    if before != after:
        yield StepChange(step="all", field="order", before=", ".join(before), after=", ".join(after))
