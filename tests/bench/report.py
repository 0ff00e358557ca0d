"""Keeps each job's last result, and writes all of them into docs/performance.md between their markers.

What stands outside the markers is written by hand and stays.
"""

import os
import platform
import re
import sysconfig
import time
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table as RichTable

from stripeline.deploy.local.kafka_jars import KAFKA_VERSION
from tests.bench.harness import Column, Plot, Table
from tests.bench.plot import svg

ROOT = Path(__file__).parents[2]
DOC = ROOT / "docs" / "performance.md"
RESULTS = ROOT / ".stripeline" / "bench"
LIBRARIES = ("aiohttp", "httptools", "aiokafka", "uvloop", "orjson", "fastapi", "uvicorn", "stripe")


def machine() -> str:
    """The size of this machine and the versions of what was measured, in one line."""
    cpu = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    build = build_of(str(sysconfig.get_config_var("CONFIG_ARGS")), sysconfig.get_scheme_names())
    return (
        f"{len(os.sched_getaffinity(0))} cores of {cpu[1] if cpu else platform.machine()}, {memory_gb:.0f} GiB,"
        f" Python {platform.python_version()} ({build}), Apache Kafka {KAFKA_VERSION} on the same cores; {libraries}"
    )


def build_of(configured: str, schemes: Sequence[str]) -> str:
    """Whether an interpreter was built with profile-guided optimisation, and with link-time optimisation (LTO).

    Debian's packages are, on amd64 and arm64, and leave it out of the configuration that they record.
    """
    if "deb_system" in schemes:
        return "Debian's, with profile-guided optimisation and LTO"
    profiled = "with" if "--enable-optimizations" in configured else "without"
    linked = "with" if "--with-lto" in configured else "without"
    return f"{profiled} profile-guided optimisation, {linked} LTO"


def keep(job: str, tables: Sequence[Table]) -> None:
    RESULTS.mkdir(parents=True, exist_ok=True)
    result = {"day": time.strftime("%Y-%m-%d"), "machine": machine(), "tables": [asdict(table) for table in tables]}
    (RESULTS / f"{job}.json").write_bytes(orjson.dumps(result, option=orjson.OPT_INDENT_2))


def kept(job: str) -> dict[str, Any] | None:
    """A job's last result; None where it never ran here."""
    file = RESULTS / f"{job}.json"
    return orjson.loads(file.read_bytes()) if file.exists() else None


def table_of(kept_table: dict[str, Any]) -> Table:
    plot = kept_table["plot"]
    columns = [Column(**column) for column in kept_table["columns"]]
    return Table(**kept_table | {"columns": columns, "plot": Plot(**plot) if plot else None})


def show(console: Console, tables: Sequence[Table]) -> None:
    for table in tables:
        shown = RichTable(title=table.title, caption=table.about)
        shown.add_column("")
        for column in table.columns:
            shown.add_column(column.label, justify="right")
        for cells in table.cells():
            shown.add_row(*cells)
        console.print(shown)


def write(job: str) -> None:
    """Put the job's last result into its place in the document, and its plots beside it."""
    result = kept(job)
    if result is None:
        return
    tables = [table_of(table) for table in result["tables"]]
    for number, table in enumerate(tables):
        if table.plot:
            (DOC.parent / plot_name(job, number)).write_text(svg(table.plot), encoding="utf-8")
    text = section(job, tables, f"{result['day']}: {result['machine']}.")
    DOC.write_text(replaced(DOC.read_text(encoding="utf-8"), job, text), encoding="utf-8")


def plot_name(job: str, number: int) -> str:
    return f"performance-{job}-{number + 1}.svg"


def section(job: str, tables: Sequence[Table], measured: str) -> str:
    parts = []
    for number, table in enumerate(tables):
        head = ["", *(column.label for column in table.columns)]
        rows = [head, ["---", *["---:"] * len(table.columns)], *table.cells()]
        parts.append(f"**{table.title}.** {table.about}\n")
        parts.append("\n".join(f"| {' | '.join(cells)} |" for cells in rows) + "\n")
        if table.plot:
            parts.append(f"![{table.plot.title}]({plot_name(job, number)})\n")
    return "\n".join([*parts, f"Measured {measured}"])


def replaced(document: str, job: str, text: str) -> str:
    """The document with `text` between the job's markers, which are added at its end where it has none."""
    start, end = f"<!-- bench:{job} -->", f"<!-- /bench:{job} -->"
    block = f"{start}\n{text}\n{end}"
    before, found, rest = document.partition(start)
    return before + block + rest.partition(end)[2] if found else f"{document.rstrip()}\n\n{block}\n"
