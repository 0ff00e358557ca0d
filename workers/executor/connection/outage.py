"""Whether Stripe fails every call of one account: then one call at a time tries it, instead of all that wait. Pure.

An attempt during an outage is worse than none: Stripe may store its 500 under the Idempotency-Key, and answer nothing
else from then on. So what was not attempted waits without an attempt, in its order.

    answered ── calls of MIN_COMMANDS fail, MIN_CALLS or MIN_MS, none between was answered ──► outage
    outage ──── one call at a time, at growing intervals ──► fails: outage │ is answered: answered

Invariants: one key that fails alone never stops another; any answer of Stripe ends it, at once.
"""

from dataclasses import dataclass, field
from typing import Final

from stripeline.workers.executor.connection.key_breaker import is_under_way

MIN_COMMANDS: Final = 5
MIN_CALLS, MIN_MS = 20, 10_000
PROBE_MIN_MS, PROBE_MAX_MS = 1_000, 30_000


@dataclass(slots=True)
class Outage:
    """What the calls of one account say. `probing_ms`: since when a call that tries it is under way.

    since_ms: of the first call that failed; since then none was answered.
    """

    since_ms: int = 0
    open: bool = False
    probing_ms: int | None = None
    _calls: int = 0
    _commands: set[str] = field(default_factory=set)
    _probes: int = 0
    _probe_ms: int = 0

    def wait_ms(self, now_ms: int) -> int:
        """How long a call waits; 0 where it may be made, as the one that tries where `open`."""
        if not self.open:
            return 0
        if is_under_way(self.probing_ms, now_ms):
            return PROBE_MIN_MS
        return max(0, self._probe_ms - now_ms)

    def failed(self, command: str, now_ms: int) -> None:
        """A call failed by Stripe's fault."""
        if self.open:
            return
        if not self._calls:
            self.since_ms = now_ms
        self._calls += 1
        if len(self._commands) < MIN_COMMANDS:
            self._commands.add(command)
        long = self._calls >= MIN_CALLS or now_ms - self.since_ms >= MIN_MS
        if long and len(self._commands) >= MIN_COMMANDS:
            self.open = True
            self.goes_on(now_ms)

    def answered(self) -> None:
        self.open, self._calls, self._probes = False, 0, 0
        self._commands.clear()

    def goes_on(self, now_ms: int) -> None:
        """The call that tried it was not answered: the next one is later."""
        self._probe_ms = now_ms + min(PROBE_MIN_MS << min(self._probes, 10), PROBE_MAX_MS)
        self._probes += 1
