"""`make bench`, or `python -m tests.bench [JOB …]`: runs the jobs on a real Kafka and writes docs/performance.md.

It never asserts a time: it measures, and the document says what was measured on what.
"""

import argparse
import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from rich.console import Console

from tests.bench import end_to_end, executor, fairness, growth, hosts, idle, ingest, report, router, tenants
from tests.bench.harness import Lab, Table
from tests.support.broker import any_broker

JOBS: dict[str, Callable[[Lab], Awaitable[Sequence[Table]]]] = {
    "ingest": ingest.job,
    "executor": executor.job,
    "router": router.job,
    "end-to-end": end_to_end.job,
    "fairness": fairness.job,
    "growth": growth.job,
    "tenants": tenants.job,
    "hosts": hosts.job,
    "idle": idle.job,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("jobs", nargs="*", metavar="JOB", help=f"of {', '.join(JOBS)}; all when none is named")
    parser.add_argument("--rounds", type=int, default=3, help="how often each contender is measured")
    parser.add_argument("--seconds", type=float, default=5.0, help="how long each time")
    parser.add_argument("--no-doc", action="store_true", help="only print, do not write docs/performance.md")
    options = parser.parse_args()
    console = Console()
    if unknown := set(options.jobs) - set(JOBS):
        parser.error(f"there is no job {', '.join(sorted(unknown))}: choose from {', '.join(JOBS)}")
    with tempfile.TemporaryDirectory(prefix="stripeline-bench-") as name:
        folder = Path(name)
        with any_broker(folder / "kafka", console.print) as broker:
            for job in options.jobs or JOBS:
                mine = folder / job
                mine.mkdir()
                lab = Lab(
                    bootstrap_servers=broker.bootstrap_servers, folder=mine, rounds=options.rounds,
                    seconds=options.seconds, note=lambda line: console.print(line, highlight=False),
                )  # fmt: skip
                tables = asyncio.run(JOBS[job](lab))
                report.show(console, tables)
                if not options.no_doc:
                    report.keep(job, tables)
                    report.write(job)


if __name__ == "__main__":
    main()
