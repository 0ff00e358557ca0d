"""What an event would do with the workflows of a file: which triggers take it, which runs start, and each command.

Pure. Nothing is sent; of a step that would run, the result is an example. Values are masked by the contract's tags.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from stripeline.contracts import effect_trail
from stripeline.contracts.action import SENSITIVE
from stripeline.contracts.definitions import Trigger, Workflow
from stripeline.contracts.families import families
from stripeline.contracts.masking import MASK, mask, mask_text
from stripeline.contracts.retry_tiers import DAY_MS, WINDOW_MS
from stripeline.deploy.definitions.trial.played_workflow import Played, PlayedStep, play
from stripeline.workers.actions import actions

_INSTALLATION: Final = "example"
WORDS: Final[Mapping[str, str]] = {
    "starts": "starts a run",
    "stops": "starts a run that stops",
    "other_type": "not started",
    "where_false": "not started: `where` is false",
    "where_missing": "not started: `where` is false, since the event lacks a field of it",
    "own_effect": "not started: the event is the effect of a command of this workflow's own chain",
    "hop_limit": "not started: too many of our own effects led to this event",
}
LATE_WORDS: Final = {
    "skip": "were it missed and found later: not started (late: skip)",
    "hold": "were it missed and found later: held for a person (late: hold)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EventTrial:
    """One trigger and what its workflows do. played: by name."""

    trigger: str
    kind: str
    topic: str
    key: str
    played: tuple[Played, ...]

    @property
    def fails(self) -> bool:
        return any(one.outcome == "stops" for one in self.played)


def try_event(
    event: dict[str, Any], triggers: Mapping[str, Trigger], workflows: Mapping[str, Workflow], now_ms: int
) -> list[EventTrial]:
    """The triggers of the event's family, each with all of its workflows."""
    trail = effect_trail.trail_of(event["data"])
    # The installation is on the control topic; an object that we made names it too.
    installation = trail.origin.installation if trail is not None else _INSTALLATION
    return [
        EventTrial(
            trigger=name, kind=trigger.kind, topic=family.topic,
            key=family.subject(event["data"]) or str(event["data"].get("id") or event["id"]),
            played=tuple(
                play(flow, workflow, trigger, event, installation=installation, now_ms=now_ms)
                for flow, workflow in sorted(workflows.items())
                if workflow.trigger == name
            ),
        )
        for name, trigger in sorted(triggers.items())
        if event["type"].startswith((family := families()[trigger.kind]).prefix)
    ]  # fmt: skip


def too_old(event: Mapping[str, Any], now_ms: int) -> str | None:
    """Why an event that comes only now does nothing."""
    age_ms = now_ms - event["created"] * 1000
    if age_ms < WINDOW_MS:
        return None
    return (
        f"it is {age_ms // DAY_MS} days old: of a run that it starts no POST is sent (dead letter: event_too_old),"
        f" since what was done more than {WINDOW_MS // DAY_MS} days ago is not remembered; tried as if it came in time"
    )


def report(
    event: Mapping[str, Any], trials: list[EventTrial], old: str | None, warnings: list[dict[str, Any]]
) -> dict[str, Any]:
    """For a pipeline."""
    about = {name: event.get(name) for name in ("id", "type", "created", "livemode", "account")}
    triggers = [
        {"trigger": one.trigger, "kind": one.kind, "topic": one.topic, "key": one.key}
        | {"workflows": [_row(played) for played in one.played]}
        for one in trials
    ]
    return {"event": about, "too_old": old, "triggers": triggers, "warnings": warnings}


def _row(played: Played) -> dict[str, Any]:
    reason = None if played.reason is None else mask_text(played.reason)
    outcome = {"workflow": played.workflow, "outcome": played.outcome, "reason": reason, "run": played.run}
    outcome["late"] = played.late
    return outcome | {"steps": [_step_row(step) for step in played.steps]}


def _step_row(step: PlayedStep) -> dict[str, Any]:
    beside = {"id": step.id, "action": step.action, "connection": step.connection, "account": step.account}
    problem = None if step.problem is None else mask_text(step.problem)
    return {**beside, "command_id": step.command_id, "input": masked_input(step), "problem": problem}


def masked_input(step: PlayedStep) -> dict[str, Any]:
    """A step's input as a person may see it."""
    fields = actions()[step.action].input.model_fields
    tagged = {name for name, field in fields.items() if field.json_schema_extra == SENSITIVE}
    return {name: MASK if name in tagged and value else mask(value) for name, value in step.input.items()}


def lines(event: Mapping[str, Any], trials: list[EventTrial], old: str | None) -> Iterator[str]:
    """For a person."""
    of = f" of account {event['account']}" if event.get("account") else ""
    yield f"event {event['id']}: {event['type']}{of}"
    if old is not None:
        yield f"  {old}"
    if not trials:
        yield f"  no trigger of this file takes it: none is of the family of {event['type']}"
    for one in trials:
        yield f"trigger {one.trigger} ({one.kind}): to {one.topic}, key {one.key}"
        if not one.played:
            yield "  no workflow of this file is of this trigger"
        for played in one.played:
            yield from _workflow_lines(played)


def _workflow_lines(played: Played) -> Iterator[str]:
    reason = f": {mask_text(played.reason)}" if played.reason else ""
    yield f"  workflow {played.workflow}: {WORDS[played.outcome]}{'' if played.outcome == 'stops' else reason}"
    if played.run is not None:
        yield f"    run {played.run}"
    if played.late is not None:
        yield f"    {LATE_WORDS[played.late]}"
    for number, step in enumerate(played.steps, 1):
        account = f", account {step.account}" if step.account else ""
        yield f"    {number}. {step.id}: {step.action} on {step.connection}{account}"
        for name, value in masked_input(step).items():
            yield f"         {name}: {value}"
        if number < len(played.steps) and step.problem is None:
            yield "         its result is an example from here on"
    if played.breakage is not None:
        at = "" if played.breakage.step is None else f" at step {played.breakage.step + 1}"
        yield f"    stops{at}{reason}"
