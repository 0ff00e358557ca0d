"""Acts that may take minutes, such as taking up what came while a workflow was paused: which run, and how they ended.

One act of a name at a time. They live in the process: after a restart the audit trail has what was done, and an act
that was cut short can be asked for again.
"""

from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from typing import Any, Final

_MAX_KEPT: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ActNotice:
    """An act. outcome: in words, once it has ended; failed: it was not done."""

    title: str
    by: str
    since_ms: int
    outcome: str | None = None
    failed: bool = False


@dataclass(slots=True)
class ActNotices:
    """The newest act of each name, the oldest first."""

    _states: dict[str, ActNotice] = field(default_factory=dict)

    def state(self, name: str) -> ActNotice | None:
        return self._states.get(name)

    def running(self, name: str) -> bool:
        found = self._states.get(name)
        return found is not None and found.outcome is None

    async def follow(self, name: str, state: ActNotice, act: Coroutine[Any, Any, tuple[bool, str]]) -> None:
        """Carry an act out. It returns whether it failed, and its outcome in words."""
        failed, outcome = True, "It ended without a word: the console's log has the reason. See the audit trail."
        try:
            failed, outcome = await act
        finally:
            self._states[name] = replace(state, outcome=outcome, failed=failed)

    def begin(self, name: str, state: ActNotice) -> None:
        self._states.pop(name, None)
        ended = [known for known, one in self._states.items() if one.outcome is not None]
        for known in ended[: max(0, len(self._states) - _MAX_KEPT)]:
            del self._states[known]
        self._states[name] = state
