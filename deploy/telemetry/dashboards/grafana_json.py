"""A dashboard as Grafana's JSON, from the rows of its metrics. Pure: the same rows give the same text."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from stripeline.deploy.telemetry.board import Board
from stripeline.deploy.telemetry.collector import MetricRow
from stripeline.deploy.telemetry.dashboards.panel_queries import queries, unit

RUNBOOK: Final = "https://github.com/stripeline/stripeline/blob/main/docs/operations.md"
_WIDTH, _HEIGHT, _COLUMNS = 8, 8, 3
_SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
_SCHEMA_VERSION: Final = 39  # of Grafana 11; later ones read it

Json = dict[str, Any]
Rows = Mapping[str, Sequence[MetricRow[Any]]]


class About(NamedTuple):
    """The title of a dashboard, and where the console and the runbook say more."""

    title: str
    page: str
    anchor: str


ABOUT: Final[Mapping[Board, About]] = {
    Board.RECEIVER: About("Receiver", "events", "ingest"),
    Board.WORKERS: About("Workers", "workers", "workers"),
    Board.STRIPE: About("Stripe", "connections", "stripe"),
    Board.MONEY: About("Money safety", "dead-letters", "dead-letters"),
    Board.CONSOLE: About("Console", "", "the-console"),
}


def dashboard(board: Board, rows: Rows) -> Json:
    """rows: by the heading under which their panels stand."""
    about = ABOUT[board]
    return {
        "uid": f"stripeline-{board}",
        "title": f"Stripeline: {about.title}",
        "tags": ["stripeline"],
        "schemaVersion": _SCHEMA_VERSION,
        "editable": False,
        "graphTooltip": 1,  # one cursor for all panels
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "utc",
        "annotations": {"list": []},
        "links": [
            _link("Console", f"${{console}}/{about.page}"),
            _link("Runbook", f"{RUNBOOK}#{about.anchor}"),
            _other_dashboards(),
        ],
        "templating": {"list": list(_variables(rows))},
        "panels": list(_panels(rows)),
    }


def _panels(rows: Rows) -> Iterator[Json]:
    number = top = 0
    for heading, those in rows.items():
        number += 1
        yield _heading(number, heading, top)
        top += 1
        for place, row in enumerate(those):
            number += 1
            yield _panel(number, row, (place % _COLUMNS) * _WIDTH, top + place // _COLUMNS * _HEIGHT)
        top += -(-len(those) // _COLUMNS) * _HEIGHT


def _heading(number: int, title: str, top: int) -> Json:
    grid = {"h": 1, "w": _COLUMNS * _WIDTH, "x": 0, "y": top}
    return {"id": number, "type": "row", "title": title, "collapsed": False, "gridPos": grid, "panels": []}


def _panel(number: int, row: MetricRow[Any], left: int, top: int) -> Json:
    asked = queries(row)
    return {
        "id": number,
        "type": "timeseries",
        "title": row.question.rstrip("?") + "?",
        "description": f"{row.help}.\n\n{row.action}".strip(),
        "datasource": _SOURCE,
        "gridPos": {"h": _HEIGHT, "w": _WIDTH, "x": left, "y": top},
        "targets": [
            {"refId": chr(ord("A") + place), "datasource": _SOURCE, "expr": one.expression, "legendFormat": one.legend}
            for place, one in enumerate(asked)
        ],
        "fieldConfig": {"defaults": {"unit": unit(row), **({"min": 0} if unit(row) != "s" else {})}, "overrides": []},
        "options": {
            "legend": {
                "displayMode": "table",
                "placement": "bottom",
                "showLegend": True,
                "calcs": ["lastNotNull", "max"],
            },
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
    }


def _variables(rows: Rows) -> Iterator[Json]:
    yield {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
    yield _query("namespace", "Namespace", "stripeline_build_info")
    yield _query("job", "Job", 'stripeline_build_info{namespace=~"$namespace"}')
    if any("connection" in row.labels for those in rows.values() for row in those):
        yield _query("connection", "Connection", 'stripeline_connection_paused{namespace=~"$namespace"}')
    yield {"name": "console", "label": "Console", "type": "textbox", "query": "http://localhost:8081"}


def _query(name: str, label: str, series: str) -> Json:
    """All by default, and also what lacks the label: a Prometheus beside a compose file knows no namespaces."""
    asked = f"label_values({series}, {name})"
    return {
        "name": name, "label": label, "type": "query", "datasource": _SOURCE,
        "query": {"query": asked, "refId": name}, "refresh": 2, "sort": 1, "multi": True, "includeAll": True,
        "allValue": ".*", "current": {"text": ["All"], "value": ["$__all"]},
    }  # fmt: skip


def _link(title: str, url: str) -> Json:
    return {"type": "link", "title": title, "url": url, "icon": "external link", "targetBlank": True, "tags": []}


def _other_dashboards() -> Json:
    return {
        "type": "dashboards", "title": "Stripeline", "tags": ["stripeline"], "asDropdown": True, "includeVars": True,
        "keepTime": True, "icon": "dashboard",
    }  # fmt: skip
