"""How the demo looks: lines, and in a terminal a live table of runs below them. Shows no secret: it gets none."""

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from stripeline.deploy.local.demo.final_checks import FinalCheck
from stripeline.deploy.local.demo.observations import Observations

_COLOURS = {"event": "cyan", "run": "green", "result": "blue", "retry": "yellow", "dead letter": "red", "sent": "bold"}
_RUNS = 12
_STATES = {"running": "yellow", "succeeded": "green", "stopped": "red"}


class Screen:
    """Where the demo writes. `with` it, and call `line` for each thing that happens."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)
        self._seen: Observations | None = None
        self._live = Live(console=self.console, refresh_per_second=8, get_renderable=self._table)

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def watch(self, seen: Observations) -> None:
        self._seen = seen

    def line(self, kind: str, text: str) -> None:
        """One thing that happened. In a terminal it scrolls above the table of runs."""
        written = Text.assemble((f"{kind:>12}  ", _COLOURS.get(kind, "dim")), text)
        self.console.print(written, soft_wrap=True)

    def _table(self) -> Table:
        table = Table("event", "workflow", "run", "step", "steps done", box=None, header_style="bold", pad_edge=False)
        runs = [] if self._seen is None else [*self._seen.runs.values()][-_RUNS:]
        for run in runs:
            done = sum(step["status"] == "succeeded" for step in run["steps"])
            state = Text(run["status"], style=_STATES[run["status"]])
            table.add_row(run["event"], run["workflow"], state, run["step"] or "-", str(done))
        return table if runs else Table(box=None)

    def summary(self, found: Sequence[FinalCheck], counts: str) -> None:
        """The end: each promise with its numbers."""
        self._live.stop()
        table = Table("", "promise", "found", title="Checked at the end", title_justify="left", box=None)
        for check in found:
            mark = Text("ok", style="green") if check.holds else Text("BROKEN", style="bold red")
            table.add_row(mark, check.promise, check.found)
        self.console.print()
        self.console.print(counts, soft_wrap=True)
        self.console.print(table)
