"""The demo's story at one point: a row for each case that was sent, with what became of it. Pure.

A case's name is on each of its lines, so that cause and effect can be matched. The crowd is one row.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from stripeline.deploy.local.demo.observations import Observations
from stripeline.deploy.local.demo.scenario import CROWD, CROWD_NAME

State = Literal["waiting", "done", "stopped"]
_OK = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryRow:
    """A case: its name, what became of it, and whether that is its end."""

    name: str
    outcome: str
    state: State


def story(seen: Observations) -> list[StoryRow]:
    """All cases, in the order in which they were sent."""
    return [_crowd(seen) if name == CROWD_NAME else _row(name, seen) for name in seen.sent]


def _row(name: str, seen: Observations) -> StoryRow:
    events = {event for event, known in seen.names.items() if known == name}
    run = next((run for run in seen.runs.values() if run["event"] in events), None)
    if run is not None:
        return _run(name, run, seen)
    if name in seen.dead:
        return StoryRow(name=name, outcome=f"no command: a dead letter, {seen.dead[name]}", state="done")
    result = next((result for result in seen.results if result["command_id"] == name), None)
    if result is not None:
        once = "; sent twice, done once" if seen.sent[name] > 1 else ""
        return StoryRow(name=name, outcome=f"{result['status']}: {outcome_of(result)}{once}", state="done")
    if events & set(seen.events):
        return StoryRow(name=name, outcome="published; it starts no run", state="done")
    if answer := seen.answers.get(name):
        return StoryRow(
            name=name, outcome=_unpublished(answer), state="waiting" if events and answer == _OK else "done"
        )
    return StoryRow(name=name, outcome="sent", state="waiting")


def _unpublished(answer: int) -> str:
    return "answered 200, and not published" if answer == _OK else f"refused with {answer}"


def _run(name: str, run: Mapping[str, Any], seen: Observations) -> StoryRow:
    steps, flow = " and ".join(step["id"] for step in run["steps"]), run["workflow"]
    twice = "; sent twice, run once" if seen.sent[name] > 1 else ""
    match run["status"]:
        case "succeeded":
            return StoryRow(name=name, outcome=f"{flow} did {steps}{_retried(run, seen)}{twice}", state="done")
        case "stopped":
            outcome = f"{flow} stopped at {run['step']}: {run['error']['code']}"
            return StoryRow(name=name, outcome=outcome, state="stopped")
        case _:
            waits = "; ".join(_waits(run, seen))
            return StoryRow(name=name, outcome=f"{flow} is at {run['step']} {waits}".rstrip(), state="waiting")


def _retried(run: Mapping[str, Any], seen: Observations) -> str:
    attempts = max((result["attempts"] for result in _results(run, seen)), default=1)
    return f", at attempt {attempts}" if attempts > 1 else ""


def _waits(run: Mapping[str, Any], seen: Observations) -> Iterator[str]:
    ended = {result["command_id"] for result in _results(run, seen)}
    for command, why in seen.waiting.items():
        if command.startswith(f"{run['run']}:") and command not in ended:
            yield f"and waits: {why}"


def _results(run: Mapping[str, Any], seen: Observations) -> Iterator[Mapping[str, Any]]:
    return (result for result in seen.results if result["command_id"].startswith(f"{run['run']}:"))


def _crowd(seen: Observations) -> StoryRow:
    runs = [run["status"] for run in seen.runs.values() if seen.names.get(run["event"]) == CROWD_NAME]
    done = runs.count("succeeded")
    outcome = f"{done} of {CROWD} runs succeeded"
    return StoryRow(name=CROWD_NAME, outcome=outcome, state="done" if done == CROWD else "waiting")


def outcome_of(result: Mapping[str, Any]) -> str:
    """The id of what a command made or found, or the code of its error."""
    return str((result["output"] or {}).get("id") or (result["error"] or {}).get("code"))
