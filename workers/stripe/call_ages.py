"""How long calls have been under way, for the watchdog: a hung one shows by nothing else while others go on."""

import time
from collections import defaultdict

from stripeline.workers.executor.command_state import Call
from stripeline.workers.executor.stripe_lookup import Sight
from stripeline.workers.roles import CarryOut


class UnderWay:
    """Wraps what carries calls out, and remembers when each of them began, by partition number."""

    def __init__(self, carry_out: CarryOut) -> None:
        self._carry_out = carry_out
        self._began_s: dict[int, dict[object, float]] = defaultdict(dict)  # the oldest one first

    async def carry_out(self, call: Call) -> Sight:
        this, calls = object(), self._began_s[call.work.ticket.record.partition]
        calls[this] = time.monotonic()
        try:
            return await self._carry_out(call)
        finally:
            del calls[this]

    def oldest_s(self, partition: int) -> float:
        """How long the oldest call of a partition has been under way; 0 without a call."""
        began_s = next(iter(self._began_s[partition].values()), None)
        return 0.0 if began_s is None else time.monotonic() - began_s
