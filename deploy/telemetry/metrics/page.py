"""Writes the tables of metrics into `docs/operations.md`, between two markers. The rest of the page is left as it is.

python -m stripeline.deploy.telemetry.metrics.page docs/operations.md
"""

import sys
from pathlib import Path
from typing import Any, Final

from stripeline.deploy.generated_section import with_section
from stripeline.deploy.telemetry.collector import MetricRow
from stripeline.deploy.telemetry.metrics.table import SECTIONS

BEGIN: Final = "<!-- begin: metrics, written by `make docs` from deploy/telemetry/metrics -->"
END: Final = "<!-- end: metrics -->"
_LIBRARY: Final = (
    "| `process_resident_memory_bytes`, `process_cpu_seconds_total`, `process_open_fds` | Is the machine big enough? "
    "| These are prometheus-client's own |\n"
)


def with_metrics(page: str) -> str:
    """The page with its tables as the rows say."""
    return with_section(page, BEGIN, END, tables())


def tables() -> str:
    parts = [f"### {name}\n\n| metric | question | what to do |\n|---|---|---|\n" for name in SECTIONS]
    parts = [head + "".join(map(_line, rows)) for head, rows in zip(parts, SECTIONS.values(), strict=True)]
    return "\n".join(parts) + _LIBRARY


def _line(row: MetricRow[Any]) -> str:
    labels = f"{{{','.join(row.labels)}}}" if row.labels else ""
    return f"| `{row.name}{labels}` | {row.question} | {row.action} |\n"


def main(path: Path) -> None:
    path.write_text(with_metrics(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
