"""What must hold at the end of a test's traffic: the product's own comparison, and that nothing failed."""

from collections import Counter
from collections.abc import Iterable, Mapping

from stripeline.deploy.local.reconciliation import Sent, broken_rules
from tests.support.end_state import Found, end_state

STEPS: Mapping[str, tuple[str, ...]] = {"two-steps": ("customer", "deposit")}
"""The workflow of `tests/support/cluster.py`."""


def check(found: Found, acknowledged: Iterable[str]) -> Mapping[str, int]:
    """The promises, for a workflow of two steps in which nothing fails. Returns the numbers."""
    state = end_state(found)
    sent = Sent(events=dict.fromkeys(state.events, STEPS), events_acknowledged=frozenset(acknowledged), steps=STEPS)
    broken = {rule: offenders[:5] for rule, offenders in broken_rules(sent, state).items() if offenders}
    assert not broken, broken
    unfinished = [run for run in found.runs.values() if run["status"] != "succeeded"]
    assert not unfinished, unfinished[:3]
    wanted = {f"{run}:{step}" for run in found.runs for step in STEPS["two-steps"]}
    check_once("command", [command.id for command in state.commands], wanted)
    check_once("result", [result["command_id"] for result in state.results], wanted)
    assert {result["status"] for result in state.results} == {"succeeded"}
    check_once("effect", [effect["command"] for effect in found.effects], wanted)
    assert not found.dead
    return {"events": len(set(state.events)), "commands": len(wanted), "effects": len(found.effects)}


def check_once(what: str, seen: list[str], wanted: set[str]) -> None:
    counts = Counter(seen)
    assert set(counts) == wanted, (
        f"{what}s missing: {len(wanted - set(counts))}, unexpected: {len(set(counts) - wanted)}"
    )
    twice = [name for name, count in counts.items() if count > 1]
    assert not twice, f"{len(twice)} {what}s twice: {twice[:5]}"
