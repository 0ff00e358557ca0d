"""The fault suite in short: every kind of fault at least once in a minute. `make faults` runs it at length."""

from collections.abc import Callable
from pathlib import Path

from tests.faults.run import Plan, run

PLAN = Plan(seed=202, seconds=60, deliveries_per_s=30, commands_per_s=10)


async def test_every_kind_of_fault_leaves_every_promise_kept(tmp_path: Path, note: Callable[[str], None]):
    report = await run(PLAN, tmp_path, lambda _: None)
    text = report.text()
    note(text)
    assert report.problems == [], text
