"""How the demo looks: lines, and below them the story: in a terminal live, in a pipe at the end. It gets no secret."""

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from stripeline.deploy.local.demo.final_checks import FinalCheck
from stripeline.deploy.local.demo.observations import Observations
from stripeline.deploy.local.demo.story import story

_COLOURS = {"event": "cyan", "run": "green", "result": "blue", "retry": "yellow", "dead letter": "red", "sent": "bold"}
_STATES = {"waiting": "yellow", "done": "green", "stopped": "red"}
_KIND, _NAME = 11, 12  # with two gaps, an event's type and id still fit 80 columns


class Screen:
    """Where the demo writes. `with` it, and call `line` for each thing that happens.

    The last screen of a terminal of 80 by 24 has the whole story, and what was checked.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)
        self._seen: Observations | None = None
        self._live = Live(console=self.console, refresh_per_second=8, get_renderable=self._story, transient=True)

    def __enter__(self) -> Self:
        if self.console.is_terminal and not self.console.is_dumb_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def watch(self, seen: Observations) -> None:
        self._seen = seen

    def line(self, kind: str, name: str, text: str) -> None:
        """One thing that happened to a case. In a terminal it scrolls above the story."""
        case = f"{name:<{_NAME}}  " if name else ""
        written = Text.assemble((f"{kind:>{_KIND}}  ", _COLOURS.get(kind, "dim")), case, text)
        self.console.print(written, soft_wrap=True)

    def _story(self) -> Text:
        rows = [] if self._seen is None else story(self._seen)
        lines = (Text.assemble(f"{row.name:<{_NAME}}  ", (row.outcome, _STATES[row.state])) for row in rows)
        return Text("\n").join(lines)

    def summary(self, found: Sequence[FinalCheck], counts: str, next_step: str) -> None:
        """The end: the story, each promise with its numbers, and what to do next."""
        self._live.stop()
        self.console.print()
        self.console.print(self._story())
        self.console.print(f"\n{counts}", soft_wrap=True)
        for check in found:
            mark = ("ok", "green") if check.holds else ("BROKEN", "bold red")
            self.console.print(Text.assemble(mark, f"  {check.promise}: {check.found}"), soft_wrap=True)
        self.console.print(f"\n{next_step}", soft_wrap=True)
