"""The demo's five promises hold every rule of the comparison, and say which one is broken."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from stripeline.contracts.topics import Topics
from stripeline.deploy.local import demo, reconciliation
from stripeline.deploy.local.demo import final_checks as checks
from stripeline.deploy.local.demo.final_checks import AnswerCounts, final_checks, settled
from stripeline.deploy.local.demo.observations import Observations
from stripeline.deploy.local.demo.scenario import STEPS, commands, deliveries
from stripeline.deploy.local.reconciliation import EndState, Sent, SentCommand

RUN = "evt_1:look-at-disputes"
RESULT = {
    "command_id": f"{RUN}:charge", "revision": 0, "status": "succeeded", "action": "stripe/retrieve-charge",
    "output": {"id": "ch_1"}, "run": {"run_id": RUN},
}  # fmt: skip
SENT = Sent(events={"evt_1": ["look-at-disputes"]}, events_acknowledged=frozenset({"evt_1"}), steps=STEPS)


@pytest.fixture
def seen() -> Observations:
    made = Observations(topics=Topics(), show=lambda *_: None)
    made.events.append("evt_1")
    made.commands.append(SentCommand(id=f"{RUN}:charge", key=b"ch_1", of_a_run=True))
    made.runs[RUN] = {"run": RUN, "status": "succeeded", "error": None}
    made.results.append(RESULT)
    return made


def broken(seen: Observations, state: EndState, sent: Sent = SENT) -> dict[str, str]:
    found = final_checks(sent, seen, state, AnswerCounts(acknowledged=1))
    assert len(found) == 5
    return {check.promise: check.found for check in found if not check.holds}


def test_a_demo_in_which_all_is_well_breaks_no_promise(seen):
    assert broken(seen, seen.end_state([])) == {}
    assert settled(seen, acknowledged=1, commands=0, dead_letters=0)


def test_every_rule_belongs_to_one_promise():
    groups = [checks._EVENTS, checks._RUNS, checks._EFFECTS, checks._TWICE]
    assert sorted(rule.__name__ for group in groups for rule in group) == sorted(
        rule.__name__ for rule in reconciliation.RULES
    )


@pytest.mark.parametrize(
    ("changes", "promise"),
    [
        ({"events": ["evt_1", "evt_2"]}, "events acknowledged = events on topics"),
        ({"runs": {}}, "every run finished, or stopped with a reason"),
        ({"effects": [{"command": "c9", "id": "cus_1"}]}, "effects at Stripe = commands that succeeded"),
        ({"results": [RESULT, RESULT]}, "nothing twice"),
    ],
)
def test_a_broken_rule_breaks_its_promise(seen, changes: dict[str, Any], promise):
    assert promise in broken(seen, replace(seen.end_state([]), **changes))


def test_it_is_not_settled_before_each_command_has_its_result(seen):
    seen.commands.append(SentCommand(id="crm-1", key=b"k"))
    assert not settled(seen, acknowledged=1, commands=0, dead_letters=0)


def test_the_scenario_is_of_the_example_configuration():
    example = yaml.safe_load((Path(demo.__path__[0]).parent / "example.yaml").read_text())["workflows"]
    assert {name: tuple(step["id"] for step in workflow["steps"]) for name, workflow in example.items()} == STEPS
    assert {delivery.starts for delivery in deliveries()} == {None, *STEPS}
    assert len([one for one in commands() if isinstance(one.value, bytes)]) == 1
