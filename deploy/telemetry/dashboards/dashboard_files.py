"""Writes the dashboards into a folder, a file each, from the table of metrics.

python -m stripeline.deploy.telemetry.dashboards.dashboard_files deploy/grafana/dashboards
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from stripeline.deploy.telemetry.board import Board
from stripeline.deploy.telemetry.collector import MetricRow
from stripeline.deploy.telemetry.dashboards.grafana_json import dashboard
from stripeline.deploy.telemetry.metrics.table import SECTIONS

_OF_SECTION: Final[Mapping[str, Board]] = {
    "Ingest": Board.RECEIVER,
    "Workers": Board.WORKERS,
    "Stripe": Board.STRIPE,
    "Missed events": Board.RECEIVER,
    "Limits": Board.MONEY,
    "Console": Board.CONSOLE,
    "Process": Board.WORKERS,
}
"""Where the rows of a section are whose row names no dashboard."""


def rows_of(board: Board) -> dict[str, list[MetricRow[Any]]]:
    """The rows of a dashboard, by section."""
    found = {
        name: [row for row in rows if (row.board or _OF_SECTION[name]) is board] for name, rows in SECTIONS.items()
    }
    return {name: rows for name, rows in found.items() if rows}


def files() -> dict[str, str]:
    """The text of each file, by its name."""
    made = {board: dashboard(board, rows_of(board)) for board in Board}
    return {f"{board}.json": json.dumps(one, indent=2, ensure_ascii=False) + "\n" for board, one in made.items()}


def main(folder: Path) -> None:
    for name, text in files().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
