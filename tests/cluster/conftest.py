"""What each fault cost is collected, printed at the end, and written as JSON where `--figures FILE` asks for it."""

import dataclasses
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

import orjson
import pytest

from tests.cluster.figures import Figures, table
from tests.cluster.under_traffic import DELIVERIES_PER_S, under_traffic
from tests.faults.world import World
from tests.support.broker_cluster import Layout

COLLECTED = pytest.StashKey[list[Figures]]()


class UnderTraffic(Protocol):
    def __call__(
        self, fault: str, layout: Layout | None = None, receivers: int = 1, per_s: float = DELIVERIES_PER_S
    ) -> AbstractAsyncContextManager[World]: ...


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--minutes", type=float, default=0.0, help="how long versions are mixed, at least")
    parser.addoption("--figures", type=Path, default=None, help="a file for the figures of each fault, as JSON")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[COLLECTED] = []


@pytest.fixture
def traffic(request: pytest.FixtureRequest, tmp_path: Path, note: Callable[[str], None]) -> UnderTraffic:
    """`async with traffic("what is broken") as world:` and the fault; all promises are checked when it is over."""

    def opened(
        fault: str, layout: Layout | None = None, receivers: int = 1, per_s: float = DELIVERIES_PER_S
    ) -> AbstractAsyncContextManager[World]:
        figures = request.config.stash[COLLECTED]
        return under_traffic(fault, layout or Layout(), tmp_path, note, figures, receivers, per_s)

    return opened


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    figures = config.stash[COLLECTED]
    if figures:
        terminalreporter.section("longest pauses, in seconds")
        for line in table(figures):
            terminalreporter.write_line(line)
    if (file := config.getoption("--figures")) is not None:
        file.write_bytes(orjson.dumps([dataclasses.asdict(one) for one in figures], option=orjson.OPT_INDENT_2))
