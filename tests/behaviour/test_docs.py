"""The documentation: links and paths exist, decisions are uniform, the teams page covers the whole contract."""

import json
import re
from pathlib import Path

import pytest

from stripeline.contracts.records import Command, parse_command
from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import Code
from tests.support.schemas import problems

ROOT = Path(__file__).parents[2]
DECISIONS = ROOT / "docs" / "decisions"
TEAMS = (ROOT / "docs" / "for-other-teams.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
RECORDS = sorted(DECISIONS.glob("[0-9]*.md"))
RECORD = re.compile(
    r"---\nstatus: (?P<status>accepted|superseded by (?P<successor>\d{4}))\ndate: \d{4}-\d\d-\d\d\nsummary: \S.*\n---\n"
    r"# (?P<title>.+)\n\n## Context\n(?:.*\n)+?\n## Decision\n(?:.*\n)+?\n## When to look again\n(?:.*\n?)+"
)
IN_THE_TREE = re.compile(r"`((?:contracts|ingest|workers|deploy|tests|docs)/[\w./-]+)(?=[`:])")


@pytest.mark.parametrize("page", [*PAGES, DECISIONS / "README.md", *RECORDS], ids=lambda page: page.name)
def test_every_link_into_the_tree_leads_to_a_file(page: Path) -> None:
    links = re.findall(r"\]\((?!https?://)([^)#]+)\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_named_in_a_page_exists(page: Path) -> None:
    named = IN_THE_TREE.findall(page.read_text(encoding="utf-8"))
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.name)
def test_a_decision_has_its_sections_and_a_row_in_the_index(record: Path) -> None:
    parts = RECORD.fullmatch(record.read_text(encoding="utf-8"))
    assert parts, "front matter (status, date, summary), title, Context, Decision, When to look again: in this order"
    number = record.name[:4]
    row = f"| [{number}]({record.name}) | {parts['title']} | {parts['status']} |"
    assert row in (DECISIONS / "README.md").read_text(encoding="utf-8").splitlines()
    successor = parts["successor"]
    assert successor is None or successor in {other.name[:4] for other in RECORDS}


def test_each_decision_has_its_own_number() -> None:
    numbers = [record.name[:4] for record in RECORDS]
    assert sorted(set(numbers)) == numbers


def test_the_teams_page_names_every_topic_code_and_status() -> None:
    topics = Topics()
    names = {*topics.events, topics.command, topics.result, *Code, "succeeded", "failed", "indeterminate"}
    assert {name for name in names if f"`{name}`" not in TEAMS} == set()


def test_the_command_on_the_teams_page_is_valid() -> None:
    (shown,) = re.findall(r"```json\n(.*?)```", TEAMS, re.DOTALL)
    assert isinstance(parse_command(shown.encode()), Command)
    assert problems("command", json.loads(shown)) == []


def test_every_example_program_is_linked() -> None:
    programs = [path for path in (ROOT / "docs" / "examples").glob("*/*") if path.suffix in {".py", ".java", ".js"}]
    assert len(programs) == 3
    assert [path.name for path in programs if f"(examples/{path.parent.name}/{path.name})" not in TEAMS] == []
