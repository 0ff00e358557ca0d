"""What the demo checks at its end: the rules of `deploy/local/reconciliation.py` as five promises. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stripeline.deploy.local import reconciliation as rules
from stripeline.deploy.local.demo.observations import Observations
from stripeline.deploy.local.reconciliation import EndState, Rule, Sent, sentence

_EVENTS: tuple[Rule, ...] = (rules.acknowledged_events_are_on_the_topic, rules.events_on_the_topic_were_sent)
_RUNS: tuple[Rule, ...] = (
    rules.each_event_has_its_runs_and_each_run_its_event,
    rules.each_run_has_ended_as_its_results_say,
    rules.each_run_has_exactly_its_commands,
)
_TWICE: tuple[Rule, ...] = (
    rules.each_command_has_exactly_one_first_result,
    rules.what_is_indeterminate_was_done_at_most_once,
)
_EFFECTS: tuple[Rule, ...] = tuple(rule for rule in rules.RULES if rule not in {*_EVENTS, *_RUNS, *_TWICE})


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalCheck:
    """One promise, with the numbers that were found."""

    promise: str
    found: str
    holds: bool


def final_checks(sent: Sent, seen: Observations, state: EndState, answers: "AnswerCounts") -> list[FinalCheck]:
    """All checks, of what the demo saw and of its end state."""
    done = [result["command_id"] for result in seen.results if result["status"] == "succeeded" and _creates(result)]
    charged = [effect["command"] for effect in state.effects]
    twice = sorted({command for command in charged if charged.count(command) > 1} | set(seen.twice))
    unexplained = [run["run"] for run in seen.runs.values() if run["status"] == "stopped" and not run["error"]]
    acknowledged, published = answers.acknowledged, len(seen.events)
    return [
        FinalCheck(
            promise="every delivery got its answer", found=f"{answers.wrong} other", holds=answers.wrong == 0
        ),
        _check(
            "events acknowledged = events on topics", f"{acknowledged} = {published}", acknowledged == published,
            _broken(_EVENTS, sent, state),
        ),
        _check(
            "every run finished, or stopped with a reason", _runs(seen),
            bool(seen.runs) and seen.running == 0 and not unexplained, _broken(_RUNS, sent, state),
        ),
        _check(
            "effects at Stripe = commands that succeeded", f"{len(charged)} = {len(done)}",
            sorted(done) == sorted(charged), _broken(_EFFECTS, sent, state),
        ),
        _check("nothing twice", ", ".join(twice) or "0", not twice, _broken(_TWICE, sent, state)),
    ]  # fmt: skip


@dataclass(slots=True)
class AnswerCounts:
    """Ingest's answers. acknowledged: with 200, to what belongs on a topic; wrong: another status than expected."""

    acknowledged: int = 0
    wrong: int = 0


def settled(seen: Observations, acknowledged: int, commands: int, dead_letters: int) -> bool:
    """Whether everything that was sent has come to its end, and the demo has seen all of it."""
    of_teams = sum(result["run"] is None for result in seen.results)
    return (
        len(seen.events) >= acknowledged
        and bool(seen.runs)
        and seen.running == 0
        and of_teams >= commands
        and len(seen.dead_letters) >= dead_letters
        and {command.id for command in seen.commands} == {result["command_id"] for result in seen.results}
    )


def _check(promise: str, found: str, holds: bool, broken: Mapping[str, Sequence[Any]]) -> FinalCheck:
    offenders = [f"{rule}: {', '.join(map(str, some[:3]))}" for rule, some in broken.items()]
    return FinalCheck(promise=promise, found="; ".join([found, *offenders]), holds=holds and not broken)


def _broken(chosen: Sequence[Rule], sent: Sent, state: EndState) -> Mapping[str, Sequence[Any]]:
    found = {sentence(rule): list(rule(sent, state)) for rule in chosen}
    return {rule: offenders for rule, offenders in found.items() if offenders}


def _creates(result: Mapping[str, Any]) -> bool:
    return "create" in result["action"]


def _runs(seen: Observations) -> str:
    states = [run["status"] for run in seen.runs.values()]
    return ", ".join(f"{states.count(name)} {name}" for name in ("succeeded", "stopped", "running") if name in states)
