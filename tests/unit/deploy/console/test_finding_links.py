"""Where each finding of `status` leads on the console."""

from dataclasses import replace

import pytest

from stripeline.contracts.operator.control_records import Pause
from stripeline.deploy.console.overview.finding_links import LINKS, NextClick, next_click
from stripeline.deploy.operations.status.facts import Facts, Tally, WaitingCommands
from stripeline.deploy.operations.status.finding import FindingKind
from stripeline.deploy.operations.status.findings import findings
from tests.support.status_facts import NOW_MS, WELL, definitions

HOUR = 3_600_000


def test_every_kind_of_finding_leads_somewhere():
    assert set(LINKS) == set(FindingKind)
    assert all(link("some").address.startswith("/") for link in LINKS.values())


def waiting(connection: str) -> WaitingCommands:
    horizon_ms = NOW_MS + HOUR
    return WaitingCommands(connection=connection, count=2, first_ms=1, attempted=1, horizon_ms=horizon_ms, example="c1")


def paused(name: str) -> Facts:
    pause = Pause(by="ada", why="a test", at_ms=NOW_MS - HOUR)
    return replace(WELL, definitions=definitions(pauses={name: pause}))


@pytest.mark.parametrize(
    ("facts", "address"),
    [
        (replace(WELL, dead_letters=Tally(by={"failed": 1})), "/dead-letters?reason=failed"),
        (replace(WELL, dead_letters=Tally(by={"without a reason": 1})), "/dead-letters"),
        (replace(WELL, stopped_runs=Tally(by={"CONFLICT": 1})), "/runs?status=stopped&code=CONFLICT"),
        (replace(WELL, stopped_runs=Tally(by={"without a code": 1})), "/runs?status=stopped"),
        (replace(WELL, stopped_runs=Tally(by={"A&B=1": 1})), "/runs?status=stopped&code=A%26B%3D1"),
        (replace(WELL, waiting=[waiting("acme")]), "/commands?status=waiting&connection=acme"),
        (
            replace(WELL, waiting=[replace(waiting("x/y"), horizon_ms=None)]),
            "/commands?status=waiting&connection=x%2Fy",
        ),
        (paused("connection/acme"), "/connections/acme"),
        (paused("workflow/thanks"), "/workflows/thanks"),
        (paused("connection/a/b"), "/connections/a%2Fb"),
        (paused("workflow/a?b"), "/workflows/a%3Fb"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_a_finding_leads_to_what_it_is_about(facts: Facts, address: str):
    assert [next_click(one).address for one in findings(facts)] == [address]


def test_a_process_that_is_missing_leads_to_the_processes():
    facts = replace(WELL, workers=replace(WELL.workers, instances=())) if WELL.workers else WELL
    assert {next_click(one) for one in findings(facts)} == {NextClick("Look at the processes", "/workers")}
