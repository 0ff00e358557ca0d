"""docs/operations.md: its tables of metrics are the rows."""

import re
from pathlib import Path

import pytest

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
