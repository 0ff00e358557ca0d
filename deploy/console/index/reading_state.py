"""How far the index has come, for the pages: versions that live streams look at, and how much is still unread."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from stripeline.deploy.console.index.catch_up import CatchUp

_NEWS_S: Final = 0.5
"""Between two versions: pages are refreshed twice a second at most."""


@dataclass(slots=True)
class ReadingState:
    """claimed: this process has written the store before, so that another's mark on it is a conflict."""

    progress: CatchUp = field(default_factory=lambda: CatchUp(written_ms=_now_ms()))
    claimed: bool = False
    _version: int = 1
    _grown: bool = False
    _grown_s: float = 0.0

    def version(self) -> int:
        return self._version

    def grow(self) -> None:
        """Rows have changed: the next tick says so."""
        self._grown = True

    def tick(self) -> None:
        """Called often; makes a new version at most twice a second."""
        now_s = time.monotonic()
        if self._grown and now_s - self._grown_s >= _NEWS_S:
            self._grown, self._grown_s = False, now_s
            self._version += 1

    def made_again(self, *, rebuilt: bool) -> None:
        """The store is empty. rebuilt: it was not before."""
        now_ms, rebuilds = _now_ms(), self.progress.rebuilds + rebuilt
        self.progress = CatchUp(since_ms=now_ms, written_ms=now_ms, rebuilds=rebuilds)
        self.grow()

    def written(self) -> None:
        self.progress = replace(self.progress, written_ms=_now_ms())

    def unreadable(self, count: int) -> None:
        self.progress = replace(self.progress, unreadable=self.progress.unreadable + count)

    def left_out(self, gaps: Mapping[str, str]) -> None:
        if gaps != self.progress.gaps:
            self.progress = replace(self.progress, gaps=dict(gaps))
            self.grow()

    def trouble(self, missing: Mapping[str, str]) -> None:
        if missing != self.progress.missing:
            self.progress = replace(self.progress, missing=dict(missing))
            self.grow()


def _now_ms() -> int:
    return int(time.time() * 1000)
