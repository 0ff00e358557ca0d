"""deploy/grafana/dashboards: what the table of metrics says, each metric once, queries that can be answered."""

import json
import re
from collections import Counter
from itertools import combinations
from typing import Any

import pytest

from stripeline.deploy.telemetry.dashboards.dashboard_files import files, main
from stripeline.deploy.telemetry.metrics.table import ROWS
from tests.support.product_sources import ROOT
from tests.support.promql import asked, mistakes

FOLDER = ROOT / "deploy" / "grafana" / "dashboards"
FILES = {path.name: path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.json"))}
BOARDS: dict[str, dict[str, Any]] = {name: json.loads(text) for name, text in FILES.items()}
PANELS = [
    pytest.param(board, panel, id=f"{name}-{panel['id']}")
    for name, board in BOARDS.items()
    for panel in board["panels"]
    if panel["type"] != "row"
]
VARIABLE = re.compile(r"\$\{?(\w+)")
UNITS = {"s", "bytes", "cps", "percentunit", "short"}
BUILT_IN = {"__rate_interval", "__all"}


def test_the_dashboards_are_what_the_table_says(tmp_path):
    assert files() == FILES, "the dashboards are stale: run `make docs`"
    main(tmp_path)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == FILES


def test_each_metric_has_one_panel():
    shown = Counter(
        re.sub("_bucket$", "", panel.values[1]["targets"][0]["expr"].split("stripeline", 1)[1].split("{")[0])
        for panel in PANELS
    )
    assert shown == Counter(row.name.removeprefix("stripeline") for row in ROWS)


@pytest.mark.parametrize(("board", "panel"), PANELS)
def test_a_panel_asks_for_what_exists(board, panel):
    for target in panel["targets"]:
        assert mistakes(target["expr"]) == []
        kept = set(asked(target["expr"]).labels) - {"le"}
        assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) == kept


@pytest.mark.parametrize(("board", "panel"), PANELS)
def test_a_panel_says_what_it_shows_in_its_unit(board, panel):
    assert panel["title"].endswith("?")
    assert panel["description"]
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
    assert panel["datasource"]["uid"] == "${datasource}"


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_a_dashboard_is_whole(board):
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    defined = {variable["name"] for variable in board["templating"]["list"]}
    assert set(VARIABLE.findall(json.dumps(board))) == defined | BUILT_IN
    assert [link["title"] for link in board["links"]] == ["Console", "Runbook", "Stripeline"]


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_no_panel_lies_on_another(board):
    for one, other in combinations((panel["gridPos"] for panel in board["panels"]), 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        assert beside or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]


def test_the_runbook_of_a_dashboard_is_a_section():
    heads = re.findall(r"^#+ (.+)$", (ROOT / "docs" / "operations.md").read_text(encoding="utf-8"), re.MULTILINE)
    anchors = {head.lower().replace(" ", "-") for head in heads}
    for board in BOARDS.values():
        assert board["links"][1]["url"].partition("#")[2] in anchors
