"""The demo checks itself: what was acknowledged, published, done and told must be the same, and nothing twice. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stripeline.deploy.local.demo.observations import Seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One promise, with the numbers that were found."""

    promise: str
    found: str
    holds: bool


def checks(seen: Seen, acknowledged: int, wrong_answers: int, effects: Sequence[Mapping[str, Any]]) -> list[Check]:
    """All checks. `acknowledged`: deliveries answered 200 that belong on a topic."""
    done = [result["command_id"] for result in seen.results if result["status"] == "succeeded" and _creates(result)]
    charged = [effect["command"] for effect in effects]
    twice = sorted({command for command in charged if charged.count(command) > 1} | set(seen.twice))
    unexplained = [run["run"] for run in seen.runs.values() if run["status"] == "stopped" and not run["error"]]
    return [
        Check(promise="every delivery got its answer", found=f"{wrong_answers} other", holds=wrong_answers == 0),
        Check(
            promise="events acknowledged = events on topics",
            found=f"{acknowledged} = {len(seen.events)}",
            holds=acknowledged == len(seen.events),
        ),
        Check(
            promise="every run finished, or stopped with a reason",
            found=_runs(seen),
            holds=bool(seen.runs) and seen.running == 0 and not unexplained,
        ),
        Check(
            promise="effects at Stripe = commands that succeeded",
            found=f"{len(charged)} = {len(done)}",
            holds=sorted(done) == sorted(charged),
        ),
        Check(promise="nothing twice", found=", ".join(twice) or "0", holds=not twice),
    ]


def settled(seen: Seen, acknowledged: int, commands: int, dead_letters: int) -> bool:
    """Whether everything that was sent has come to its end."""
    of_teams = sum(result["run"] is None for result in seen.results)
    return (
        len(seen.events) >= acknowledged
        and bool(seen.runs)
        and seen.running == 0
        and of_teams >= commands
        and len(seen.dead_letters) >= dead_letters
    )


def _creates(result: Mapping[str, Any]) -> bool:
    return "create" in result["action"]


def _runs(seen: Seen) -> str:
    states = [run["status"] for run in seen.runs.values()]
    return ", ".join(f"{states.count(name)} {name}" for name in ("succeeded", "stopped", "running") if name in states)
