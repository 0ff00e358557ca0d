"""Workers: how each process is, and each partition of each role, with what is in trouble first."""

import hashlib
from typing import Any

from stripeline.deploy.console.console_page import Answer, ConsolePage, NavigationItem, Parts, Question, View
from stripeline.deploy.console.overview.console_facts import PROCESSES
from stripeline.deploy.console.overview.partition_rows import PartitionRow, partition_rows
from stripeline.deploy.console.overview.process_rows import process_rows, role_rows
from stripeline.deploy.console.overview.sparkline import Curve, sparkline


async def workers(question: Question) -> Answer:
    sources = question.sources
    known, history = sources.workers(), sources.history()
    processes = process_rows(known, history)
    partitions = partition_rows(known, sources.partitions, sources.session_ms, history)
    placed = [
        [(one.name, one.state, one.tasks) for one in processes],
        [(one.role, one.partition, one.owners) for one in partitions],
    ]
    values: dict[str, Any] = {
        "roles": role_rows(known, sources.session_ms), "processes": processes, "partitions": partitions,
        "count": sources.partitions, "unreadable": known.unreadable, "now_ms": known.now_ms, "trend": _trend,
        "unknown": sources.not_known().get(PROCESSES), "shape": hashlib.sha256(repr(placed).encode()).hexdigest()[:16],
    }  # fmt: skip
    return View(template="workers.html", values=values)


def _trend(row: PartitionRow) -> object:
    """The lag of the last minutes; nothing for a single report."""
    if len(row.lags) <= 1:
        return ""
    words = f"From {row.lags[0]:,} to {row.lags[-1]:,}, at most {max(row.lags):,}"
    return sparkline(
        f"lag-{row.role}-{row.partition}", [Curve(row.lags)],
        title=f"Lag of {row.role} {row.partition}", description=words,
    )  # fmt: skip


PAGES = (
    ConsolePage(
        name="workers", path="/workers", show=workers, navigation=NavigationItem(label="Workers", place=8, key="w"),
        live=Parts(
            templates={name: f"live/{name}.html" for name in ("roles", "processes", "partitions")},
            fixed=frozenset({"roles"}),
        ),
    ),
)  # fmt: skip
