"""The pages for people: their links lead somewhere, and what they say of the contract is all of it."""

import json
import re
from pathlib import Path

import pytest

from stripeline.contracts.errors import Code
from stripeline.contracts.records import Command, parse_command
from stripeline.contracts.topics import Topics
from tests.support.schemas import problems

ROOT = Path(__file__).parents[2]
TEAMS = (ROOT / "docs" / "for-other-teams.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_into_the_tree_leads_to_a_file(page: Path) -> None:
    links = re.findall(r"\]\((?!https?://)([^)#]+)\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_other_teams_are_told_of_every_topic_code_and_status() -> None:
    topics = Topics()
    names = {*topics.events, topics.command, topics.result, *Code, "succeeded", "failed", "indeterminate"}
    assert {name for name in names if f"`{name}`" not in TEAMS} == set()


def test_the_command_that_other_teams_are_shown_is_one() -> None:
    (shown,) = re.findall(r"```json\n(.*?)```", TEAMS, re.DOTALL)
    assert isinstance(parse_command(shown.encode()), Command)
    assert problems("command", json.loads(shown)) == []


def test_every_example_program_is_linked() -> None:
    programs = [path for path in (ROOT / "docs" / "examples").glob("*/*") if path.suffix in {".py", ".java", ".js"}]
    assert len(programs) == 3
    assert [path.name for path in programs if f"(examples/{path.parent.name}/{path.name})" not in TEAMS] == []
