"""deploy/prometheus/alerts.yaml: each alert can fire, says what to do, and is in docs/operations.md."""

import re
from pathlib import Path

import pytest

from stripeline.deploy.telemetry.alerts_page import main, rules, with_alerts
from tests.support.product_sources import ROOT
from tests.support.promql import mistakes

SOURCE = ROOT / "deploy" / "prometheus" / "alerts.yaml"
TEXT = SOURCE.read_text(encoding="utf-8")
OPERATIONS = ROOT / "docs" / "operations.md"
RULES = [rule for _, rule in rules(TEXT)]
REPOSITORY = "https://github.com/stripeline/stripeline/blob/main/"
LABEL = re.compile(r"\$labels\.(\w+)")
GROUPED = re.compile(r"(?:by|on) \(([\w, ]+)\)")
INCREASES = re.compile(r"increase\((\w+(?:\{[^}]*\})?)\[")


def anchors(page: str) -> set[str]:
    """Those of its headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def test_the_table_of_alerts_is_what_the_file_says(tmp_path: Path):
    page = OPERATIONS.read_text(encoding="utf-8")
    assert with_alerts(page, TEXT) == page, "the table of alerts is stale: run `make docs`"
    copy = tmp_path / "page.md"
    copy.write_text(page)
    main(SOURCE, copy)
    assert copy.read_text() == page


def test_a_name_comes_once():
    assert len({rule["alert"] for rule in RULES}) == len(RULES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_asks_for_what_exists(rule):
    assert mistakes(rule["expr"]) == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_names_where_it_is_and_what_to_do(rule):
    assert rule["labels"].keys() == {"severity"}
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}
    named = {label for text in rule["annotations"].values() for label in LABEL.findall(text)}
    kept = {label.strip() for group in GROUPED.findall(rule["expr"]) for label in group.split(",")}
    assert named <= kept
    assert kept - named <= {
        "namespace",
        "le",
        "role",
        "partition",
        "version",
    }  # what else tells one from another is in the words


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_a_runbook_is_a_section_that_exists(rule):
    path, _, anchor = rule["annotations"]["runbook_url"].removeprefix(REPOSITORY).partition("#")
    assert anchor in anchors((ROOT / path).read_text(encoding="utf-8"))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_keeps_installations_apart(rule):
    assert "namespace" in rule["expr"] or rule["expr"] == "absent(stripeline_build_info)"


@pytest.mark.parametrize(
    "rule", [rule for rule in RULES if re.search(r"\) > 0$", rule["expr"])], ids=lambda rule: rule["alert"]
)
def test_the_first_count_of_a_counter_fires(rule):
    """A counter that begins at 1 has no increase; one that begins at 0 needs nothing."""
    for series in INCREASES.findall(rule["expr"]) if "unless on" not in rule["expr"] else ():
        from_0 = series.startswith("stripeline_dead_letters_total")
        assert from_0 or f"{series} unless {series} offset 1h" in rule["expr"]
