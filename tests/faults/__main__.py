"""`make faults`: the fault suite at length, from the command line. Ends with 1 when a promise was broken."""

import argparse
import asyncio
import secrets
import sys
import tempfile
from pathlib import Path

from tests.faults.run import Plan, run


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0, help="how long traffic and faults last")
    parser.add_argument("--seed", type=int, default=None, help="repeats the schedule of an earlier run")
    parser.add_argument("--rate", type=float, default=None, help="deliveries a second: 40, on three brokers 20")
    parser.add_argument("--brokers", type=int, default=1, choices=(1, 3), help="one, or three with three replicas")
    parser.add_argument("--summary", type=Path, default=None, help="a file that the summary is written to as well")
    parser.add_argument("--folder", type=Path, default=None, help="where logs and Kafka's data stay, to be looked at")
    return parser.parse_args()


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    given = arguments()
    seed = secrets.randbelow(1_000_000) if given.seed is None else given.seed
    rate = given.rate or (40.0 if given.brokers == 1 else 20.0)  # three brokers take more of the machine
    plan = Plan(
        seed=seed, seconds=given.minutes * 60, deliveries_per_s=rate, commands_per_s=rate / 3,
        brokers=given.brokers,
    )  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="stripeline-faults-") as temporary:
        folder = given.folder or Path(temporary)
        report = asyncio.run(run(plan, folder, say))
    text = report.text()
    say(f"\n{text}")
    if given.summary is not None:
        given.summary.write_text(text, encoding="utf-8")
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main())
