"""The check `kafka` of `/readyz`: whether Kafka still answers the parts of the process, and if not, why.

Connections that are open say nothing about new ones: a password that was changed, or a right that was taken away, shows
when Kafka ends a session. So the parts say how long ago Kafka last answered them, and the check fails `UNREADY_AFTER_S`
after that. Why is asked in the background by one connection by hand, never while a probe waits.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

UNREADY_AFTER_S: Final = 20.0
"""Longer than a forgotten connection takes to be replaced (15 s), shorter than Kubernetes takes to be asked often."""
ASK_WHY_AFTER_S: Final = 10.0
_ASK_EVERY_S: Final = 5.0
_ANSWER_S: Final = 30.0

SilentS = Callable[[], float]
"""How many seconds ago Kafka last answered a part."""


class KafkaAnswers:
    """The parts of a process that Kafka answers. `silent_s`: by name; each part adds its own."""

    def __init__(self, why_unreachable: Callable[[], Awaitable[str | None]], control_silent_s: SilentS) -> None:
        self.silent_s: dict[str, SilentS] = {}
        self._why_unreachable, self._control_silent_s = why_unreachable, control_silent_s
        self._why: str | None = None

    def missing(self) -> str | None:
        """Which parts Kafka does not answer, and why; None when it answers all of them."""
        silent = {name: seconds for name, seconds in self._silences().items() if seconds >= UNREADY_AFTER_S}
        if not silent:
            return None
        names, longest_s = ", ".join(sorted(silent)), max(silent.values())
        why = self._why or "A new connection to it works, so look at the brokers."
        return f"Kafka has not answered for {longest_s:.0f} s ({names}). {why}"

    async def run(self) -> None:
        """Ask why, from time to time while a part waits for an answer."""
        while True:
            if max(self._silences().values()) >= ASK_WHY_AFTER_S:
                self._why = await self._asked()
            await asyncio.sleep(_ASK_EVERY_S)

    def _silences(self) -> dict[str, float]:
        """The control table counts until another part works: it is of use without Kafka, and has a check of its own."""
        parts = self.silent_s or {"control table": self._control_silent_s}
        return {name: silent_s() for name, silent_s in parts.items()}

    async def _asked(self) -> str | None:
        try:
            async with asyncio.timeout(_ANSWER_S):
                return await self._why_unreachable()
        except Exception as error:  # noqa: BLE001  the check must outlive whatever the question meets
            return f"Why could not be found out: {type(error).__name__}."
