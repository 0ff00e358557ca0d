"""The fault suite in short: every kind of fault at least once in a minute. `make faults` runs it at length."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.run import Plan, run

SEEDS = (202, 24)


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_every_kind_of_fault_leaves_every_promise_kept(tmp_path: Path, note: Callable[[str], None]):
    """A second time only where Kafka's own log says that it broke a promise of its own: docs/faults.md."""
    for seed in SEEDS:
        plan = Plan(seed=seed, seconds=60, deliveries_per_s=30, commands_per_s=10)
        report = await run(plan, tmp_path / str(seed), lambda _: None)
        note(report.text())
        if not report.problems or not report.kafkas_own:
            break
    assert report.problems == []
