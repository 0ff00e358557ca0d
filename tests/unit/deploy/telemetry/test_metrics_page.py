"""docs/operations.md: its tables are the rows, and its alerts ask for metrics, labels and words that exist."""

import re
from enum import StrEnum
from pathlib import Path

import pytest
import yaml

from stripeline.contracts.topics import Topics
from stripeline.contracts.vocabulary import CODE_OK, Verdict
from stripeline.deploy.telemetry.metrics.page import BEGIN, END, main, with_metrics
from stripeline.deploy.telemetry.metrics.table import ROWS

OPERATIONS = Path(__file__).parents[4] / "docs" / "operations.md"
PAGE = OPERATIONS.read_text(encoding="utf-8")
BY_NAME = {row.name: row for row in ROWS}
# Names of the installation, its topics and its host; `code` has one word beside the enum.
FREE = {
    "action",
    "check",
    "kind",  # of a limit: connection or workflow
    "name",
    "page",
    "what",
    "connection",
    "endpoint",
    "partition",
    "process",  # of several that share a port: its number
    "role",
    "secret",
    "tier",
    "topic",
    "trigger",
    "version",
    "workflow",
}
SUFFIXES = re.compile(r"_(bucket|sum|count)$")
SELECTOR = re.compile(r"\b(stripeline_[a-z_]+)(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)(=~|!~|!=|=)"([^"]*)"')


def values_of(name: str, label: str) -> set[str] | None:
    """The values that a label can have; None where the installation names them."""
    row = BY_NAME[name]
    if label in row.words:
        words: list[type[StrEnum]] = [*row.words[label]]
        extra = {CODE_OK} if label == "code" else set[str]()
        return {str(member.value) for word in words for member in word} | extra
    return set(Topics().events) | {topic.name for topic in Topics().all(1)} if label == "topic" else None


def mistakes(expression: str) -> list[str]:
    """Why an alert's expression can't select what it asks for."""
    found = []
    for name, matchers in SELECTOR.findall(expression):
        if SUFFIXES.sub("", name) not in BY_NAME and name not in BY_NAME:
            found.append(f"no metric {name}")
            continue
        row = BY_NAME.get(name) or BY_NAME[SUFFIXES.sub("", name)]
        for label, operator, text in MATCHER.findall(matchers):
            if label not in row.labels:
                found.append(f"{name} has no label {label}")
                continue
            values = values_of(row.name, label)
            choices = text.split("|") if operator in {"=~", "!~"} else [re.escape(text)]
            if values is not None and text:
                found += [
                    f"{label} of {name} is never {choice}"
                    for choice in choices
                    if not any(re.fullmatch(choice, value) for value in values)
                ]
    return found


def alerts() -> list[dict[str, str]]:
    (block,) = re.findall(r"## Alerts\n\n```yaml\n(.*?)```", PAGE, re.DOTALL)
    found: list[dict[str, str]] = yaml.safe_load(block)
    return found


def test_the_tables_are_what_the_rows_say():
    assert with_metrics(PAGE) == PAGE, "the tables of metrics are stale: run `make docs`"


def test_a_page_without_markers_is_refused(tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text(f"a\n{BEGIN}\nold\n{END}\nz\n")
    main(page)
    assert page.read_text().startswith(f"a\n{BEGIN}\n\n### ")
    assert page.read_text().endswith(f"{END}\nz\n")
    with pytest.raises(ValueError, match="needs the lines"):
        with_metrics(f"a\n{BEGIN}\n")


def test_the_page_names_no_metric_that_does_not_exist():
    told = set(re.findall(r"`(stripeline_[a-z_]+)[{`]", PAGE))
    assert told == set(BY_NAME)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_metric_is_explained_to_operators(row):
    assert row.question.endswith("?")
    assert row.action or row.name in {"stripeline_build_info", "stripeline_task_records_held"} or "waiting" in row.name
    labels = f"{{{','.join(row.labels)}}}" if row.labels else ""
    assert f"\n| `{row.name}{labels}` |" in PAGE


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_label_has_names_or_words(row):
    assert set(row.words) <= set(row.labels)
    assert set(row.labels) - set(row.words) <= FREE


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_an_alert_can_fire(alert):
    assert SELECTOR.search(alert["expr"])
    assert mistakes(alert["expr"]) == []


def test_alerts_that_can_never_fire_are_found():
    assert mistakes('increase(stripeline_records_total{verdict="internal_error"}[1h]) > 0') == [
        "verdict of stripeline_records_total is never internal_error"
    ]
    assert mistakes('stripeline_record_total{verdict="broken"}') == ["no metric stripeline_record_total"]
    assert mistakes('stripeline_ready{role="x"}') == ["stripeline_ready has no label role"]
    assert mistakes('stripeline_task_state_entries{kind=~"commands|done"}') == [
        "kind of stripeline_task_state_entries is never done"
    ]
    assert mistakes('stripeline_oldest_waiting_seconds{topic!~".*retri.*"}') == [
        "topic of stripeline_oldest_waiting_seconds is never .*retri.*"
    ]
    assert (
        mistakes(f'rate(stripeline_publish_seconds_sum[5m]) + stripeline_records_total{{verdict="{Verdict.BROKEN}"}}')
        == []
    )
